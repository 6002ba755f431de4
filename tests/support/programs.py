"""Programs of PostgreSQL that a test starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollcall.servers.postgres import PostgresServer


def psql_of(server: PostgresServer) -> Path:
    """The server's own psql, or the system's; a test that needs it is skipped where there is none."""
    for path in (server.bin_directory / "psql", Path("/usr/bin/psql")):
        if path.exists():
            return path
    pytest.skip("no psql here")
