"""Assess on a standby: the same numbers, judged at its own instant, and nothing written."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import psycopg

from rollcall.assessment import assess
from rollcall.plan import make_plan
from rollcall.postgres_server import PostgresServer
from rollcall.settings import load_settings
from rollcall.workspace import Workspace
from tests.call_centre import call_centre
from tests.conftest import NOT_DURABLE, temporary_folder


def standby_of(primary: PostgresServer, data: Path) -> PostgresServer:
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
    standby = PostgresServer(data, primary.bin_directory, {**NOT_DURABLE, "hot_standby": "on"})
    standby.start()
    return standby


def test_assess_works_on_a_replica(tmp_path: Path) -> None:
    with temporary_folder() as folder:
        primary = PostgresServer(folder / "primary", settings=NOT_DURABLE)
        primary.start()
        try:
            centre = call_centre(primary.conninfo(), tmp_path)
            standby = standby_of(primary, folder / "standby")
            try:
                with psycopg.connect(standby.conninfo(), autocommit=True) as connection:
                    assert connection.execute("select pg_is_in_recovery()").fetchone() == (True,)
                environment = {
                    "ROLLCALL_DATABASE_URL": standby.conninfo(),
                    "ROLLCALL_STATE_DIR": str(tmp_path / "standby"),
                }
                workspace = Workspace(load_settings(environment=environment))
                assessment = assess(workspace, history=True)
                counts = {rule.name: rule.violations for rule in assessment.rules}
                planted = centre.planted.violations
                assert {name: counts[name] for name in planted} == planted
                assert make_plan(workspace).change_count == centre.planted.pending_changes
            finally:
                standby.stop()
        finally:
            primary.stop()
