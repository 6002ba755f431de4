"""``python -m rollcall``: the command where its script is not on the path."""

from rollcall.cli import main

main()
