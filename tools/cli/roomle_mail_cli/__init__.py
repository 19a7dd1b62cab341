"""The command line `roomle-mail`, for whoever deploys a stack and whoever is woken by it.

Read in the order of a command's way: app (the commands), deployment (what is deployed), keys (the
secret), posting, reading (of tokens), doctor, letters (the dead ones), lines (of the log), screen.

What it says of tokens, secrets and events is what the shipped code says: it is imported, not
repeated.
"""
