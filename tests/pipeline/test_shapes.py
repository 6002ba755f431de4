"""The schemas of real systems fit by `rollcall.yml` alone, and the whole line gives the right answers.

`tests/shapes/<name>/` has the tables of a system with rows, the vars, and the right answers: agent 1 is
present, 2 has been silent for 20 hours, 3 is stuck on a call that is over, 4 refers to a call that is gone,
and 5 talks.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import sql

from rollcall.errors import Refused
from rollcall.ledger.runs import open_run
from rollcall.rules.results import Verdict
from rollcall.settings.configuration import load_settings
from rollcall.settings.mapping import DECLARED
from rollcall.settings.preset import known_presets
from rollcall.steps.assess.assessment import assess
from rollcall.steps.clean.cleaning import clean, refuse_read_only
from rollcall.steps.migrate.migration import migrate
from rollcall.steps.plan.pending_work import make_plan
from rollcall.steps.undo import undo
from rollcall.steps.verify import verify
from rollcall.workspace import Workspace
from tests.support.call_centre import share_compilations
from tests.support.paths import ROOT

SHAPES = ROOT / "tests" / "shapes"
# Those that together have every form of a var; the others are slow, because dbt compiles for each.
QUICK = ("row_per_agent_django", "freeswitch")
NAMES = [
    pytest.param(path.name, marks=() if path.name in QUICK else pytest.mark.slow)
    for path in sorted(SHAPES.iterdir())
]


@dataclass
class Shape:
    url: str
    workspace: Workspace
    expected: dict[str, Any]

    def rows(self, query: str) -> list[Any]:
        with contextlib.closing(psycopg.connect(self.url, autocommit=True)) as connection:
            return connection.execute(query).fetchall()

    def sessions(self) -> dict[str, dict[str, Any]]:
        """Every session by key, without the columns that Rollcall adds."""
        variables = self.workspace.settings.variables
        key = sql.Identifier(variables["sessions_id_column"])
        table = sql.Identifier("public", variables["sessions_table"])
        query = sql.SQL("select s.{}::text, to_jsonb(s) from {} as s").format(key, table).as_string(None)
        added = {variables[name] for name in DECLARED} - self.columns_before
        return {key: {k: v for k, v in row.items() if k not in added} for key, row in self.rows(query)}

    columns_before: frozenset[str] = frozenset()

    def routable(self) -> list[str]:
        return sorted(str(row[0]) for row in self.rows("select session_id from rollcall.routable_agents"))

    def heap_only_updates(self) -> tuple[int, int]:
        """Updates of each session as the application writes them, undone afterwards: heap-only, and all."""
        table = sql.Identifier("public", self.workspace.settings.variables["sessions_table"])
        written = [sql.SQL(f'"{column}" = {value}') for column, value in self.expected["hot"].items()]
        with contextlib.closing(psycopg.connect(self.url)) as connection:
            connection.execute(sql.SQL("update {} set {}").format(table, sql.SQL(", ").join(written)))
            row = connection.execute(
                "select n_tup_hot_upd, n_tup_upd from pg_stat_xact_user_tables where relid = %s::regclass",
                [table.as_string(None)],
            ).fetchone()
        assert row is not None
        return row

    def indexes(self) -> list[str]:
        query = "select indexname from pg_indexes where indexname like 'rollcall%' and schemaname = 'public'"
        return sorted(row[0] for row in self.rows(query))


def load(name: str, url: str, state: Path) -> Shape:
    folder = SHAPES / name
    with psycopg.connect(url) as connection:
        connection.execute((folder / "schema.sql").read_text("utf-8"))
    share_compilations(state)
    environment = {
        "ROLLCALL_DATABASE_URL": url,
        "ROLLCALL_STATE_DIR": str(state),
        "ROLLCALL_CONFIG": str(folder),
    }
    settings = load_settings(environment=environment)
    expected = yaml.safe_load((folder / "expected.yml").read_text("utf-8"))
    shape = Shape(url, Workspace(settings), expected)
    shape.columns_before = frozenset(
        row[0]
        for row in shape.rows(
            "select column_name from information_schema.columns"
            f" where table_name = '{settings.variables['sessions_table']}'"
        )
    )
    return shape


def test_every_preset_has_a_schema() -> None:
    presets = {preset.name for preset in known_presets(ROOT / "tests", ROOT)}
    used = {yaml.safe_load(path.read_text("utf-8")).get("preset") for path in SHAPES.glob("*/rollcall.yml")}
    assert presets - used == {"prisma_camel_case"}


@pytest.mark.medium
@pytest.mark.parametrize("name", NAMES)
def test_the_whole_line_gives_the_right_answers(name: str, database: str, tmp_path: Path) -> None:
    shape = load(name, database, tmp_path)
    workspace, changes = shape.workspace, shape.expected["changes"]
    as_it_was = shape.sessions()
    before = assess(workspace)
    assert before.verdict is Verdict.NEEDS_DATABASE_MIGRATION
    found = {rule.name: rule for rule in before.rules}
    abandoned = [key for key, remedy in changes.items() if remedy == "close"]
    assert list(found["abandoned_session"].sample_keys) == shape.expected.get("abandoned", abandoned)

    plan = make_plan(workspace)
    assert {change["session_id"]: change["remedy"] for change in plan.changes()} == changes
    with open_run(workspace, "run") as run:
        migrate(workspace, run, plan.statements)
        hot, updates = shape.heap_only_updates()
        assert hot == updates > 0
        assert shape.routable() == shape.expected["routable"]
        cleaning = clean(workspace, run, plan)
        proof = verify(workspace, run.id, plan.judged_at, history=True)
    assert (cleaning.changed, cleaning.skipped, proof.holds) == (len(changes), [], True)
    assert shape.indexes() == shape.expected["indexes"]
    assert shape.routable() == shape.expected["routable_after"]
    cleaned = shape.sessions()
    for key, row in as_it_was.items():
        if key in changes:
            assert shape.expected.get("written", {}).get(key, {}).items() <= cleaned[key].items()
        else:
            assert cleaned[key] == row
    assert make_plan(workspace, plan.judged_at).is_empty

    if not changes:  # a read-only application
        assert assess(workspace).verdict is Verdict.NEEDS_SESSION_CLEANUP
        with pytest.raises(Refused, match="the sessions of this application are not written"):
            refuse_read_only(workspace.settings)
        return
    assert undo(workspace, run.id).conflicts == []
    assert shape.sessions() == as_it_was
    again = make_plan(workspace)
    with open_run(workspace, "clean") as second:
        assert clean(workspace, second, again).changed == len(changes)
    differing = {
        column
        for key, row in shape.sessions().items()
        for column, value in row.items()
        if cleaned[key][column] != value
    }
    assert differing <= set(shape.expected.get("beside", []))
    assert assess(workspace, history=True).verdict is Verdict.READY
