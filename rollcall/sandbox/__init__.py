"""A call centre to try Rollcall on: its data (demo) and its live traffic (simulator)."""
