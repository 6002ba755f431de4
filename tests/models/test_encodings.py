"""A database in another encoding than UTF8 is judged and repaired like any other."""

from __future__ import annotations

import dataclasses
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from rollcall.errors import EvaluationError
from rollcall.servers.postgres import PostgresServer
from rollcall.settings.configuration import PROJECT_DIRECTORY
from rollcall.steps.assess.assessment import assess
from rollcall.workspace import Workspace
from tests.support.call_centre import CallCentre, call_centre
from tests.support.every_step import everything


@pytest.fixture
def encoded(server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(
            f"create database {name} encoding '{request.param}' template template0"
            " lc_collate 'C' lc_ctype 'C'"
        )
        yield server.conninfo(name)
        connection.execute(f"drop database {name} with (force)")


def load(encoded: str, folder: Path) -> tuple[CallCentre, Workspace]:
    """Load as an application does that names its encoding; the workspace names none."""
    centre = call_centre(f"{encoded}&client_encoding=UTF8", folder)
    return centre, Workspace(dataclasses.replace(centre.workspace.settings, conninfo=encoded))


@pytest.mark.medium
@pytest.mark.parametrize("encoded", ["LATIN1", "SQL_ASCII", "EUC_JP"], indirect=True)
def test_every_step_works(encoded: str, tmp_path: Path) -> None:
    centre, workspace = load(encoded, tmp_path)
    if "LATIN1" in str(centre.rows("show server_encoding")):
        centre.rows("update agents set email = U&'m\\00fcller' || id")
    everything(workspace)


@pytest.mark.parametrize("encoded", ["SQL_ASCII"], indirect=True)
def test_bytes_without_a_meaning_are_named_in_one_line(encoded: str, tmp_path: Path) -> None:
    _, workspace = load(encoded, tmp_path)
    with psycopg.connect(encoded, autocommit=True, client_encoding="SQL_ASCII") as connection:
        connection.execute(b'alter table agents add column "gr\xf6\xdfe" integer')
    with pytest.raises(EvaluationError) as raised:
        assess(workspace)
    assert re.search(r"SQL_ASCII.* 0xf6", str(raised.value))
    assert "\n" not in str(raised.value)


@pytest.mark.medium
@pytest.mark.parametrize("encoded", ["LATIN1"], indirect=True)
def test_a_var_that_the_database_cannot_hold_is_named_in_one_line(encoded: str, tmp_path: Path) -> None:
    centre = call_centre(encoded, tmp_path)
    settings = centre.workspace.settings
    changed = {"other_working_statuses": ["obìdvá\u010dka"]}
    centre.workspace.settings.variables.update(changed)
    settings.overrides.update(changed)
    with pytest.raises(EvaluationError, match="whose encoding is LATIN1") as raised:
        assess(Workspace(settings))
    assert "\n" not in str(raised.value)


def test_every_statement_is_ascii(database: str, tmp_path: Path) -> None:
    """What the application itself is called may have other characters; what Rollcall writes has none."""
    project = call_centre(database, tmp_path).workspace.project
    texts = dict(project.compilation.sql)
    texts.update({own.name: own.statement for own in project.rollcall_relations})
    files = [
        path
        for folder in ("models", "macros", "analyses")
        for path in (PROJECT_DIRECTORY / folder).rglob("*.sql")
    ]
    texts.update({str(path): path.read_text("utf-8") for path in files})
    assert len(texts) > len(files) > 100
    assert [name for name, text in texts.items() if not text.isascii()] == []
