"""A machine that loses its power, or its network, is noticed by the other side within a minute."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from rollcall.database.connections import Database
from rollcall.errors import LeaseHeld
from rollcall.ledger.runs import open_run
from rollcall.steps.clean.cleaning import clean
from rollcall.steps.plan.pending_work import make_plan
from rollcall.workspace import Workspace
from tests.support.call_centre import CallCentre, call_centre
from tests.support.cleaning import Once
from tests.support.tls_server import TlsServer, needs_tls
from tests.support.vanishing import Proxy, can_vanish, proxy
from tests.support.waiting import until

pytestmark = [
    pytest.mark.slow,
    needs_tls,
    pytest.mark.skipif(not can_vanish(), reason="needs root, to close a connection without a word"),
]

SMALL_BATCHES = {"first_batch_rows": 2, "largest_batch_rows": 2}


@pytest.fixture(scope="module")
def centre(secure: TlsServer, tmp_path_factory: pytest.TempPathFactory) -> CallCentre:
    folder = tmp_path_factory.mktemp("network")
    (folder / "compiled").mkdir()  # dbt compiles for this connection, too
    return call_centre(make_conninfo(**secure.parameters()), folder, SMALL_BATCHES)


@pytest.fixture
def between(secure: TlsServer) -> Iterator[Proxy]:
    with proxy(secure.port) as started:
        yield started


def test_the_lease_of_a_machine_without_power_is_free_by_itself(
    secure: TlsServer, centre: CallCentre, between: Proxy
) -> None:
    lost = make_conninfo(**{**secure.parameters(), "port": str(between.port)})
    with contextlib.suppress(psycopg.Error), open_run(through(centre, lost), "clean"):
        between.lose_clients()
        with pytest.raises(LeaseHeld), open_run(centre.workspace, "clean"):
            pass
        until(lambda: _is_free(centre.workspace))


def test_a_statement_does_not_wait_for_a_server_without_power(secure: TlsServer, between: Proxy) -> None:
    database = Database.reach(make_conninfo(**{**secure.parameters(), "port": str(between.port)}))
    with contextlib.closing(database.connect()) as connection:
        connection.pgconn.send_query(b"select pg_catalog.pg_sleep(1000)")
        connection.pgconn.flush()
        between.lose_server()
        with pytest.raises(psycopg.OperationalError):
            list(connection.wait(psycopg.generators.fetch_many(connection.pgconn)))


def test_a_clean_up_ends_when_the_network_is_cut_and_the_next_one_does_the_rest(
    secure: TlsServer, centre: CallCentre, between: Proxy
) -> None:
    """The lease's connection is lost with the others, so a batch is not tried again."""
    lost = make_conninfo(**{**secure.parameters(), "port": str(between.port)})
    workspace = through(centre, lost)
    plan = make_plan(workspace)
    with pytest.raises(psycopg.OperationalError), open_run(workspace, "clean") as run:
        clean(workspace, run, plan, Once(between.cut))
    until(lambda: _is_free(centre.workspace))
    rest = make_plan(centre.workspace)
    with open_run(centre.workspace, "clean") as run:
        clean(centre.workspace, run, rest)
    assert make_plan(centre.workspace).change_count == 0
    recorded = centre.rows("select count(*), count(distinct session_id) from rollcall_ops.changes")
    assert recorded == [(centre.planted.pending_changes,) * 2]


def through(centre: CallCentre, conninfo: str) -> Workspace:
    return Workspace(dataclasses.replace(centre.workspace.settings, conninfo=conninfo))


def _is_free(workspace: Workspace) -> bool:
    with contextlib.suppress(LeaseHeld), open_run(workspace, "clean"):
        return True
    return False
