"""The command line: arguments, steps, output, exit code.

Each command imports what it needs itself, so that `--help` needs no slow import.
"""

from rollcall.cli.main import app, main

__all__ = ["app", "main"]
