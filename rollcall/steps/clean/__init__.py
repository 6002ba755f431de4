"""Clean: execute the clean-up plan in small guarded batches."""
