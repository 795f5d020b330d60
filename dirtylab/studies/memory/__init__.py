"""Memory of structures: computed, allocated, and growth of the process."""
