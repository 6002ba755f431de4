"""Plan: the pending work as data, and its stored form."""
