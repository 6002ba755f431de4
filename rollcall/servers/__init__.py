"""Servers that Rollcall starts itself: PostgreSQL for the demo and the tests, Prefect for a run."""
