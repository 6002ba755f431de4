"""Doctor: what other connections do, clocks, versions and ages."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from rollcall.database.connections import Database
from rollcall.errors import EvaluationError
from rollcall.steps.doctor import kinds
from tests.support.clinic import OPERATOR, SESSIONS, Clinic, eventually, set_var

# --- what others do right now ----------------------------------------------------------------------


@pytest.mark.medium
def test_long_transaction(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    with clinic.connect() as other:
        pid = other.info.backend_pid
        other.execute("select 'secret' from public.agents")
        assert clinic.found() == {}
        set_var(monkeypatch, clinic, "doctor_long_transaction_seconds", 0)
        found = clinic.found()
    assert found.keys() == {"long_transaction"}
    (line,) = found["long_transaction"].found
    assert f"server process {pid} " in line
    assert "idle in transaction" in line
    assert "secret" not in line


@pytest.mark.medium
def test_prepared_transaction(clinic: Clinic) -> None:
    with clinic.connect() as other:
        other.tpc_begin(other.xid(1, "it's", "left"))
        other.execute(f"lock table {SESSIONS} in share update exclusive mode")
        other.tpc_prepare()
        found = clinic.found()
        other.tpc_rollback()
    assert found.keys() == {"prepared_transaction"}
    assert clinic.found() == {}


def test_hidden_activity(clinic: Clinic, situation: Callable[..., None]) -> None:
    situation(f"revoke pg_read_all_stats from {OPERATOR}", f"grant pg_read_all_stats to {OPERATOR}")
    assert clinic.found() == {}
    with clinic.connect():
        found = clinic.found()
    assert found.keys() == {"hidden_activity"}
    assert "of 1 other sessions" in found["hidden_activity"].found[0]


@contextlib.contextmanager
def in_background(clinic: Clinic, *statements: str) -> Iterator[None]:
    """Statements in a session of their own, which is ended when the block is left."""
    connection = psycopg.connect(clinic.centre.url, autocommit=True)

    def work() -> None:
        with contextlib.suppress(psycopg.Error):
            for statement in statements:
                connection.execute(statement)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        connection.cancel_safe()
        thread.join()
        connection.close()


def test_running_vacuum(clinic: Clinic) -> None:
    with in_background(
        clinic,
        "set vacuum_cost_delay = '100ms'",
        "set vacuum_cost_limit = 1",
        f"vacuum (disable_page_skipping) {SESSIONS}",
    ):
        found = eventually(clinic, "running_vacuum")
    assert found.keys() == {"running_vacuum"}
    assert found["running_vacuum"].found[0].startswith("public.agent_sessions is being vacuumed by")


def test_index_being_built_and_the_invalid_one_it_leaves(
    clinic: Clinic, situation: Callable[..., None]
) -> None:
    situation("select 1", "drop index if exists public.slow")
    with clinic.connect() as writer:
        writer.execute(f"lock table {SESSIONS} in row exclusive mode")
        with in_background(clinic, f"create index concurrently slow on {SESSIONS} (status)"):
            found = eventually(clinic, "index_being_built")
            assert found.keys() == {"index_being_built"}
            assert (
                "public.slow on public.agent_sessions by server process"
                in (found["index_being_built"].found[0])
            )
    found = clinic.found()
    assert found.keys() == {"invalid_index"}
    assert found["invalid_index"].found == ("public.slow on public.agent_sessions",)
    clinic.do(*found["invalid_index"].statements)
    assert clinic.found() == {}


def test_what_cannot_be_read_is_said(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    set_var(monkeypatch, clinic, "doctor_lock_timeout_seconds", 0.05)
    with clinic.connect() as other:
        other.execute(f"lock table {SESSIONS} in access exclusive mode")
        found = clinic.found()
    assert found.keys() == {"not_seen"}
    assert "application_clock: canceling statement due to lock timeout" in found["not_seen"].found


# --- clocks, versions, ages -------------------------------------------------------------------------


@pytest.mark.parametrize(("ahead", "said"), [(60, "seconds behind"), (-60, "seconds ahead of")])
def test_clock_difference(clinic: Clinic, ahead: float, said: str) -> None:
    found = clinic.found(clock=lambda: time.time() + ahead)
    assert found.keys() == {"clock_difference"}
    assert said in found["clock_difference"].found[0]


def test_a_slow_answer_is_no_clock_difference(clinic: Clinic) -> None:
    readings = iter([time.time() - 30, time.time() + 30])
    assert clinic.found(clock=lambda: next(readings)) == {}


def test_untested_server_version(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "NEWEST_TESTED_VERSION", 13)
    assert clinic.found().keys() == {"untested_server_version"}


def test_wraparound_risk(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    set_var(monkeypatch, clinic, "doctor_old_transaction_id", 1)
    assert clinic.found().keys() == {"wraparound_risk"}


@pytest.mark.parametrize("version", ["9.6.24", "13.14"])
def test_a_server_that_is_too_old_is_refused_everywhere(version: str) -> None:
    with old_server(version) as port, pytest.raises(EvaluationError) as refusal:
        Database.reach(f"postgresql://x@127.0.0.1:{port}/x?sslmode=disable&gssencmode=disable")
    assert f"PostgreSQL {version}, which is too old" in str(refusal.value)
    assert "14 or newer" in str(refusal.value)
    assert refusal.value.exit_code == 1


@contextlib.contextmanager
def old_server(version: str) -> Iterator[int]:
    """Just enough of a server for one client to connect to."""

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!i", len(body) + 4) + body

    def parameter(name: str, value: str) -> bytes:
        return message(b"S", name.encode() + b"\0" + value.encode() + b"\0")

    def serve() -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as client:
            client.recv(10_000)
            client.sendall(
                message(b"R", struct.pack("!i", 0))
                + parameter("server_version", version)
                + parameter("client_encoding", "UTF8")
                + message(b"K", struct.pack("!ii", 1, 1))
                + message(b"Z", b"I")
            )
            client.recv(10_000)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
    thread.join()
