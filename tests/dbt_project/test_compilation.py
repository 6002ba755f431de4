"""dbt compiles without a connection, before any transaction, whatever its environment says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from rollcall.dbt import project
from rollcall.ledger.runs import open_run
from rollcall.steps.assess.assessment import assess
from rollcall.steps.clean.cleaning import clean
from rollcall.steps.plan.pending_work import make_plan
from tests.support.call_centre import CallCentre, call_centre
from tests.support.command import rollcall
from tests.support.paths import ROOT


@pytest.fixture
def centre(database: str, tmp_path: Path) -> CallCentre:
    """A call centre for which nothing was compiled before."""
    (tmp_path / "compiled").mkdir()  # not the folder that the tests share
    return call_centre(database, tmp_path)


FOREIGN: list[dict[str, str]] = [
    {"DBT_TARGET": "prod"},
    {"DBT_PROFILE": "finance"},
    {"DBT_INTROSPECT": "false"},
    {"DBT_DEFER": "true", "DBT_STATE": "/nowhere"},
    {
        "DBT_TARGET_PATH": "/proc/nowhere",
        "DBT_VERSION_CHECK": "nonsense",
        "DBT_EMPTY": "true",
        "DBT_WARN_ERROR": "true",
        "DBT_ENGINE_DEFER": "true",
        "PGPORT": "5432,5433",
    },
]


@pytest.mark.medium
@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param({name: value for part in FOREIGN for name, value in part.items()}, id="all of them"),
        *(pytest.param(part, id=",".join(part), marks=pytest.mark.slow) for part in FOREIGN),
    ],
)
def test_the_environment_of_a_dbt_user_changes_nothing(centre: CallCentre, foreign: dict[str, str]) -> None:
    environment = {
        "ROLLCALL_DATABASE_URL": centre.url,
        "ROLLCALL_STATE_DIR": str(centre.workspace.settings.state_directory),
        "DO_NOT_TRACK": "1",
        **foreign,
    }
    done = subprocess.run(
        [sys.executable, "-m", "rollcall", "flags", "--json"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "route_by_heartbeat" in done.stdout


@pytest.mark.medium
@pytest.mark.parametrize("step", ["assess", pytest.param("plan", marks=pytest.mark.slow), "clean"])
def test_no_transaction_stands_idle_while_dbt_compiles(
    centre: CallCentre, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[Any]] = []
    compile_project = project.compile_project

    def observed(*arguments: Any) -> Any:
        seen.append(centre.rows("select state, query from pg_stat_activity where state like 'idle in%'"))
        return compile_project(*arguments)

    monkeypatch.setattr(project, "compile_project", observed)
    workspace = centre.workspace
    if step == "assess":
        assess(workspace)
    elif step == "plan":
        make_plan(workspace)
    else:
        with open_run(workspace, "clean") as run:
            clean(workspace, run, make_plan(workspace))
    assert seen == [[]]


@pytest.mark.medium
def test_a_short_limit_on_idle_transactions_does_not_end_a_plan(centre: CallCentre, tmp_path: Path) -> None:
    role = f"hurried_{os.getpid()}"
    centre.rows(f"create role {role} login superuser")
    try:
        centre.rows(f"alter role {role} set idle_in_transaction_session_timeout = '5s'")
        (tmp_path / "empty" / "compiled").mkdir(parents=True)  # not the folder that the tests share
        url = make_conninfo(centre.url, user=role)
        done = rollcall("plan", "--json", url=url, state=tmp_path / "empty")
        assert done.returncode == 0, done.stderr
    finally:
        centre.rows(f"drop role {role}")
