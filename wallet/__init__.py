"""What a person's side does: keystore, contacts, payments, receipts."""
