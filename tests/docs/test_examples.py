"""Each folder of `examples/` gives the result that stands beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.command import rollcall
from tests.support.paths import ROOT

EXAMPLES = ROOT / "examples"
FOLDERS = sorted(path.parent for path in EXAMPLES.glob("*/expected.json"))


def test_the_index_names_every_example() -> None:
    index = (EXAMPLES / "README.md").read_text("utf-8")
    assert all(f"| [{folder.name}](" in index for folder in FOLDERS)
    folders = [path for path in EXAMPLES.iterdir() if path.is_dir()]
    assert all(f"[{folder.name}](" in index for folder in folders)


@pytest.mark.medium
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_example_gives_its_result(folder: Path, database: str, tmp_path: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    with psycopg.connect(database) as connection:
        connection.execute((folder / "schema.sql").read_text("utf-8"))

    def run(*arguments: str) -> dict[str, Any]:
        done = rollcall(*arguments, "--json", url=database, state=tmp_path, ROLLCALL_CONFIG=str(folder))
        document: dict[str, Any] = json.loads(done.stdout)
        assert "error" not in document, document["error"]
        return document

    assert_judged(run("assess"), expected["before"])
    if "after" in expected:
        for command in expected["commands"]:
            run(*command)
        assert_judged(run("assess"), expected["after"])


def assert_judged(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """The verdict, every violated rule but those of missing indexes and objects, and what is waived."""
    counts = {rule["name"]: rule["violations"] for rule in found["rules"] if rule["violations"]}
    for name in ("missing_index", "missing_own_object", "heartbeat_feed"):
        counts.pop(name, None)
    assert counts == expected["rules"]
    assert found["verdict"] == expected["verdict"]
    waived = {rule["name"]: rule["waived"] for rule in found["rules"] if rule["waived"]}
    assert waived == expected.get("waived", {})
