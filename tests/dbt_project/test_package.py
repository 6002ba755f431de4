"""Rollcall as a package of an analyst's dbt project: `examples/dbt-package`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.support.builds import START, Zoned, built, one_agent
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.medium

OVERVIEW = "{% docs __overview__ %}\n# Contact centre\n{% enddocs %}\n"
OURS = (
    "select c.oid, c.xmin::text from pg_class as c where c.relnamespace in"
    " ('rollcall'::regnamespace, 'rollcall_ops'::regnamespace) order by 1"
)


@pytest.fixture
def analyst(berlin: Zoned) -> Iterator[str]:
    """A login that reads the views, and may make a schema of its own."""
    login = f"analyst_{uuid.uuid4().hex[:8]}"
    ((database,),) = berlin.rows("select current_database()")
    berlin.rows(f"create role {login} login")
    berlin.rows(f'grant create on database "{database}" to {login}')
    berlin.rows(f"grant usage on schema rollcall to {login}")
    berlin.rows(f"grant select on rollcall.agent_days to {login}")
    yield login
    berlin.rows(f"drop owned by {login} cascade")
    berlin.rows(f"drop role {login}")


def dbt(project: Path, url: str, login: str, command: str) -> str:
    """Run dbt as its own program in the folder of the project. Gives what it prints."""
    place = conninfo_to_dict(url)
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PG", "DBT_", "ROLLCALL_"))
        },
        "PGHOST": str(place["host"]),
        "PGPORT": str(place["port"]),
        "PGDATABASE": str(place["dbname"]),
        "PGUSER": login,
    }
    done = subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "--no-use-colors", command],
        cwd=project,
        env=environment,
        text=True,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_project_of_an_analyst_reads_the_views_and_makes_none_of_them(
    berlin: Zoned, analyst: str, tmp_path: Path
) -> None:
    one_agent(berlin)
    built(berlin, START + timedelta(days=6))
    project = tmp_path / "contact_centre"
    shutil.copytree(
        ROOT / "examples/dbt-package", project, ignore=shutil.ignore_patterns("dbt_packages", "target")
    )
    packages = project / "packages.yml"
    text = packages.read_text("utf-8")
    assert "local: ../.." in text
    packages.write_text(text.replace("local: ../..", f"local: {ROOT}"), "utf-8")
    (project / "models" / "overview.md").write_text(OVERVIEW, "utf-8")
    before = berlin.rows(OURS)

    dbt(project, berlin.url, analyst, "deps")
    assert "PASS=3 WARN=0 ERROR=0" in dbt(project, berlin.url, analyst, "build")

    # six days from Monday to Saturday, of each of them 8 hours available and no call that a look has seen
    weeks = (
        "select week::text, logged_in_hours, ghost_hours, occupancy_of_week from analytics.occupancy_by_week"
    )
    assert berlin.rows(weeks) == [("2026-07-06", 48, 0, 0)]
    assert berlin.rows(OURS) == before

    # dbt's documentation opens with the overview of any package that has one, and not of the project
    blocks = json.loads((project / "target" / "manifest.json").read_text("utf-8"))["docs"].values()
    overviews = {block["package_name"] for block in blocks if block["name"] == "__overview__"}
    assert overviews - {"dbt"} == {"contact_centre"}
    assert "rollcall" in {block["package_name"] for block in blocks if block["name"] == "__rollcall__"}
