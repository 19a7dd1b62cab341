"""Roomle Mail: a brand's own emails for the events of Roomle's configurator.

The modules, in the order in which an event passes through them:

- `receiver` and `mailer` process a POST and a queued message from first to last.
- `settings`, `tokens`, `credentials`, `events`, `emails`, `designs`, `limits`, `delivery` and
  `publishing` are their steps. `formats` writes sizes and dates for `emails`.
- `idempotency` remembers what was answered and sent; `table` is the DynamoDB table below it.
- `telemetry`, `deadline`, `errors` and `aws` are used by all of them.
"""
