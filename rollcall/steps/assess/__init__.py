"""Assess: judge a database on one snapshot, read-only."""
