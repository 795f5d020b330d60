"""Which structure to choose: a machine's cost model, and advice with its regret."""
