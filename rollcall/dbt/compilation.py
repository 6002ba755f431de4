"""Compile the dbt project to SQL; no other module imports dbt.

dbt gets no connection, so that it executes nothing. The import, parsing and compiling take seconds;
`rollcall.dbt.project` caches the result, and dbt keeps the parsed project, which depends on no database.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import jinja2

from rollcall.errors import ConfigurationError, EvaluationError
from rollcall.settings.configuration import PROJECT_DIRECTORY, Settings

__all__ = [
    "Compilation",
    "RollcallRelation",
    "compile_project",
    "compiled_variables",
    "document_project",
    "parsed_variables",
    "render_macro",
]

MACROS = PROJECT_DIRECTORY / "macros" / "migrations"
VIEW = "rollcall_view"
TABLE = "ledger_table"
INTERRUPTING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DEPLOYED = "deployed_by_rollcall"  # for macros/generate_schema_name.sql: without it dbt uses other schemas
COLUMNS = "application_columns"  # the var that macros/staging/app_columns.sql reads
FOREIGN_VARIABLES = ("PG", "DBT_")
# Rollcall reads these files itself; no model has the vars.
FILE_VARIABLES = ("own_rules_folder", "waivers_file")
ANY_DATABASE = "any"  # dbt parses anew for another name of the database


@dataclass(frozen=True)
class RollcallRelation:
    """One of Rollcall's own relations, as dbt declares it.

    Attributes:
        kind: ``table`` or ``view``.
        digest: of a view's definition and description; the view's comment in the database ends with it.
    """

    schema: str
    name: str
    kind: str
    statement: str
    digest: str | None


@dataclass(frozen=True)
class Compilation:
    """The compiled project for one database.

    Attributes:
        sql: by the name of the model or analysis, executable; ``$1`` and so on are its parameters.
        rollcall_relations: Rollcall's tables and views, in the order of their dependencies.
    """

    sql: Mapping[str, str]
    rollcall_relations: tuple[RollcallRelation, ...]


def compile_project(
    settings: Settings, database_name: str, columns: Sequence[Mapping[str, Any]], target: Path, parsed: Path
) -> Compilation:
    """Compile every model and analysis, without a connection.

    Args:
        database_name: for messages only.
        columns: the result of `read_application_columns`.
        target: dbt's target folder; every database needs its own.
        parsed: dbt's folder of the parsed project; databases whose vars differ in numbers only share it.

    Raises:
        ConfigurationError: a configured table or column does not exist.
        EvaluationError: dbt could not compile the project.
    """
    with _interruptible() as was_interrupted, _without_garbage_collection():
        outcome = _invoke(ANY_DATABASE, _parse_arguments(settings, parsed))
        if outcome.success and not was_interrupted():
            outcome = _invoke(database_name, _compile_arguments(settings, columns, target), outcome.result)
    if was_interrupted():
        raise KeyboardInterrupt
    if not outcome.success:
        raise _failure(outcome)
    results: Any = outcome.result
    nodes = {
        result.node.unique_id: result.node
        for result in results
        if result.node.config.materialized in (TABLE, VIEW)
    }
    return Compilation(
        sql=dict(_compiled_files(target)),
        rollcall_relations=tuple(_rollcall_relation(nodes[key]) for key in _in_order(nodes)),
    )


def document_project(
    settings: Settings, database_name: str, columns: Sequence[Mapping[str, Any]], target: Path
) -> str:
    """Write dbt's documentation of the project: models, columns, lineage, compiled SQL. Without a connection.

    Args:
        target: dbt's target folder, for this call alone: dbt reads its artifacts back from it.

    Returns:
        One HTML page that loads nothing and names no path of this machine.

    Raises:
        ConfigurationError: a configured table or column does not exist.
        EvaluationError: dbt could not compile or document the project.
    """
    variables = {**compiled_variables(settings), COLUMNS: list(columns)}
    compiling = _compile_arguments(settings, columns, target, write_json=True)
    documenting = [
        *("docs", "generate", "--static", "--empty-catalog", "--no-compile"),
        *_common_arguments(settings, target, variables, write_json=True),
    ]
    for arguments in (compiling, documenting):
        outcome = _invoke(database_name, arguments)
        if not outcome.success:
            raise _failure(outcome)
    page = (target / "static_index.html").read_text(encoding="utf-8")
    # A block __overview__ would replace that of a project which uses Rollcall as a package.
    page = page.replace('"__rollcall__"', '"__overview__"')
    return page.replace(json.dumps(str(settings.project_directory))[1:-1], "")


def _compiled_files(target: Path) -> Iterator[tuple[str, str]]:
    """Name and SQL of each compiled file; only these contain the SQL of ephemeral models."""
    for folder in ("models", "analyses"):
        for path in (target / "compiled" / "rollcall" / folder).rglob("*.sql"):
            yield path.stem, _inlined(path.read_text(encoding="utf-8"))


def _invoke(database_name: str, arguments: list[str], manifest: Any = None) -> Any:
    """Run a command of dbt. manifest: the parsed project; none: dbt parses it, or reads what it kept."""
    with _environment(_dbt_environment(database_name)):
        from dbt.cli.main import dbtRunner  # the import reads environment variables

        return dbtRunner(manifest=manifest).invoke(arguments)


def _parse_arguments(settings: Settings, parsed: Path) -> list[str]:
    return ["parse", *_common_arguments(settings, parsed, parsed_variables(settings))]


def compiled_variables(settings: Settings) -> dict[str, Any]:
    """The vars that the user set and that the compiled project depends on."""
    return {name: value for name, value in settings.overrides.items() if name not in FILE_VARIABLES}


def parsed_variables(settings: Settings) -> dict[str, Any]:
    """Those of them that the parsed project depends on: no number decides what a model refers to.

    dbt refuses to compile a model that refers to another one because of a number, and names the reference.
    """
    return {
        name: value
        for name, value in compiled_variables(settings).items()
        if isinstance(value, bool) or not isinstance(value, (int, float))
    }


def _compile_arguments(
    settings: Settings, columns: Sequence[Mapping[str, Any]], target: Path, *, write_json: bool = False
) -> list[str]:
    variables = {**compiled_variables(settings), COLUMNS: list(columns)}
    return [
        "compile",
        *("--select", "resource_type:model", "resource_type:analysis"),
        *("--indirect-selection", "empty"),  # without the models' tests
        *("--no-populate-cache", "--no-introspect"),
        *_common_arguments(settings, target, variables, write_json=write_json),
    ]


def _common_arguments(
    settings: Settings, target: Path, variables: Mapping[str, Any], *, write_json: bool = False
) -> list[str]:
    project = str(settings.project_directory)
    return [
        *("--quiet", "--no-use-colors", "--log-level", "none", "--log-level-file", "none"),
        # only the documentation uses the artifacts, and writing them takes as long as parsing
        "--write-json" if write_json else "--no-write-json",
        *("--project-dir", project, "--profiles-dir", project),
        *("--target-path", str(target), "--log-path", str(target / "logs")),
        *("--vars", json.dumps({**variables, DEPLOYED: True})),
    ]


def _dbt_environment(database_name: str) -> dict[str, str]:
    return {"PGDATABASE": database_name, "DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}


def _rollcall_relation(node: Any) -> RollcallRelation:
    if node.config.materialized == TABLE:
        return RollcallRelation(node.schema, node.name, "table", node.compiled_code.strip(), None)
    definition = _inlined(node.compiled_code)
    is_barrier = bool(node.config.meta.get("security_barrier"))
    columns = list(node.columns.values())
    described = (definition, node.description, columns)
    digested = str(render_macro("view_statements", "digested_view")(*described, is_barrier))
    digest = hashlib.md5(digested.encode(), usedforsecurity=False).hexdigest()
    relation = f'"{node.schema}"."{node.name}"'
    statement = render_macro("view_statements")(relation, *described, digest, is_barrier)
    return RollcallRelation(node.schema, node.name, "view", str(statement).strip(), digest)


def _inlined(definition: str) -> str:
    return str(render_macro("inlined")(definition)).strip()


@cache
def render_macro(file: str, name: str | None = None) -> Any:
    """Load a macro that needs nothing of dbt's context; by default the one with the name of its file."""
    source = (MACROS / f"{file}.sql").read_text(encoding="utf-8")
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    return getattr(environment.from_string(source, globals={"modules": {"re": re}}).module, name or file)


def _in_order(nodes: Mapping[str, Any]) -> list[str]:
    """Sort the nodes by their dependencies, direct or indirect."""
    ordered: list[str] = []

    def visit(key: str) -> None:
        for upstream in nodes[key].depends_on.nodes:
            if upstream in nodes:
                visit(upstream)
        if key not in ordered:
            ordered.append(key)

    for key in sorted(nodes, key=lambda name: (nodes[name].config.materialized != TABLE, name)):
        visit(key)
    return ordered


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set these variables for dbt, and hide those for libpq and for other dbt projects."""
    cleared = {name for name in os.environ if name.startswith(FOREIGN_VARIABLES)} | set(variables)
    before = {name: os.environ[name] for name in cleared if name in os.environ}
    for name in cleared:
        os.environ.pop(name, None)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)
        os.environ.update(before)


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Suspend garbage collection: dbt makes few cycles, and the search for them takes a sixth of its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Detect an interruption (Ctrl-C or a terminating signal) that dbt suppresses."""
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    usual = {number: signal.getsignal(number) for number in INTERRUPTING}

    def note(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        handler = usual[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number, handler in usual.items():
        if callable(handler):
            signal.signal(number, note)
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in usual.items():
            if callable(handler):
                signal.signal(number, handler)


def _failure(outcome: Any) -> ConfigurationError | EvaluationError:
    """Translate dbt's failure into one line; a macro's own refusal is a configuration error."""
    text = str(outcome.exception or "")
    if not text:
        messages = [result.message for result in outcome.result or () if result.message]
        text = messages[0] if messages else "dbt failed without a reason"
    ours = re.search(r"rollcall: ([^\n]+)", text)
    if ours:
        problem, _, hint = ours.group(1).partition("; ")
        return ConfigurationError(problem, hint)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return EvaluationError(f"dbt could not compile the project: {' '.join(lines[:3])}")
