"""How fast and how large the built functions are, compared with others that do the same job."""
