"""dbt: compile the project and provide its SQL."""
