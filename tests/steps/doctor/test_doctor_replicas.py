"""Doctor before the migration, on a subscriber and on a standby."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shutil
import subprocess
from collections.abc import Iterator

import psycopg
import pytest

from rollcall.sandbox.demo import DefectCounts, Variant
from rollcall.servers.postgres import PostgresServer
from rollcall.steps.assess.assessment import assess
from rollcall.steps.doctor.examination import examine
from tests.support.call_centre import CallCentre, call_centre
from tests.support.clinic import (
    CLEAN,
    MIGRATE,
    OPERATOR,
    SCALE,
    SETTINGS,
    Clinic,
    by_name,
    eventually,
    set_var,
    workspace_on,
)
from tests.support.postgres import temporary_folder
from tests.support.waiting import until

# --- before the migration ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unmigrated(server_of_doctor: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> CallCentre:
    """Its status is an enum, and its sessions are partitioned and published."""
    with psycopg.connect(server_of_doctor.conninfo(), autocommit=True) as connection:
        connection.execute("create database unmigrated")
    variant = Variant(status="enum", partitioned=True)
    centre = call_centre(
        server_of_doctor.conninfo("unmigrated"),
        tmp_path_factory.mktemp("unmigrated"),
        {"not_working_statuses": ["offline", "ended", "gone"], "closed_status": "gone"},
        variant,
        DefectCounts.sound(SCALE, variant),
        scale=SCALE,
    )
    centre.rows(
        "alter type "
        + centre.rows(
            "select atttypid::regtype::text from pg_attribute"
            " where attrelid = 'agent_sessions'::regclass and attname = 'status'"
        )[0][0]
        + " rename value 'gone' to 'left'"
    )
    centre.rows("analyze")
    return centre


@pytest.mark.medium
def test_enum_without_the_closed_status_and_space_for_indexes(
    unmigrated: CallCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = by_name(examine(unmigrated.workspace))
    assert found.keys() == {"no_clean_role", "status_not_in_enum", "index_disk_space"}
    assert found["status_not_in_enum"].found == (
        "the enum of public.agent_sessions.status has no label gone",
    )
    assert re.search(r"they need \d+ MB at most, and [\d,]+ MB are free", found["index_disk_space"].found[0])

    set_var(monkeypatch, unmigrated, "doctor_index_bytes_per_row", 10**14)
    assert "low_disk_space" in by_name(examine(unmigrated.workspace))


@pytest.mark.medium
def test_subscriber_without_the_new_columns(unmigrated: CallCentre) -> None:
    unmigrated.rows("create publication p for table public.agent_sessions")
    try:
        found = by_name(examine(unmigrated.workspace))
    finally:
        unmigrated.rows("drop publication p")
    assert found["subscriber_without_columns"].found == tuple(
        f"public.agent_sessions is published by p and has no column {name} yet"
        for name in ("device_connected", "last_heartbeat", "max_concurrent_calls")
    )


# --- replicas ---------------------------------------------------------------------------------------


@pytest.mark.medium
def test_standby_and_replica(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    with standby_of(clinic.server) as standby:
        set_var(monkeypatch, clinic, "doctor_lag_megabytes", 10**6)
        assert clinic.found() == {}

        replica = dataclasses.replace(clinic.centre, url=standby.conninfo("clinic"))
        there = workspace_on(replica, OPERATOR, MIGRATE, CLEAN)
        assert by_name(examine(there)).keys() == {"standby"}
        assert examine(there).is_blocked
        assert assess(there).verdict is assess(clinic.workspace).verdict

        replica.rows("select pg_wal_replay_pause()")
        until(lambda: replica.rows("select pg_get_wal_replay_pause_state()") == [("paused",)])
        clinic.do("create table public.x ()", "drop table public.x")
        until(
            lambda: replica.rows("select pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()") == [(True,)]
        )
        set_var(monkeypatch, clinic, "doctor_lag_megabytes", 0)
        set_var(monkeypatch, clinic, "replica_lag_max_seconds", 0)
        found = clinic.found()
        assert found.keys() == {"replica_lag"}
        assert "replica walreceiver is behind by" in found["replica_lag"].found[0]
        assert "standby_lag" in by_name(examine(there))
        replica.rows("select pg_wal_replay_resume()")

        monkeypatch.undo()
        replica.rows("alter system set hot_standby_feedback = on")
        replica.rows("alter system set wal_receiver_status_interval = '1s'")
        with psycopg.connect(replica.url) as query:
            query.execute("set transaction isolation level repeatable read")
            query.execute("select from public.agents")
            replica.rows("select pg_reload_conf()")
            set_var(monkeypatch, clinic, "doctor_old_snapshot_transactions", -1)
            found = eventually(clinic, "replica_snapshot")
        assert "replica walreceiver holds a snapshot that is" in found["replica_snapshot"].found[0]

        clinic.do("alter system set synchronous_standby_names = '*'", "select pg_reload_conf()")
        try:
            assert "synchronous_replica" in eventually(clinic, "synchronous_replica")
        finally:
            clinic.do("alter system reset synchronous_standby_names", "select pg_reload_conf()")


@contextlib.contextmanager
def standby_of(primary: PostgresServer) -> Iterator[PostgresServer]:
    with temporary_folder() as folder:
        data = folder / "standby"
        program = primary.bin_directory / "pg_basebackup"
        if not program.is_file():
            pytest.skip(f"no pg_basebackup in {primary.bin_directory}")
        subprocess.run(
            [
                program,
                f"--dbname={primary.conninfo()}",
                f"--pgdata={data}",
                "-R",
                "-X",
                "stream",
                "-c",
                "fast",
            ],
            check=True,
            capture_output=True,
        )
        for lock in data.glob(".s.PGSQL*"):  # the primary's sockets are in its data directory
            lock.unlink()
        owner = primary.data_directory.stat()
        for path in (folder, data, *data.rglob("*")):
            if path.stat().st_uid != owner.st_uid:
                shutil.chown(path, owner.st_uid, owner.st_gid)
        standby = PostgresServer(data, primary.bin_directory, SETTINGS)
        standby.start()
        try:
            yield standby
        finally:
            standby.stop()
