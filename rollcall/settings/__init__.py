"""Configuration: the vars of dbt_project.yml, overrides, and the environment."""
