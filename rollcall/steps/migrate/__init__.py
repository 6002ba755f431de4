"""Migrate: execute the missing additive statements, and prove what they changed."""
