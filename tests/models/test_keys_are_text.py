"""The application's keys are text in every document, whatever type their columns have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollcall.sandbox.demo import Variant
from tests.support.call_centre import call_centre
from tests.support.command import rollcall

KEYS = ("session_id", "agent_id", "call_id", "current_call_id", "key")


def keys_in(document: Any) -> Iterator[tuple[str, Any]]:
    """Every value whose name says that it is a key, or a list of keys."""
    if isinstance(document, list):
        for item in document:
            yield from keys_in(item)
    elif isinstance(document, dict):
        for name, value in document.items():
            if name in KEYS:
                yield name, value
            elif name.endswith("keys") and isinstance(value, list):
                yield from ((name, item) for item in value)
            else:
                yield from keys_in(value)


@pytest.mark.medium
def test_numeric_keys_are_text_in_every_document(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path, variant=Variant(keys="bigint", agent_keys="bigint"))
    path = tmp_path / "plan.jsonl"
    documents = {}
    for name, arguments in {
        "assess": ("assess", "--samples", "5", "--history"),
        "plan": ("plan", "--out", str(path)),
        "clean": ("clean", "--plan", str(path)),
    }.items():
        done = rollcall(*arguments, "--json", url=database, state=tmp_path)
        assert done.returncode in (0, 11, 12), done.stderr
        documents[name] = json.loads(done.stdout)
    assert documents["clean"]["changed"] == centre.planted.pending_changes
    run_id = documents["clean"]["run_id"]
    for name, arguments in {"verify": ("verify", "--run", run_id), "undo": ("undo", run_id)}.items():
        done = rollcall(*arguments, "--json", url=database, state=tmp_path)
        documents[name] = json.loads(done.stdout)
    documents["file"] = [json.loads(line) for line in path.read_text().splitlines()]
    found = {
        name: {(key, type(value).__name__) for key, value in keys_in(document) if value is not None}
        for name, document in documents.items()
    }
    wrong = {name: {key for key in keys if key[1] != "str"} for name, keys in found.items()}
    assert not any(wrong.values()), wrong
    assert {("session_id", "str"), ("agent_id", "str"), ("current_call_id", "str")} <= found["plan"]
    assert ("current_call_id", "str") in found["assess"]


def test_a_value_that_an_option_does_not_take_is_refused_with_the_option() -> None:
    for arguments, option in (
        (("assess", "--samples", "1000"), "--samples"),
        (("assess", "--samples", "-1"), "--samples"),
        (("history", "--limit", "soon"), "--limit"),
        (("assess", "--fail-on", "never"), "--fail-on"),
        (("demo", "--agents", "many"), "--agents"),
    ):
        done = rollcall(*arguments)
        assert done.returncode == 2
        assert option in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
