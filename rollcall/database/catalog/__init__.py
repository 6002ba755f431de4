"""The application's tables in PostgreSQL's catalog, checked before dbt starts."""
