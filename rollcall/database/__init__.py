"""Connections to the application's database: the only package that opens them."""
