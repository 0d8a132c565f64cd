"""What a chain is: bytes, keys, records, log, state tree, execution and proofs. Pure: no I/O, no clock."""
