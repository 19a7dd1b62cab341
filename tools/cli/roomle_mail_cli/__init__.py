"""The command line `roomle-mail`, for people who deploy a stack and respond to its alarms.

Read in this order: app and commands, options (shared by several commands), session (region and
profile), deployment (what is deployed), project (this folder), keys (the secret), posting (events),
reading (tokens), roomle and shown (designs), doctor with senders and records, letters (dead
letters), lines (log lines), plan, proof with steps, observation, causes and limits (of the
emulator), screen.

Tokens, secrets and events are read by the shipped code: it is imported, not repeated.
"""
