"""Rollcall makes a call centre's PostgreSQL database ready for live agent-status control."""

from importlib.metadata import version

__version__ = version("rollcall")
