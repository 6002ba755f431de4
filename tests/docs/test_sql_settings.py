"""The settings that act as parameters of the SQL: documented in one place, and all of them."""

from __future__ import annotations

import re

from tests.support.paths import ROOT

SETTING = re.compile(r"'(rollcall\.\w+)'")
AS_A_KEY = re.compile(r'"(rollcall\.\w+)":')


def documented() -> set[str]:
    """The first column of the table in docs/architecture.md."""
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    section = text.split("### Parameters of the SQL")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(rollcall\.\w+)`", row)}


def read_by_the_sql() -> set[str]:
    files = [path for folder in ("models", "macros", "analyses") for path in (ROOT / folder).rglob("*.sql")]
    return {name for path in files for name in SETTING.findall(path.read_text("utf-8"))}


def test_every_setting_that_the_sql_reads_is_documented_and_no_other() -> None:
    assert documented() == read_by_the_sql()


def test_what_is_set_is_read() -> None:
    """A misspelt name would be set for nothing."""
    modules = [path.read_text("utf-8") for path in (ROOT / "rollcall").rglob("*.py")]
    given = {name for module in modules for name in AS_A_KEY.findall(module)}
    assert len(given) >= 3
    assert given <= read_by_the_sql()
