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
from rollcall.workspace import Workspace
from tests.support.call_centre import CallCentre, call_centre
from tests.support.tls_server import TlsServer, needs_tls
from tests.support.vanishing import Proxy, can_vanish, proxy
from tests.support.waiting import until

pytestmark = [
    pytest.mark.slow,
    needs_tls,
    pytest.mark.skipif(not can_vanish(), reason="needs root, to close a connection without a word"),
]


@pytest.fixture(scope="module")
def centre(secure: TlsServer, tmp_path_factory: pytest.TempPathFactory) -> CallCentre:
    folder = tmp_path_factory.mktemp("network")
    (folder / "compiled").mkdir()  # dbt compiles for this connection, too
    return call_centre(make_conninfo(**secure.parameters()), folder)


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


def through(centre: CallCentre, conninfo: str) -> Workspace:
    return Workspace(dataclasses.replace(centre.workspace.settings, conninfo=conninfo))


def _is_free(workspace: Workspace) -> bool:
    with contextlib.suppress(LeaseHeld), open_run(workspace, "clean"):
        return True
    return False
