"""Rollcall makes a call centre's PostgreSQL database ready for live agent-status control."""

__version__ = "0.1.0"
