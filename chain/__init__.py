"""What a chain is: bytes, keys, records, log, tree, execution, proofs. Pure: no I/O, no clock."""

if not __debug__:
    raise RuntimeError("wijkchain does not run under python -O: its assertions stop a faulty node")
