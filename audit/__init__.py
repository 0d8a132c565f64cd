"""What an auditor's side does, trusting no node: replay, invariants, exports, receipts."""
