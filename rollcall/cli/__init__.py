"""The command line: read the arguments, call the steps, show the results, give the exit code.

What takes long to import is imported by the command that needs it, so that `--help` answers at once.
"""

from rollcall.cli.main import app, main

__all__ = ["app", "main"]
