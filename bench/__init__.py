"""How fast and how large the built functions are, beside others that do the same job."""
