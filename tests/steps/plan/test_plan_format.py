"""A plan file that Rollcall cannot have written is refused as a whole, in one line, and changes nothing.

Each file here has a correct hash: the hash is no signature, and any program can compute it.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rollcall.errors import ConfigurationError, Refused
from rollcall.ledger.runs import open_run
from rollcall.steps.plan.pending_work import line_of
from rollcall.steps.plan.stored import read_plan, write_plan
from tests.support.floor import Floor

Document = dict[str, Any]
Genuine = tuple[Document, list[Document]]
DEEP = b'{"line": "change", "session_id": ' + b"[" * 200_000 + b"]" * 200_000 + b"}\n"


def forge(path: Path, header: Document, lines: list[Document | bytes]) -> None:
    """Write these lines below this header, with the digest and the hash that belong to them."""
    written = [line if isinstance(line, bytes) else line_of(line) for line in lines]
    if "body" in header:
        header = {**header, "body": hashlib.sha256(b"".join(written)).hexdigest()}
    rest = {key: value for key, value in header.items() if key not in ("line", "hash")}
    digest = hashlib.sha256(line_of({"line": "plan", **rest})).hexdigest()
    path.write_bytes(b"".join([line_of({"line": "plan", "hash": digest, **rest}), *written]))


def real_plan(floor: Floor, path: Path) -> Genuine:
    """The header and the lines of a plan that closes one session."""
    floor.session()
    write_plan(floor.plan(), path)
    header, *lines = [json.loads(line) for line in path.read_text().splitlines()]
    return header, lines


_made: dict[str, Genuine] = {}


@pytest.fixture
def genuine(floor: Floor, tmp_path: Path) -> Genuine:
    """The header and the lines of a plan that is made once, and its session in the database."""
    if floor.url in _made:
        session = floor.session()
        key = _made[floor.url][1][-1]["session_id"]
        floor.rows("update agent_sessions set id = %s where id = %s", key, session)
    else:
        _made[floor.url] = real_plan(floor, tmp_path / "genuine.jsonl")
    return copy.deepcopy(_made[floor.url])


def assert_refused(floor: Floor, path: Path, *parts: str) -> None:
    before = floor.digest()
    with pytest.raises(Refused) as refusal:
        floor.clean(read_plan(floor.workspace, str(path)))
    assert refusal.value.exit_code == 4
    text = str(refusal.value)
    assert "\n" not in text
    assert len(text) < 500
    for part in parts:
        assert part in text
    assert floor.digest() == before


@pytest.mark.medium
def test_the_plans_of_these_tests_are_accepted_unless_they_are_damaged(floor: Floor, tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    header, lines = real_plan(floor, path)
    genuine = path.read_bytes()
    forge(path, header, [*lines])
    assert path.read_bytes() == genuine
    assert floor.clean(read_plan(floor.workspace, str(path))).changed == 1


@pytest.mark.parametrize("name", ["made_at", "judged_at", "cutoff", "expires_at"])
@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("2026-01-31T12:00:00", "it has no time zone"),
        ("2026-01-31", "it has no time zone"),
        ("noon", "it is no instant"),
        ("0001-01-01T00:00:00+00:00", "its year is not between"),
        ("9999-12-31T23:59:59+00:00", "its year is not between"),
        (1_790_000_000, "should be a valid string"),
        (None, "should be a valid string"),
    ],
)
def test_an_instant_of_the_header_needs_a_time_zone_and_a_plausible_year(
    floor: Floor, genuine: Genuine, tmp_path: Path, name: str, value: object, part: str
) -> None:
    path = tmp_path / "plan.jsonl"
    header, lines = genuine
    forge(path, {**header, name: value}, [*lines])
    assert_refused(floor, path, f"line 1: {name}", part)


@pytest.mark.parametrize("name", ["database", "database_oid", "system_identifier"])
def test_a_plan_without_identity_runs_on_no_database(
    floor: Floor, genuine: Genuine, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "plan.jsonl"
    header, lines = genuine
    forge(path, {**header, name: None}, [*lines])
    assert_refused(floor, path, "cluster" if name == "system_identifier" else f"line 1: {name}")


@pytest.mark.parametrize(
    "name", ["database", "database_oid", "system_identifier", "made_at", "expires_at", "schema", "body"]
)
def test_a_field_that_the_header_lacks_is_named(
    floor: Floor, genuine: Genuine, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "plan.jsonl"
    header, lines = genuine
    forge(path, {key: value for key, value in header.items() if key != name}, [*lines])
    assert_refused(floor, path, f"line 1: {name}")


@pytest.mark.parametrize(
    ("name", "value"), [("statement_count", 7), ("change_count", 0), ("remedies", {"clear_reference": 1})]
)
def test_what_the_header_counts_is_what_the_lines_have(
    floor: Floor, genuine: Genuine, tmp_path: Path, name: str, value: object
) -> None:
    path = tmp_path / "plan.jsonl"
    header, lines = genuine
    forge(path, {**header, name: value}, [*lines])
    assert_refused(floor, path, f"its {name} does not fit")


def without(name: str) -> Callable[[Document], Document]:
    return lambda change: {key: value for key, value in change.items() if key != name}


def with_field(name: str, value: object) -> Callable[[Document], Document]:
    return lambda change: {**change, name: value}


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        (with_field("session_id", 5), "session_id"),
        (with_field("agent_id", 5), "agent_id"),
        (with_field("session_id", None), "session_id"),
        (with_field("session_id", "a\0b"), "session_id"),
        (with_field("session_id", ["a"]), "session_id"),
        (with_field("rules", "abandoned_session"), "rules"),
        (with_field("rules", []), "rules"),
        (with_field("remedy", {}), "remedy"),
        (with_field("before", None), "before"),
        (with_field("before", {"status": "available", "current_call_id": 7, "logout_at": None}), "before"),
        (with_field("after", {"status": "offline"}), "after.current_call_id"),
        (with_field("after", "offline"), "after"),
        (with_field("evidence", []), "evidence"),
        (with_field("evidence", {"idle_seconds": float("inf")}), "evidence"),
        (with_field("evidence", {"call_status": "\0"}), "evidence"),
        (with_field("extra", 1), "extra"),
        (with_field("line", "remark"), "line"),
        (with_field("line", ["change"]), "line"),
        (without("line"), "line"),
        (without("session_id"), "session_id"),
        (without("agent_id"), "agent_id"),
        (without("rules"), "rules"),
        (without("remedy"), "remedy"),
        (without("before"), "before"),
        (without("after"), "after"),
        (without("evidence"), "evidence"),
        (lambda _: DEEP, "it is not one JSON document"),
        (lambda _: b"[]\n", "it is not a JSON object"),
        (lambda _: b"null\n", "it is not a JSON object"),
        (lambda _: b"\n", "it is not one JSON document"),
        (lambda change: line_of(change).rstrip(b"\n"), "it is not one whole line"),
        (lambda change: line_of(change).replace(b"available", b"\xff"), "it is not one JSON document"),
    ],
)
def test_a_line_with_another_shape_is_named(
    floor: Floor, genuine: Genuine, tmp_path: Path, damage: Callable[[Document], Document | bytes], part: str
) -> None:
    path = tmp_path / "plan.jsonl"
    header, lines = genuine
    forge(path, header, [*lines[:-1], damage(lines[-1])])
    assert_refused(floor, path, f"line {len(lines) + 1}: {part}")


def test_deep_json_in_the_first_line_is_refused(floor: Floor, tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    path.write_bytes(DEEP)
    assert_refused(floor, path, "does not begin like a plan")


def test_a_session_that_appears_twice_is_refused(floor: Floor, genuine: Genuine, tmp_path: Path) -> None:
    """It was reported as changed three times, and the ledger had one change."""
    path = tmp_path / "plan.jsonl"
    header, lines = genuine
    counts = {"change_count": 3, "remedies": {"close": 3}}
    forge(path, {**header, **counts}, [*lines, lines[-1], {**lines[-1], "remedy": "close"}])
    assert_refused(floor, path, f"line {len(lines) + 2}: its session appears in an earlier line too")


def test_the_session_of_a_line_is_the_one_that_is_executed(floor: Floor, tmp_path: Path) -> None:
    """A line that names two sessions is executed by the first, and JSON keeps the last."""
    path = tmp_path / "plan.jsonl"
    other = floor.session()
    header, lines = real_plan(floor, path)
    change = next(line for line in lines if line.get("session_id") not in (None, other))
    both = line_of(change)[:-2] + f', "session_id": "{other}"}}\n'.encode()
    rest = [line for line in lines if line["line"] == "statement"]
    forge(path, header, [*rest, both, change])
    assert_refused(floor, path, "its session appears in an earlier line too")


def test_a_key_in_another_spelling_is_no_second_change(floor: Floor, tmp_path: Path) -> None:
    """PostgreSQL reads both texts as one uuid."""
    path = tmp_path / "plan.jsonl"
    header, lines = real_plan(floor, path)
    again = {**lines[-1], "session_id": lines[-1]["session_id"].upper()}
    forge(path, {**header, "change_count": 2, "remedies": {"close": 2}}, [*lines, again])
    result = floor.clean(read_plan(floor.workspace, str(path)))
    assert result.changed == len(floor.changes()) == 1


def test_a_statement_that_appears_twice_is_refused(floor: Floor, genuine: Genuine, tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    header, lines = genuine
    statements = [line for line in lines if line["line"] == "statement"]
    assert statements
    count = {"statement_count": len(statements) + 1}
    forge(path, {**header, **count}, [statements[0], *lines])
    with pytest.raises(Refused, match="line 3: its statement appears in an earlier line too"):
        read_plan(floor.workspace, str(path))


def test_a_stored_plan_is_checked_like_a_file(floor: Floor, genuine: Genuine, tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    header, lines = genuine
    forge(path, {**header, "made_at": "2026-01-31T12:00:00"}, [*lines])
    first, *rest = path.read_text().splitlines(keepends=True)
    digest = json.loads(first)["hash"]
    with open_run(floor.workspace, "plan") as run:
        store = "insert into rollcall_ops.plans (hash, header, run_id) values (%s, %s, %s)"
        floor.rows(store, digest, first, run.id)
    for position, line in enumerate(rest, start=1):
        store = "insert into rollcall_ops.plan_lines (hash, position, line) values (%s, %s, %s)"
        floor.rows(store, digest, position, line)
    with pytest.raises(Refused, match="line 1: made_at: it has no time zone"):
        read_plan(floor.workspace, digest)


def test_a_name_that_no_file_can_have_is_a_wrong_argument(floor: Floor) -> None:
    with pytest.raises(ConfigurationError, match="cannot read the plan"):
        read_plan(floor.workspace, "p" * 5_000)
