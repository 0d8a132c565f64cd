"""The independent verifier of elections (economy E29): it shares no code with the node.

It reads a bundle (docs/election-bundle.md) and works everything out again from the rules of the
design and the bytes of the bundle alone. It needs Python, PyNaCl and msgpack; this folder can be
copied anywhere and run as `python -m elections BUNDLE`. Nothing here imports the rest of the
project, and an import rule keeps it so.

    group       points and scalars, and the hash H
    wire        msgpack, transactions, headers, checkpoints, paths in the log
    proofs      manifest, key ceremony, ballots and shares: the equations
    counting    ranking, ties, STV
    check       the checks of E29 in their order, and what they found
"""
