"""Every structure against a copy of its own result, and against other people's libraries."""
