"""The server of a clean-up is restarted, or fails over to its standby, while the clean-up works."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from rollcall.ledger.runs import open_run
from rollcall.servers.postgres import PostgresServer
from rollcall.steps.batches import ProgressCallback
from rollcall.steps.clean.cleaning import CleaningResult, clean
from rollcall.steps.plan.pending_work import make_plan
from rollcall.workspace import Workspace
from tests.support.call_centre import CallCentre, call_centre
from tests.support.cleaning import Once
from tests.support.postgres import running_server, temporary_folder
from tests.support.production import descendants
from tests.support.standby import standby_of

pytestmark = pytest.mark.slow

SMALL_BATCHES = {"first_batch_rows": 2, "largest_batch_rows": 2}
DURABLE = {"fsync": "off", "full_page_writes": "off"}  # no file is lost by a kill of the processes alone


@pytest.fixture
def primary() -> Iterator[PostgresServer]:
    with running_server(settings=DURABLE) as server:
        yield server


def test_the_run_after_a_restart_of_the_server_does_the_rest(primary: PostgresServer, tmp_path: Path) -> None:
    def restart() -> None:
        primary.stop()
        primary.start()

    _assert_the_next_run_does_the_rest(call_centre(primary.conninfo(), tmp_path, SMALL_BATCHES), restart)


def test_the_run_after_a_failover_does_the_rest(primary: PostgresServer, tmp_path: Path) -> None:
    """The URL names both servers, as libpq provides for."""
    with temporary_folder() as folder:
        standby = standby_of(primary, folder / "standby", **DURABLE, synchronous_commit="on")
        try:
            either = f"{primary.data_directory},{standby.data_directory}"
            url = f"postgresql://postgres@/postgres?host={either}&target_session_attrs=read-write"

            def fail_over() -> None:
                _kill(primary)
                _promote(standby)

            _assert_the_next_run_does_the_rest(call_centre(url, tmp_path, SMALL_BATCHES), fail_over)
        finally:
            standby.stop()


def _assert_the_next_run_does_the_rest(centre: CallCentre, interrupt: Callable[[], None]) -> None:
    with pytest.raises(psycopg.OperationalError):
        _clean(centre.workspace, Once(interrupt))
    rest = _clean(centre.workspace)
    assert 0 < rest.changed <= centre.planted.pending_changes
    assert rest.skipped == []
    assert make_plan(centre.workspace).change_count == 0
    recorded = centre.rows("select count(*), count(distinct session_id) from rollcall_ops.changes")
    assert recorded == [(centre.planted.pending_changes,) * 2]
    ended = centre.rows(
        "select finished_at is not null, failure is null from rollcall_ops.runs order by 1, 2"
    )
    assert ended == [(True, False), (True, True)]


def _clean(workspace: Workspace, progress: ProgressCallback | None = None) -> CleaningResult:
    plan = make_plan(workspace)
    with open_run(workspace, "clean") as run:
        return clean(workspace, run, plan, progress)


def _promote(standby: PostgresServer) -> None:
    account = standby.data_directory.stat()
    data = str(standby.data_directory)
    command = [str(standby.bin_directory / "pg_ctl"), "promote", "-w", "-D", data]
    subprocess.run(command, check=True, capture_output=True, user=account.st_uid, group=account.st_gid)


def _kill(server: PostgresServer) -> None:
    """As a machine that loses its power: no shutdown, no word to the clients."""
    pid = int((server.data_directory / "postmaster.pid").read_text().splitlines()[0])
    for process in (pid, *descendants(pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
