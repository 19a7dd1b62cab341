"""A page that plays Roomle against the running stack, part of `make demo`."""
