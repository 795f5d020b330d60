"""What structures weigh: computed, allocated, and what the process grew by."""
