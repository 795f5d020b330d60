"""The comparison study: every structure against a copy of its result, and other libraries."""
