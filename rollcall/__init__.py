"""Rollcall makes a call centre's PostgreSQL database ready for live agent-status control."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Read `__version__` at its first use: `importlib.metadata` is a third of the time of `--help`."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    globals()[name] = version("rollcall")
    return globals()[name]
