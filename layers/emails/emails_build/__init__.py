"""Builds the shipped package from brands, texts and templates."""
