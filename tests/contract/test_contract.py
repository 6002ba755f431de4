"""The documents of ``--json`` keep the fields, and the types of their values, that others build on.

`tests/contract/COMMAND.txt` holds one line per field: its path and the types that it may have. A new field
needs no change there; a field that is missing, or that has another type, fails. Where only null is stored,
any type is right. After a deliberate change: ``pytest tests/contract/test_contract.py --store-contract``.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollcall.cli import main
from tests.support.call_centre import SMALL, call_centre

STORED = Path(__file__).parent
NAMED_BY_DATA = ("evidence", "before", "after", "remedies")
"""Objects whose fields are named by the data or the configuration: their values' types are compared alone."""
TYPES = {bool: "boolean", int: "number", float: "number", str: "text", type(None): "null"}


def fields_of(value: Any, path: str = "", name: str = "") -> Iterator[tuple[str, str]]:
    """Each field's path, like ``rules[].name``, and the type of its value."""
    if isinstance(value, dict):
        yield path, "object"
        for key, item in value.items():
            yield from fields_of(item, f"{path}.{'*' if name in NAMED_BY_DATA else key}", key)
    elif isinstance(value, list):
        yield path, "list"
        for item in value:
            yield from fields_of(item, f"{path}[]")
    else:
        yield path, TYPES[type(value)]


def types_by_path(document: Any) -> dict[str, set[str]]:
    types: dict[str, set[str]] = defaultdict(set)
    for path, kind in fields_of(document):
        types[path or "."].add(kind)
    return dict(types)


def test_every_document_has_the_fields_that_others_build_on(
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    call_centre(database, tmp_path, scale=SMALL)
    monkeypatch.setenv("ROLLCALL_DATABASE_URL", database)
    monkeypatch.setenv("ROLLCALL_STATE_DIR", str(tmp_path))
    documents: dict[str, Any] = {}

    def rollcall(name: str, *arguments: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["rollcall", *arguments, "--json"])
        capsys.readouterr()
        with pytest.raises(SystemExit):
            main()
        said = capsys.readouterr()
        assert said.out, said.err
        documents[name] = json.loads(said.out)
        return documents[name]

    rollcall("assess", "assess", "--history")
    rollcall("plan", "plan")
    rollcall("migrate", "migrate")
    run_id = rollcall("clean", "clean")["run_id"]
    rollcall("verify", "verify", "--run", run_id)
    rollcall("undo", "undo", run_id)
    rollcall("build", "build")
    rollcall("history", "history")
    rollcall("flags", "flags")
    rollcall("rules", "rules")
    rollcall("doctor", "doctor")
    rollcall("grants", "doctor", "--grants")
    rollcall("detach", "detach")

    if request.config.getoption("--store-contract"):
        for name, document in documents.items():
            lines = (f"{path} {'|'.join(sorted(kinds))}\n" for path, kinds in types_by_path(document).items())
            (STORED / f"{name}.txt").write_text("".join(sorted(lines)), encoding="utf-8")
    stored = {path.stem: path.read_text(encoding="utf-8").splitlines() for path in STORED.glob("*.txt")}
    assert set(stored) == set(documents)
    problems = []
    for name, lines in stored.items():
        found = types_by_path(documents[name])
        for path, _, kinds in (line.partition(" ") for line in lines):
            if path not in found:
                problems.append(f"{name}: {path} is missing")
            elif kinds != "null" and not found[path] <= set(kinds.split("|")):
                problems.append(
                    f"{name}: {path} is {'|'.join(sorted(found[path]))}, the contract says {kinds}"
                )
    assert not problems, "\n".join(problems)
