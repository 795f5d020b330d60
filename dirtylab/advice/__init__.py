"""Which structure to take: a machine's cost model, and advice that states its regret."""
