"""The command line `roomle-mail`, for people who deploy a stack and who answer its alarms.

Read in this order: app (the commands), options (of all commands), session (region and profile),
deployment (what is deployed), project (this folder), keys (the secret), posting, reading (of
tokens), doctor with senders and records, letters (the dead ones), lines (of the log), proof with
steps, observation, causes and limits (of the emulator), screen.

Tokens, secrets and events are read by the shipped code: it is imported, not repeated.
"""
