"""The door to dbt: compile the project and hand over its SQL."""
