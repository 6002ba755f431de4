"""Generate the reference pages of the documentation site.

Each function returns one page in Markdown, made from the files that define its facts. `scripts/docs_site.py`
adds the pages when the site is built, so that they are never stale.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent

SECTION = re.compile(r"^  # --- (?P<title>.+?) -+$")
COMMENT = re.compile(r"^  # (?P<text>.+)$")
VAR = re.compile(r"^  (?P<name>\w+):(?: (?P<value>.*?))?(?:\s+# (?P<text>.+))?$")


@dataclass
class Block:
    """Consecutive vars below one comment line, if there is one: (name, meaning)."""

    lead: list[str] = field(default_factory=list)
    variables: list[tuple[str, str]] = field(default_factory=list)


# --- settings: the vars of dbt_project.yml ---------------------------------------------------------


def settings_page() -> str:
    """Every var with its default and the comment beside it, in the sections of `dbt_project.yml`."""
    text = (ROOT / "dbt_project.yml").read_text(encoding="utf-8")
    defaults = yaml.safe_load(text)["vars"]
    parts = [
        "# Settings",
        "Every name, status and threshold is a var of `dbt_project.yml`. `rollcall.yml`, `ROLLCALL_VARS` and"
        " `--vars` override the defaults below, the later over the earlier; all three are YAML:",
        "```console\n$ rollcall assess --vars '{app_schema: crm, abandoned_after_hours: 1.5}'\n```",
        "`rollcall config` prints each value and its origin. This page is made from `dbt_project.yml`.",
    ]
    for title, blocks in _sections(text):
        parts.append(f"## {title[0].upper()}{title[1:]}")
        for block in blocks:
            if block.lead:
                parts.append(_sentence(" ".join(block.lead)))
            if block.variables:
                rows = [
                    (f"`{name}`", f"`{_yaml(defaults[name])}`", meaning) for name, meaning in block.variables
                ]
                head = ("setting", "default", "meaning")
                has_meaning = any(meaning for *_, meaning in rows)
                parts.append(
                    _table(head, rows) if has_meaning else _table(head[:2], [row[:2] for row in rows])
                )
    return "\n\n".join(parts) + "\n"


def documented_settings() -> set[str]:
    """The names of the vars on the page."""
    text = (ROOT / "dbt_project.yml").read_text(encoding="utf-8")
    return {name for _, blocks in _sections(text) for block in blocks for name, _ in block.variables}


def _sections(text: str) -> Iterator[tuple[str, list[Block]]]:
    title: str | None = None
    blocks: list[Block] = []
    block = Block()
    for line in text.split("\nvars:\n", 1)[1].splitlines():
        if line and not line.startswith(" "):
            break
        if match := SECTION.match(line):
            if title is not None:
                yield title, blocks
            title, block = match["title"], Block()
            blocks = [block]
        elif match := COMMENT.match(line):
            if block.variables:
                block = Block()
                blocks.append(block)
            block.lead.append(match["text"])
        elif match := VAR.match(line):
            block.variables.append((match["name"], match["text"] or ""))
        elif not line and block.variables:
            block = Block()
            blocks.append(block)
    if title is not None:
        yield title, blocks


def _yaml(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=1000, allow_unicode=True)
    return str(text).removesuffix("\n").removesuffix("\n...")


# --- commands: the command line -------------------------------------------------------------------


def commands_page() -> str:
    """Every command with its arguments and options, as `--help` describes them."""
    parts = [
        "# Commands",
        "`rollcall COMMAND --help` shows the same. The exit codes are in the [overview](../index.md).",
        "This page is made from the command line's own descriptions.",
    ]
    for name, command in commands().items():
        context = command.context_class(command, info_name=f"rollcall {name}")
        usage = command.get_usage(context).removeprefix("Usage: ")
        parts += [f"## {name}", command.help.strip(), f"```\n{usage}\n```"]
        rows = [
            (f"`{_term(record[0])}`", record[1])
            for parameter in command.get_params(context)
            if (record := parameter.get_help_record(context)) and "--help" not in parameter.opts
        ]
        if rows:
            parts.append(_table(("option", "meaning"), rows))
    return "\n\n".join(parts) + "\n"


def commands() -> dict[str, Any]:
    """Each command by its name, in the order of `--help`."""
    import typer

    from rollcall.cli import app

    group: Any = typer.main.get_command(app)
    return {name: command for name, command in group.commands.items() if not command.hidden}


def _term(text: str) -> str:
    return text.replace(" <str>", "").replace("<int>", "N").replace("<float>", "N")


# --- views ----------------------------------------------------------------------------------------


def views_page() -> str:
    """Every view of the schema `rollcall` with its columns, from `models/cleaned/_cleaned.yml`."""
    document = yaml.safe_load((ROOT / "models/cleaned/_cleaned.yml").read_text(encoding="utf-8"))
    parts = [
        "# Views",
        "The views of the schema `rollcall`, which `migrate` makes. All instants are `timestamptz`.",
        "This page is made from the descriptions of the dbt models; `dbt docs generate` shows them as well.",
    ]
    for model in document["models"]:
        rows = [
            (f"`{column['name']}`", _type_of(column), _described(column["description"]))
            for column in model["columns"]
        ]
        parts += [
            f"## rollcall.{model['name']}",
            _described(model["description"]),
            _table(("column", "type", "meaning"), rows),
        ]
    return "\n\n".join(parts) + "\n"


def _type_of(column: dict[str, Any]) -> str:
    """The type of a view's column; a key has the type that the application's column has."""
    is_key = column.get("config", {}).get("meta", {}).get("type_of")
    return "as in the application" if is_key else f"`{column.get('data_type', '')}`"


def glossary_page() -> str:
    """Every term of `models/glossary.md`."""
    parts = [
        "# Glossary",
        "The terms of the rules, the views and the reports. This page is made from `models/glossary.md`."
        " A term that names ICMI is that of the International Customer Management Institute; the others"
        " are Rollcall's own.",
    ]
    for name, text in sorted(glossary().items()):
        parts += [f"## {name.removesuffix('_term').replace('_', ' ')}", text]
    return "\n\n".join(parts) + "\n"


def glossary() -> dict[str, str]:
    """Each term's text by the name of its docs block."""
    text = (ROOT / "models/glossary.md").read_text(encoding="utf-8")
    blocks = re.findall(r"{% docs (\w+) %}\n(.*?)\n{% enddocs %}", text, re.DOTALL)
    return {name: " ".join(body.split()) for name, body in blocks}


def _described(text: str) -> str:
    terms = glossary()
    return re.sub(r"{{ doc\('(\w+)'\) }}", lambda match: terms[match[1]], " ".join(text.split()))


# --- layers: the import contract --------------------------------------------------------------------


def layers_table() -> str:
    """The layers of the import contracts, each package with the first line of its docstring.

    A contract with a container says the layers inside of it; they follow their container.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    whole, *inside = (c for c in project["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    rows = []
    for layer in _layers(whole):
        rows.append(layer)
        for contract in inside:
            if layer == contract["containers"]:
                rows += _layers(contract, f"{layer[0]}.")
    return _table(
        ("layer", "purpose"),
        [("<br>".join(f"`{name}`" for name in names), "<br>".join(map(_purpose, names))) for names in rows],
    )


def _layers(contract: dict[str, Any], prefix: str = "") -> list[list[str]]:
    return [[prefix + name.strip() for name in layer.split("|")] for layer in contract["layers"]]


def _purpose(name: str) -> str:
    path = ROOT.joinpath(*name.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0].replace("\n", " ")


# --- Markdown -------------------------------------------------------------------------------------


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    """Escape vertical bars outside code."""
    return re.sub(r"(`[^`]*`)|\|", lambda match: match[1] or r"\|", text)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith(('.', ':')) else '.'}"
