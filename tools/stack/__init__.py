"""The stack of template.yaml, deployed on a local emulator of AWS, over plain HTTP on loopback.

    with running(port=0) as stack:      # builds, starts the emulator, deploys, takes all of it away
        post(stack.webhook_url, ...)

`make local` and `make demo` run it in the foreground; tests/stack deploys one of its own.
"""




