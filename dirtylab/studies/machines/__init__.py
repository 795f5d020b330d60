"""What carries over from one machine to another: recorded studies, compared."""
