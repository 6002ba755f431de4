"""The steps: each takes values and returns values; none knows the command line or a flow."""
