"""docs/operations.md names tests that exist, and each failure has one."""

from __future__ import annotations

import re

from tests.support.paths import ROOT

PAGE = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
FAILURES = PAGE.split("\n## Failures\n\n")[1].split("\n\n")[0]
FILES = re.findall(r"`(tests/[\w/]+\.py)`", PAGE)
TESTS = re.findall(r"`(test_\w+)`", PAGE)


def test_each_failure_names_a_test() -> None:
    rows = FAILURES.splitlines()[2:]
    assert rows
    assert [row for row in rows if not re.search(r"`(?:tests/[\w/]+\.py|test_\w+)`", row)] == []


def test_every_named_test_exists() -> None:
    assert [name for name in FILES if not (ROOT / name).exists()] == []
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert set(TESTS) - set(re.findall(r"^def (test_\w+)\(", sources, re.MULTILINE)) == set()
