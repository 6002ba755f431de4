"""The declared schema against the catalog, and the statements of a migration."""
