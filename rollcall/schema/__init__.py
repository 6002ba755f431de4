"""The declared schema against the catalog, and the statements that a migration may send."""
