"""Bank files as typed values (economy C4, C5, C14). Pure: bytes in, records out; no I/O."""
