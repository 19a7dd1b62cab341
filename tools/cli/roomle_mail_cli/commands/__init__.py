"""The commands: options in, one call, a result out. Each module has the commands of its name.

A command imports what it needs when it runs, so that `--help` and completion are quick.
"""
