"""`plan --export`: the statements of the plan in the form of each migration tool."""

from __future__ import annotations

import ast
import configparser
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import postgast
import pytest

from rollcall.errors import ConfigurationError, Refused
from rollcall.sandbox.demo import Variant
from rollcall.schema.declared import Statement, pending_statements
from rollcall.servers.postgres import PostgresServer
from rollcall.steps.plan.export import write_export
from rollcall.steps.plan.tools import Tool
from tests.support.call_centre import call_centre
from tests.support.command import rollcall
from tests.support.live_migration import Live, Original

MADE_AT = datetime(2026, 11, 28, 12, 30, 15, 999, UTC)
VERSIONS = [f"202611281230{second}" for second in range(15, 21)]
SECONDS = int(MADE_AT.timestamp())
NAMES = [
    "rollcall_columns",
    "rollcall_calls_of_agent",
    "rollcall_unfinished_calls",
    "rollcall_closed_sessions",
    "rollcall_closed_logins",
    "rollcall_open_sessions",
]
SETTINGS = re.compile(r"set local (lock|statement)_timeout = ('\d+ms'|default)")


@pytest.fixture(scope="module")
def original(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    """A call centre whose columns have awkward names."""
    names = {
        "sessions_last_heartbeat_column": "lastHeartbeat",
        "sessions_device_connected_column": "it's `${on}`",
    }
    original = Original(server, tmp_path_factory.mktemp("state"), names)
    yield original
    original.drop()


@pytest.fixture
def live(original: Original) -> Iterator[Live]:
    with original.live() as live:
        yield live


def pending(live: Live) -> list[Statement]:
    with live.workspace.database.snapshot() as snapshot:
        return list(pending_statements(snapshot, live.workspace.project))


def export(live: Live, tool: Tool, folder: Path) -> dict[str, str]:
    """The exported files by their path."""
    files = write_export(live.workspace, pending(live), MADE_AT, tool, folder)
    assert files[0] == folder / "ROLLCALL.md"
    assert sorted(files) == sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in files}


def sql_texts(tool: Tool, text: str) -> list[str]:
    """The statements in a migration, read as the tool reads them."""
    if tool in (Tool.DJANGO, Tool.ALEMBIC):
        return [text for text in python_strings(ast.parse(text)) if is_sql(text)]
    if tool is Tool.TYPEORM:
        strings = re.findall(r'queryRunner\.query\((?:"([^"\n]*)"|`((?:\\.|[^`\\])*)`)\)', text)
        return [one or re.sub(r"\\([\\`$])", r"\1", other) for one, other in strings]
    if tool is Tool.RAILS:
        raw = re.findall(r"execute (?:\"([^\"\n]*)\"|<<~'ROLLCALL'\n(.*?)\n    ROLLCALL)", text, re.DOTALL)
        return [one or re.sub("^      ", "", other, flags=re.MULTILINE) for one, other in raw]
    return [str(part) for part in postgast.split(text)]


def python_strings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.replace("\\:", ":")


def is_sql(text: str) -> bool:
    return text.startswith(("alter ", "comment ", "create ", "set local "))


def normal(sql: str) -> str:
    return str(postgast.deparse(postgast.parse(sql)))


def without_settings(texts: list[str]) -> list[str]:
    plain = [re.sub(r"^(--[^\n]*(\n|$)|\s)*", "", text).rstrip("; \n") for text in texts]
    return [text for text in plain if text and not SETTINGS.fullmatch(text)]


def path_of_part(tool: Tool, position: int) -> str:
    """The path of a part's migration by the convention of the tool."""
    name, version = NAMES[position], VERSIONS[position]
    camel = "".join(word.capitalize() for word in name.split("_"))
    return {
        Tool.PRISMA: rf"migrations/{version}_{name}/migration\.sql",
        Tool.TYPEORM: rf"migrations/{SECONDS + position}000-{camel}\.ts",
        Tool.DJANGO: rf"migrations/900{position + 1}_{name}\.py",
        Tool.RAILS: rf"migrate/{version}_{name}\.rb",
        Tool.ALEMBIC: rf"versions/[0-9a-f]{{12}}_{name}\.py",
        Tool.FLYWAY: rf"migrations/V{version}__{name}\.sql",
    }[tool]


@pytest.mark.medium
@pytest.mark.parametrize("tool", [tool for tool in Tool if tool is not Tool.DRIZZLE])
def test_the_statements_are_those_of_the_plan(live: Live, tmp_path: Path, tool: Tool) -> None:
    """Each concurrent build is alone in its file, and nothing of Rollcall's own schemas is exported."""
    files = export(live, tool, tmp_path)
    texts = []
    for position in range(len(NAMES)):
        (path,) = (path for path in files if re.fullmatch(path_of_part(tool, position), path))
        texts.append(without_settings(sql_texts(tool, files[path])))
    of_application = [item for item in pending(live) if item.is_of_application]
    assert [len(found) for found in texts] == [6] + [1] * (len(NAMES) - 1)
    assert [normal(sql) for found in texts for sql in found] == [normal(item.sql) for item in of_application]
    assert not [
        path
        for path, text in files.items()
        if "rollcall_ops" in text and not path.endswith((".md", "env.py"))
    ]


@pytest.mark.medium
@pytest.mark.parametrize("tool", [tool for tool in Tool if tool is not Tool.DRIZZLE])
def test_only_the_columns_are_added_in_a_transaction(live: Live, tmp_path: Path, tool: Tool) -> None:
    """The mark of the tool is on each concurrent build, and a timeout on what shares a transaction."""
    files = export(live, tool, tmp_path)
    mark = {
        Tool.TYPEORM: "transaction = false;",
        Tool.DJANGO: "atomic = False",
        Tool.RAILS: "disable_ddl_transaction!",
        Tool.ALEMBIC: "autocommit_block()",
        Tool.FLYWAY: "executeInTransaction=false",
    }.get(tool)
    for position in range(len(NAMES)):
        parts = [text for path, text in files.items() if re.match(path_of_part(tool, position), path)]
        assert any("set local lock_timeout = '200ms'" in text for text in parts) == (position == 0)
        if mark is not None:
            assert any(mark in text for text in parts) == (position > 0)


def test_drizzle_has_one_migration_and_the_concurrent_builds_beside_it(live: Live, tmp_path: Path) -> None:
    files = export(live, Tool.DRIZZLE, tmp_path)
    of_application = [item for item in pending(live) if item.is_of_application]
    wanted = [normal(item.sql) for item in of_application]
    migration = without_settings(files["migration.sql"].split("--> statement-breakpoint"))
    assert [normal(sql) for sql in migration] == [
        sql.replace("CREATE INDEX CONCURRENTLY", "CREATE INDEX IF NOT EXISTS") for sql in wanted
    ]
    psql = "".join(line for line in files["indexes.sql"].splitlines(True) if not line.startswith("\\"))
    builds = without_settings([str(part) for part in postgast.split(psql)])
    assert [normal(sql) for sql in builds] == [sql for sql in wanted if "CONCURRENTLY" in sql]


def test_the_other_files_parse(live: Live, tmp_path: Path) -> None:
    for tool in (Tool.DJANGO, Tool.ALEMBIC):
        for path, text in export(live, tool, tmp_path / tool).items():
            if path.endswith(".py"):
                indented = path == "models.py"
                ast.parse(f"class Model:\n{text}" if indented else text)
    for path, text in export(live, Tool.FLYWAY, tmp_path / "flyway").items():
        if path.endswith(".conf"):
            configparser.ConfigParser().read_string(f"[script]\n{text}")


@pytest.mark.parametrize("tool", Tool)
def test_the_model_has_every_column_and_the_guide_every_file(live: Live, tmp_path: Path, tool: Tool) -> None:
    files = export(live, tool, tmp_path)
    guide = files.pop("ROLLCALL.md")
    assert all(f"- `{path}`" in guide for path in files)
    assert "rollcall detach" in guide
    model = next(
        text
        for path, text in files.items()
        if re.fullmatch(r"(model|schema|entity|models|Entity)\.\w+", path)
    )
    assert all(name in model for name in ("lastHeartbeat", "it's `${on}`", "max_concurrent_calls"))


def test_a_partitioned_table_gets_its_parts_in_order(server: PostgresServer, tmp_path: Path) -> None:
    original = Original(server, tmp_path, variant=Variant(partitioned=True))
    try:
        with original.live() as live:
            files = export(live, Tool.FLYWAY, tmp_path / "flyway")
            of_application = [item for item in pending(live) if item.is_of_application]
            scripts = [text for path, text in sorted(files.items()) if path.endswith(".sql")]
            found = [sql for text in scripts for sql in without_settings(sql_texts(Tool.FLYWAY, text))]
            assert [normal(sql) for sql in found] == [normal(item.sql) for item in of_application]
            concurrent = [text for text in scripts if "concurrently" in text.lower()]
            assert len(concurrent) == sum(not item.in_transaction for item in of_application)
            assert not [text for text in concurrent if "set local" in text]
    finally:
        original.drop()


# --- what cannot be exported ------------------------------------------------------------------------


@pytest.mark.medium
def test_nothing_is_written_when_nothing_is_missing(live: Live, tmp_path: Path) -> None:
    live.migrate()
    with pytest.raises(ConfigurationError, match="nothing is left to export"):
        write_export(live.workspace, pending(live), MADE_AT, Tool.PRISMA, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_object_that_is_in_the_way_is_named(live: Live, tmp_path: Path) -> None:
    live.rows("alter table agent_sessions add max_concurrent_calls text")
    with pytest.raises(Refused, match="public.agent_sessions.max_concurrent_calls exists and differs"):
        write_export(live.workspace, pending(live), MADE_AT, Tool.RAILS, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_writes_the_files_and_changes_nothing(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path)
    before = centre.rows("select relname from pg_class order by 1")
    folder = tmp_path / "out"
    done = rollcall(
        *("plan", "--export", "alembic", "--export-folder", str(folder)), url=database, state=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert f"the steps are in {folder}/ROLLCALL.md" in done.stdout
    assert len(list((folder / "versions").iterdir())) == len(NAMES)
    assert centre.rows("select relname from pg_class order by 1") == before


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--export", "hibernate"), "'hibernate' is not one of 'prisma'"),
        (("--export-folder", "out"), "--export-folder needs --export TOOL"),
    ],
)
def test_wrong_usage_is_one_error(arguments: tuple[str, ...], problem: str) -> None:
    done = rollcall("plan", *arguments, url=f"postgresql://nowhere.invalid/{uuid.uuid4().hex}")
    assert done.returncode == 2
    assert problem in " ".join(done.stderr.split()).replace("│ ", "")
