"""The missing statements as a migration of the tool that owns the application's schema.

`plan --export` writes files to review and copy into the application's repository. They contain the
statements of `migration_plan` on the application's tables and nothing of Rollcall's own schemas. The folder
`templates` has the form of each tool.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
import psycopg

from rollcall import __version__
from rollcall.database.connections import Row, Snapshot
from rollcall.errors import ConfigurationError, Refused
from rollcall.process.files import replaced_file
from rollcall.schema.declared import Statement, declared_changes
from rollcall.steps.plan.migration_parts import Part, added_columns, camel_case, parts_of, tables_of
from rollcall.steps.plan.tools import FILES, File, Tool
from rollcall.workspace import Workspace

__all__ = ["write_export"]

TEMPLATES = Path(__file__).with_name("templates")
GUIDE = "ROLLCALL.md"
BOOKKEEPING = {"django": "django_migrations", "alembic": "alembic_revisions"}
"""The analysis that reads the application's latest migration, where a new one has to name it."""

UNKNOWN_NUMBER = 9000  # a Django migration's number comes after the latest one, which is not known


def write_export(
    workspace: Workspace, statements: Sequence[Statement], made_at: datetime, tool: Tool, folder: Path
) -> list[Path]:
    """Write the missing statements on the application's tables in the form of a tool.

    Args:
        statements: of the plan; those of Rollcall's own schemas are left out.
        made_at: the instant in the names of the files.
        folder: created if missing; a file of the same name is replaced.

    Returns:
        The files, the guide first.

    Raises:
        ConfigurationError: no statement is left, or a file cannot be written.
        Refused: an object is in the way, or a build is unfinished.
    """
    wanted = [statement for statement in statements if statement.is_of_application]
    if not wanted:
        raise ConfigurationError(
            "nothing is left to export: the application's tables have every declared column and index",
            "name a database that `rollcall migrate` has not migrated, such as the one of development",
        )
    with workspace.database.snapshot() as snapshot:
        changes = {row["object_name"]: row for row in declared_changes(snapshot, workspace.project)}
        _refuse_unfit(changes)
        history = _history(workspace, snapshot, wanted, tool)
    parts = parts_of(wanted, made_at)
    context = _context(workspace, parts, wanted, changes, history)
    environment = _environment(tool)
    texts: dict[str, str] = {}
    for file in FILES[tool]:
        template = environment.get_template(file.template)
        for place in _places(file, context):
            values = {**context, **place}
            texts[file.path.format(**values)] = template.render(values)
    guide = environment.get_template("guide.md.j2").render(context, files=list(texts), texts=texts)
    return [_write(folder / name, text) for name, text in {GUIDE: guide, **texts}.items()]


def _refuse_unfit(changes: dict[str, Row]) -> None:
    """Refuse an export while an object differs from its declaration or a build is unfinished."""
    found = [name for name, row in changes.items() if row["state"] == "conflicting"]
    if found:
        raise Refused(
            f"nothing is exported: {', '.join(found)} exists and differs from its declaration",
            "`rollcall assess` shows the difference; a person must act first",
        )
    found = [name for name, row in changes.items() if row["state"] in ("invalid", "building")]
    if found:
        raise Refused(
            f"nothing is exported: the build of {', '.join(found)} is not finished",
            "wait for it, or finish it with `rollcall migrate`",
        )


def _history(
    workspace: Workspace, snapshot: Snapshot, statements: Sequence[Statement], tool: Tool
) -> list[Row]:
    """The latest migrations by the tool's bookkeeping table; empty where it cannot be read."""
    if tool not in BOOKKEEPING:
        return []
    parameters = [tables_of(statements)] if tool is Tool.DJANGO else []
    try:
        with snapshot.connection.transaction():
            return snapshot.rows(workspace.project.sql(BOOKKEEPING[tool]), parameters)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
        return []


def _context(
    workspace: Workspace,
    parts: Sequence[Part],
    statements: Sequence[Statement],
    changes: dict[str, Row],
    history: Sequence[Row],
) -> dict[str, Any]:
    """The values that every template may use."""
    variables = workspace.settings.variables
    return {
        "version": __version__,
        "parts": parts,
        "columns": added_columns(statements),
        "indexes": [changes[item.object_name] for item in statements if item.kind == "index"],
        "history": history,
        "schema": variables["app_schema"],
        "sessions_table": variables["sessions_table"],
        "lock_timeout": f"{variables['migrate_lock_timeout_ms']:.0f}ms",
        "statement_timeout": f"{variables['migrate_statement_timeout_ms']:.0f}ms",
    }


def _places(file: File, context: dict[str, Any]) -> list[dict[str, Any]]:
    """The values of each file that the template makes."""
    if not file.per_part:
        return [{}]
    first = _latest_number(context) + 1
    return [
        {
            "part": part,
            "number": first + number,
            "revision": _revision(part),
            "previous": context["parts"][number - 1] if number else None,
            "previous_number": first + number - 1,
        }
        for number, part in enumerate(context["parts"])
    ]


def _latest_number(context: dict[str, Any]) -> int:
    """The number of the latest migration of the Django app that owns the sessions table."""
    names = [row["name"] for row in context["history"] if row.get("table_name") == context["sessions_table"]]
    found = re.match(r"(\d+)_", names[0]) if names else None
    return int(found[1]) if found else UNKNOWN_NUMBER


def _revision(part: Part) -> str:
    """A key of Alembic: the same for the same statements."""
    text = "\n".join(statement.sql for statement in part.statements)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _environment(tool: Tool) -> jinja2.Environment:
    """The templates of a tool; the shared ones are in the folder itself."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([TEMPLATES / tool, TEMPLATES]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters.update(
        python=_python,
        bound=lambda text: re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", text),
        script=lambda text: re.sub(r"([\\`]|\$(?=\{))", r"\\\1", text),
        quoted=lambda text: json.dumps(text, ensure_ascii=False),
        plain_column=_plain_column,
        revision=_revision,
        digest=lambda text: hashlib.sha256(text.encode()).hexdigest(),
    )
    return environment


def _plain_column(key: str) -> str | None:
    """The column of an index key in camel case; None for an expression."""
    found = re.fullmatch(r'"((?:[^"]|"")+)"', key)
    return camel_case(found[1].replace('""', '"')) if found else None


def _python(text: str) -> str:
    """A text as a literal of Python, over several lines where it has them."""
    if "\n" in text and not re.search(r'\\|"""|"$', text):
        return f'"""{text}"""'
    return repr(text)


def _write(path: Path, text: str) -> Path:
    with replaced_file(path) as file:
        file.write(text.encode())
    return path
