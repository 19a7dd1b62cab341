"""Tools for developers. Nothing in here is deployed."""
