"""After the removal that docs/operations.md describes, the database is as it was before Rollcall."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall.sandbox.demo import Scale
from rollcall.servers.postgres import PostgresServer
from tests.support.call_centre import call_centre
from tests.support.command import rollcall
from tests.support.paths import ROOT
from tests.support.postgres import running_server
from tests.support.programs import psql_of

TINY = Scale(agents=40, sessions=200, calls=400, days=10)
ROLES = {"ROLLCALL_MIGRATE_ROLE": "rollcall_migrate", "ROLLCALL_CLEAN_ROLE": "rollcall_clean"}
OWNER = "postgres"
REMOVAL = (ROOT / "docs/operations.md").read_text("utf-8").split("\n## Removal\n")[1]


@pytest.fixture
def own_server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A server of its own, because roles belong to a server."""
    with running_server(request.config.getoption("--pg-bin")) as server:
        yield server


@pytest.mark.medium
def test_nothing_is_left(own_server: PostgresServer, tmp_path: Path) -> None:
    centre = call_centre(own_server.conninfo(), tmp_path, scale=TINY)
    roles = "select rolname from pg_roles order by 1"
    before = _schema(own_server), centre.rows(roles)
    grants = rollcall("doctor", "--grants", url=centre.url, state=tmp_path).stdout
    centre.rows(grants.replace("YOUR LOGIN ROLE", OWNER))
    for command in (["migrate"], ["clean"], ["detach", "--ledger"]):
        done = rollcall(*command, url=centre.url, state=tmp_path, **ROLES)
        assert done.returncode == 0, done.stderr
    assert _schema(own_server) != before[0]

    blocks = re.findall(r"```sql\n(.*?)```", REMOVAL, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        for statement in filter(str.strip, block.replace("OWNER", OWNER).split(";")):
            centre.rows(statement)
    assert (_schema(own_server), centre.rows(roles)) == before


def _schema(server: PostgresServer) -> list[str]:
    """The definition of every object, with owners, privileges and comments."""
    program = psql_of(server).with_name("pg_dump")
    done = subprocess.run(
        [program, "--schema-only", server.conninfo()], check=True, capture_output=True, text=True
    )
    return [line for line in done.stdout.splitlines() if not line.startswith("\\")]
