"""Connections to the application's database: the only door to psycopg."""
