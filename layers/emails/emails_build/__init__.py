"""What turns brands, texts and templates into the package that is shipped."""
