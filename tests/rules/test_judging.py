"""Counts and rows, judged by real Great Expectations."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rollcall.errors import ConnectionFailed, EvaluationError
from rollcall.report.data_docs import build_data_docs
from rollcall.rules.gx import load_suites
from rollcall.rules.judging import judge_counts, judge_table
from rollcall.rules.results import Check, Severity
from rollcall.rules.suites import Suite
from tests.support.suites import (
    DAMAGED_SESSIONS,
    EXPECTATIONS,
    GOOD_AGENTS,
    GOOD_SESSIONS,
    connector,
    execute,
    none_violated,
    violations,
    write_suite,
)

# --- counts -----------------------------------------------------------------------------------


def test_a_clean_row_passes_every_rule(suites: dict[str, Suite]) -> None:
    judgement = judge_counts(suites["readiness"], none_violated(suites["readiness"]))
    assert len(judgement) == 23
    assert all(rule.passed for rule in judgement)


def test_a_violated_rule_fails_with_its_exact_count_and_keys(suites: dict[str, Suite]) -> None:
    row = none_violated(suites["readiness"], abandoned_session=123_456_789_012, shared_call=2)
    judgement = judge_counts(suites["readiness"], row, {"shared_call": ["s1", "s2"]})
    failed = {rule.name: rule for rule in judgement if not rule.passed}
    assert violations(judgement) == {"abandoned_session": 123_456_789_012, "shared_call": 2}
    assert set(failed) == {"abandoned_session", "shared_call"}
    assert failed["shared_call"].sample_keys == ("s1", "s2")
    assert failed["shared_call"].check is Check.CALL_REFS_CLEAN
    assert failed["shared_call"].severity is Severity.WARNING
    assert failed["abandoned_session"].check is Check.SESSIONS_CLEAN
    assert failed["abandoned_session"].suite == "readiness"


def test_every_single_rule_can_fail(suites: dict[str, Suite]) -> None:
    for name in ("readiness", "history", "schema"):
        suite = suites[name]
        judgement = judge_counts(suite, {rule.name: 1 for rule in suite.rules})
        assert not any(rule.passed for rule in judgement)


@pytest.mark.parametrize(("count", "passes"), [(0, True), (1, True), (2, True), (3, False)])
def test_a_count_is_tolerated_up_to_its_tolerance(tmp_path: Path, count: int, passes: bool) -> None:
    folder = write_suite(tmp_path, lambda document: document["expectations"].pop())
    (result,) = judge_counts(load_suites(folder)["mine"], {"late_call": count})
    assert (result.passed, result.violations, result.tolerance) == (passes, count, 2)


@pytest.mark.parametrize("count", [None, 1.0, float("nan"), "1", True, -1])
def test_a_count_that_is_no_count_is_refused(suites: dict[str, Suite], count: Any) -> None:
    row = none_violated(suites["readiness"], zombie_call=count)
    with pytest.raises(EvaluationError, match="count of zombie_call is"):
        judge_counts(suites["readiness"], row)


def test_a_missing_and_an_unknown_count_are_refused(suites: dict[str, Suite]) -> None:
    row = none_violated(suites["schema"])
    with pytest.raises(EvaluationError, match="lost_column has no expectation"):
        judge_counts(suites["schema"], row | {"lost_column": 0})
    del row["hidden_rows"]
    with pytest.raises(EvaluationError, match="expects a count of hidden_rows"):
        judge_counts(suites["schema"], row)


def test_judging_is_silent_and_leaves_no_file(
    suites: dict[str, Suite],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = {path.name: path.read_bytes() for path in EXPECTATIONS.iterdir()}
    (tmp_path / "home").mkdir()
    (tmp_path / "cwd").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "cwd")
    judgement = judge_counts(suites["history"], none_violated(suites["history"]))
    build_data_docs(tmp_path / "docs", [judgement])
    assert capfd.readouterr() == ("", "")
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {
        "index.html",
        "history.html",
    }
    assert {path.name: path.read_bytes() for path in EXPECTATIONS.iterdir()} == before


# --- rows -------------------------------------------------------------------------------------


def test_good_rows_pass_and_so_does_no_row_at_all(suites: dict[str, Suite], database: str) -> None:
    execute(database, GOOD_SESSIONS, GOOD_AGENTS)
    for statement in ("select 1", "truncate rollcall.agent_sessions, rollcall.routable_agents"):
        execute(database, statement)
        for suite, table in (
            ("cleaned_sessions", "agent_sessions"),
            ("routable_agents", "routable_agents"),
        ):
            judgement = judge_table(suites[suite], connector(database), "rollcall", table)
            assert len(judgement) == len(suites[suite].rules)
            assert all(rule.passed for rule in judgement)
            assert violations(judgement) == {}


@pytest.mark.parametrize(("damage", "expected"), DAMAGED_SESSIONS)
def test_a_broken_cleaned_session_is_counted_exactly(
    suites: dict[str, Suite], database: str, damage: str, expected: dict[str, int]
) -> None:
    execute(database, GOOD_SESSIONS, f"update rollcall.agent_sessions {damage}")
    suite = suites["cleaned_sessions"]
    judgement = judge_table(suite, connector(database), "rollcall", "agent_sessions")
    assert violations(judgement) == expected
    assert {rule.name for rule in judgement if not rule.passed} == set(expected)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("set agent_id = 1 where agent_id <= 2", {"routable_agent_id_unique": 2}),
        ("set agent_id = null where agent_id = 1", {"routable_agent_id_not_null": 1}),
        ("set session_id = 1 where agent_id <= 3", {"routable_session_id_unique": 3}),
        ("set session_id = null where agent_id = 1", {"routable_session_id_not_null": 1}),
        ("set last_seen_at = null where agent_id = 1", {"routable_last_seen_at_not_null": 1}),
        (
            "set free_call_slots = -1 where agent_id <= 4",
            {"routable_free_call_slots_not_negative": 4},
        ),
        ("set routed_by = 'guess' where agent_id <= 5", {"routable_routed_by_known": 5}),
    ],
)
def test_a_broken_routable_agent_is_counted_exactly(
    suites: dict[str, Suite], database: str, damage: str, expected: dict[str, int]
) -> None:
    execute(database, GOOD_AGENTS, f"update rollcall.routable_agents {damage}")
    suite = suites["routable_agents"]
    judgement = judge_table(suite, connector(database), "rollcall", "routable_agents")
    assert violations(judgement) == expected


def test_a_promised_column_that_is_missing_is_counted(suites: dict[str, Suite], database: str) -> None:
    execute(
        database,
        GOOD_SESSIONS,
        "alter table rollcall.agent_sessions drop defects, drop live_call_id, add more text",
    )
    suite = suites["cleaned_sessions"]
    judgement = judge_table(suite, connector(database), "rollcall", "agent_sessions")
    assert violations(judgement) == {"cleaned_session_columns": 2}


def test_a_table_or_column_that_cannot_be_judged_is_an_error(suites: dict[str, Suite], database: str) -> None:
    suite = suites["cleaned_sessions"]
    with pytest.raises(EvaluationError, match=r"rollcall.agent_sessions .*does not exist"):
        judge_table(suite, connector(database), "rollcall", "agent_sessions")
    execute(database, GOOD_SESSIONS, "alter table rollcall.agent_sessions drop status")
    with pytest.raises(EvaluationError, match=r"cleaned_session_status_not_null .*status") as error:
        judge_table(suite, connector(database), "rollcall", "agent_sessions")
    assert "\n" not in str(error.value)


def test_a_connection_that_fails_says_so_itself(suites: dict[str, Suite], database: str) -> None:
    def connect() -> psycopg.Connection[Any]:
        raise ConnectionFailed("the server is down")

    with pytest.raises(ConnectionFailed, match="the server is down"):
        judge_table(suites["routable_agents"], connect, "rollcall", "routable_agents", "0-0-1")


def test_what_changes_after_the_snapshot_is_not_seen(suites: dict[str, Suite], database: str) -> None:
    execute(database, GOOD_SESSIONS)
    suite = suites["cleaned_sessions"]
    opened = 0

    def connect() -> psycopg.Connection[Any]:
        nonlocal opened
        opened += 1
        damage = "update rollcall.agent_sessions set status = null where session_id = {}"
        execute(database, damage.format(opened))
        return psycopg.connect(database)

    with psycopg.connect(database) as holder:
        holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        row = holder.execute("select pg_export_snapshot()").fetchone()
        assert row is not None
        judgement = judge_table(suite, connect, "rollcall", "agent_sessions", row[0])
    assert opened > 0
    assert violations(judgement) == {}
    assert violations(judge_table(suite, connector(database), "rollcall", "agent_sessions")) == {
        "cleaned_session_status_not_null": opened
    }


def test_select_alone_suffices(suites: dict[str, Suite], database: str) -> None:
    """A role that may read one table: it can create nothing, not even a temporary table."""
    execute(
        database,
        GOOD_SESSIONS,
        "do $$ begin create role onlooker; exception when duplicate_object then end $$",
        "do $$ begin execute format('revoke temporary on database %I from public',"
        " current_database()); end $$",
        "grant usage on schema rollcall to onlooker",
        "grant select on rollcall.agent_sessions to onlooker",
    )

    def connect() -> psycopg.Connection[Any]:
        connection = psycopg.connect(database, autocommit=True)
        connection.execute("set role onlooker")
        return connection

    suite = suites["cleaned_sessions"]
    judgement = judge_table(suite, connect, "rollcall", "agent_sessions")
    assert all(rule.passed for rule in judgement)


def test_the_view_is_read_at_the_given_instant(suites: dict[str, Suite], database: str) -> None:
    """The cleaned views judge at the setting rollcall.judged_at, if there is one."""
    execute(
        database,
        GOOD_AGENTS,
        "alter table rollcall.routable_agents rename to kept",
        "create view rollcall.routable_agents as select agent_id, session_id, last_seen_at,"
        " free_call_slots, nullif(current_setting('rollcall.judged_at', true), '') as routed_by"
        " from rollcall.kept",
    )
    suite, connect = suites["routable_agents"], connector(database)
    now = judge_table(suite, connect, "rollcall", "routable_agents")
    assert violations(now) == {}
    instant = datetime(2025, 1, 1, tzinfo=UTC)
    then = judge_table(suite, connect, "rollcall", "routable_agents", judged_at=instant)
    assert violations(then) == {"routable_routed_by_known": 20}
