"""The command line `roomle-mail`, for people who deploy a stack and respond to its alarms.

Read in this order: app and commands, options (shared by several commands), session (region and
profile), deployment (what is deployed), project (this folder), times, keys (the secret), posting
(events), reading with forms (tokens), roomle and shown (designs), lines and reasons (the log),
letters (dead letters), causes (what is broken on AWS), doctor with senders and records, diagnosis
(of what went wrong), plan, proof with steps, observation and limits (of the emulator), screen.

Tokens, secrets and events are read by the shipped code: it is imported, not repeated.
"""
