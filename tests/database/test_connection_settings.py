"""Whatever a role or a database sets for its connections, Rollcall judges, writes and restores the same."""

from __future__ import annotations

import dataclasses
import select
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from rollcall.ledger.runs import open_run
from rollcall.servers.postgres import PostgresServer
from rollcall.steps.assess.assessment import assess
from rollcall.steps.clean.cleaning import clean
from rollcall.steps.plan.pending_work import make_plan
from rollcall.steps.undo import undo
from rollcall.workspace import Workspace
from tests.support.call_centre import CallCentre, call_centre
from tests.support.every_step import everything
from tests.support.waiting import until

ODD = {
    "DateStyle": "German",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kolkata",
    "timezone_abbreviations": "India",
    "extra_float_digits": "-5",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "quote_all_identifiers": "on",
    "transform_null_equals": "on",
    "array_nulls": "off",
    "client_encoding": "LATIN1",
    "default_transaction_isolation": "serializable",
    "search_path": "nowhere",
    "lc_monetary": "C",
}


class Role:
    """A superuser of its own."""

    def __init__(self, name: str, centre: CallCentre) -> None:
        self.name = name
        self._centre = centre

    def set(self, **settings: str) -> None:
        for name, value in settings.items():
            value = value if name == "search_path" else f"'{value}'"
            self._centre.rows(f"alter role {self.name} set {name} = {value}")

    def workspace(self) -> Workspace:
        settings = self._centre.workspace.settings
        return Workspace(
            dataclasses.replace(settings, conninfo=make_conninfo(self._centre.url, user=self.name))
        )


@pytest.fixture
def centre(database: str, tmp_path: Path) -> CallCentre:
    return call_centre(database, tmp_path)


@pytest.fixture
def role(server: PostgresServer, centre: CallCentre) -> Iterator[Role]:
    name = f"odd_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"create role {name} login superuser")
        yield Role(name, centre)
        connection.execute(f"alter role {name} reset all")
        centre.rows(f"reassign owned by {name} to postgres")
        connection.execute(f"drop role {name}")


@pytest.mark.medium
@pytest.mark.parametrize(
    "names",
    [
        ["DateStyle"],
        ["standard_conforming_strings"],
        ["quote_all_identifiers"],
        ["client_encoding"],
        list(ODD),
    ],
    ids=lambda names: names[0] if len(names) == 1 else "all",
)
def test_every_step_works_whatever_the_role_sets(role: Role, names: list[str]) -> None:
    role.set(**{name: ODD[name] for name in names})
    everything(role.workspace())


@pytest.mark.medium
def test_what_one_role_changed_another_can_undo(role: Role, centre: CallCentre) -> None:
    """The images of rows are texts, which have to come out the same for both."""
    centre.rows(
        "alter table agent_sessions add pause interval, add ratio float8, add photo bytea, add fee money"
    )
    centre.rows("alter table agent_sessions add seen timestamptz")
    centre.rows(
        "update agent_sessions set pause = interval '1 day 2:03:04', ratio = 0.1::float8 + 0.2,"
        " photo = decode('615c62', 'hex'), fee = 12.5, seen = last_activity"
    )
    before = centre.images()
    role.set(**ODD)
    theirs = role.workspace()
    plan = make_plan(theirs)
    with open_run(theirs, "clean") as run:
        assert clean(theirs, run, plan).skipped == []
    undone = undo(centre.workspace, run.id)
    assert undone.conflicts == []
    assert undone.changed == plan.change_count
    assert centre.images() == before


@pytest.mark.medium
def test_two_roles_see_the_same(role: Role, centre: CallCentre) -> None:
    plan = make_plan(centre.workspace)
    role.set(**ODD)
    theirs = role.workspace()
    assert [rule.to_json() for rule in assess(theirs, plan.judged_at).rules] == [
        rule.to_json() for rule in assess(centre.workspace, plan.judged_at).rules
    ]
    when = dict.fromkeys(("made_at", "expires_at"))
    assert {**make_plan(theirs, plan.judged_at).header, **when} == {**plan.header, **when}


@pytest.mark.medium
def test_the_lease_survives_a_limit_on_idle_sessions(role: Role) -> None:
    role.set(idle_session_timeout="2s")
    workspace = role.workspace()
    with open_run(workspace, "run") as run:
        with psycopg.connect(workspace.settings.conninfo, autocommit=True) as other:
            other.execute("select 1")
            until(lambda: _has_ended(other))  # so the connection of the lease was idle for longer
        run.check_lease(run.connection)


def _has_ended(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server has said goodbye to an idle connection; sends nothing, which would be activity."""
    return bool(select.select([connection], [], [], 0)[0])
