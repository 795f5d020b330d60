"""Live migration by pre-copy: the rules of a VMM, its costs, and a simulation of both."""
