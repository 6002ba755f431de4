"""Configuration: the vars of dbt_project.yml, what overrides them, and the environment."""
