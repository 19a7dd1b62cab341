"""Roomle Mail: a brand's own emails for the events of Roomle's configurator.

The modules in the order of the flow: settings, errors, deadline, tokens, credentials,
events, emails, delivery, once, telemetry.
"""
