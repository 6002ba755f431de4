"""The process of a command: its start and end, its streams, its files, its log."""
