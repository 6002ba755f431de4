"""Servers, folders and databases that a test may use."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from rollcall.servers.postgres import PostgresServer

SYSTEM_PG_BIN = Path("/usr/lib/postgresql/15/bin")  # Debian's
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that PostgreSQL's account may pass when root runs the tests; ``tmp_path`` is not."""
    folder = Path(tempfile.mkdtemp(prefix=f"rollcall-test-{os.getpid()}-"))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_server(
    bin_directory: Path | None = None, settings: Mapping[str, str] = NOT_DURABLE
) -> Iterator[PostgresServer]:
    """A server of its own, stopped and removed afterwards.

    Args:
        bin_directory: the folder with the server programs; none: the embedded ones.
        settings: by default nothing on the server survives a power cut.
    """
    with temporary_folder() as folder:
        server = PostgresServer(folder / "data", bin_directory, settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def fresh_database(server: PostgresServer) -> Iterator[str]:
    """The URL of a fresh, empty database, dropped afterwards with its connections."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    identifier = sql.Identifier(name)
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(identifier))
    yield server.conninfo(name)
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(identifier))
