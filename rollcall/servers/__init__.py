"""The local servers: PostgreSQL for the demo and tests, and Prefect for the flows."""
