"""How many emails an hour a stack takes, what becomes of the rest, and what it costs."""
