"""A stand-in for Roomle's API, over plain HTTP on loopback, with faults on switches.

    with server.running() as roomle:  # a free port
        roomle.url                    # what the functions' variable ROOMLE_API is set to
        roomle.fault = "slow"         # for all requests, until it is set to something else

An id may also name its own fault: `demo:fault-slow:2564B3D4` is slow, and the picture alone of
`demo:fault-picture-404:2564B3D4` is missing. `faults.FAULTS` lists all of them. An id whose last
part has only zeros is unknown.

Read in the order content, pictures, faults, server. The shapes come from Roomle's REST reference
and its published web SDK. No call to Roomle was ever made from here, so where both are silent, the
stand-in shows one possible answer, not Roomle's.
"""
