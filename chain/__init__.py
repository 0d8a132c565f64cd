"""What a chain is: bytes, keys, records, log, tree, execution, proofs. Pure: no I/O, no clock."""
