"""Propose a mapping of the application's tables, columns and statuses from the catalog."""
