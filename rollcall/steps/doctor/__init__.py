"""Doctor: report what would go wrong on a database before any change."""
