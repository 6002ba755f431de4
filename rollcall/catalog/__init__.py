"""The application's tables as PostgreSQL's catalog describes them, checked before dbt starts."""
