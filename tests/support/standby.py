"""A hot standby of a server."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import psycopg

from rollcall.servers.postgres import PostgresServer
from tests.support.postgres import NOT_DURABLE


def standby_of(primary: PostgresServer, data: Path, **settings: str) -> PostgresServer:
    """A hot standby of the primary, with everything that the primary has committed."""
    hba = primary.data_directory / "pg_hba.conf"
    hba.write_text(hba.read_text() + "\nlocal replication all trust\n")
    with psycopg.connect(primary.conninfo(), autocommit=True) as connection:
        connection.execute("select pg_reload_conf()")
    subprocess.run(
        [
            str(primary.bin_directory / "pg_basebackup"),
            *("--dbname", primary.conninfo(), "--pgdata", str(data)),
            *("--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream"),
        ],
        check=True,
        capture_output=True,
    )
    for leftover in data.glob(".s.PGSQL.*"):  # the primary's socket is in its data directory
        leftover.unlink()
    owner = primary.data_directory.stat()
    for path in (data, *data.rglob("*")):
        shutil.chown(path, owner.st_uid, owner.st_gid)
    standby = PostgresServer(data, primary.bin_directory, {**NOT_DURABLE, "hot_standby": "on", **settings})
    standby.start()
    return standby
