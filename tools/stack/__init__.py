"""The stack of template.yaml, deployed on a local emulator of AWS, over plain HTTP on loopback.

    with deployment.running(port=0) as stack:  # builds, deploys, and takes all of it away again
        ...

`python -m tools.stack` (make local) runs it in the foreground, tools.demo shows it at work, and
tests/stack deploys one of its own. Read in the order processes, emulator, template, deployment.
"""
