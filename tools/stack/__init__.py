"""The stack of template.yaml, deployed on a local AWS emulator, over plain HTTP on loopback.

    with deployment.running(port=0) as stack:  # builds, deploys, and removes everything at the end
        ...

`python -m tools.stack` (make local) runs it in the foreground, tools.demo demonstrates it, and
tests/stack deploys its own. Read in the order processes, emulator, template, deployment.
"""
