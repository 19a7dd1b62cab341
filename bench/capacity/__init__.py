"""How many emails per hour a stack handles, what happens to the rest, and what it costs."""
