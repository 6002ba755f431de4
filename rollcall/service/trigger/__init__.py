"""The trigger URL: start the clean-up by a request, and answer how the database is."""
