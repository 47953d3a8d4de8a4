"""What agencies call: they send records, ask who somebody is, convert pseudonyms."""
