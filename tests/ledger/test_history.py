"""History: each failure is new, persisting since, or resolved compared with the run before, by key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rollcall.database import connections as database_module
from rollcall.database.connections import fetch
from rollcall.ledger.runs import open_run
from rollcall.rules import judging
from rollcall.rules.results import Assessment, RuleResult
from rollcall.rules.suites import Suite
from rollcall.sandbox.demo import Scale
from rollcall.servers.postgres import PostgresServer
from rollcall.steps.assess.assessment import UNREADABLE_FLAGS, assess
from tests.support.call_centre import CallCentre, call_centre, workspace_of
from tests.support.command import rollcall
from tests.support.postgres import fresh_database

SCALE = Scale(agents=60, sessions=600, calls=2_000, days=10)
RULE = "duplicate_open_session"


@pytest.fixture(scope="module")
def shared(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CallCentre]:
    """One call centre for the tests here: what they find they compare with what they found before."""
    with fresh_database(server) as url:
        yield call_centre(url, tmp_path_factory.mktemp("state"), scale=SCALE)


@pytest.fixture
def centre(shared: CallCentre) -> CallCentre:
    """The call centre without a record of any judgement."""
    if shared.rows("select to_regclass('rollcall_ops.rule_results')") != [(None,)]:
        shared.rows("truncate rollcall_ops.rule_results")
    return shared


def record(centre: CallCentre, stage: str = "before", **other: Any) -> Assessment:
    """Judge and record, as a run does; the assessment that was recorded."""
    with open_run(centre.workspace, "test") as run:
        assessment = assess(centre.workspace, **other)
        run.note_rules(stage, assessment)
    return assessment


def rule(assessment: Assessment, name: str = RULE) -> RuleResult:
    return next(rule for rule in assessment.rules if rule.name == name)


def add_duplicate(centre: CallCentre) -> str:
    """An older open session beside one that is sound; its key."""
    ((key,),) = centre.rows(
        """
        insert into agent_sessions (id, agent_id, status, login_at, last_activity)
        select gen_random_uuid(), agent_id, 'available', login_at - interval '1 hour', last_activity
        from agent_sessions
        where logout_at is null and agent_id in (
            select agent_id from agent_sessions where logout_at is null group by agent_id having count(*) = 1
        )
        limit 1
        returning id::text
        """
    )
    return str(key)


def test_without_a_record_there_is_nothing_to_compare_with(centre: CallCentre) -> None:
    assessment = assess(centre.workspace)
    assert all(found.trend is None for found in assessment.rules)
    assert all(found["trend"] is None for found in assessment.to_json()["rules"])


def test_new_persisting_and_resolved_by_key(centre: CallCentre) -> None:
    first = record(centre)
    kept = set(rule(first).keys)
    assert len(kept) == rule(first).violations > 1

    same = rule(assess(centre.workspace))
    assert same.trend is not None
    assert (same.trend.new, same.trend.persisting, same.trend.resolved) == (0, len(kept), 0)
    assert same.trend.is_exact
    assert same.trend.before == len(kept)

    added, gone = add_duplicate(centre), min(kept)
    centre.rows("update agent_sessions set logout_at = now() at time zone 'UTC' where id::text = %s", gone)
    second = record(centre)
    trend = rule(second).trend
    assert trend is not None
    assert trend.new_keys == (added,)
    assert trend.resolved_keys == (gone,)
    assert trend.persisting == len(kept) - 1
    since = dict(zip(rule(second).keys, trend.keys_since, strict=True))
    assert since.pop(added) == second.snapshot_at
    assert set(since.values()) == {first.snapshot_at}
    assert trend.failing_since == first.snapshot_at

    third = rule(assess(centre.workspace)).trend
    assert third is not None
    assert (third.new, third.resolved, third.persisting) == (0, 0, len(kept))
    assert set(third.keys_since) == {first.snapshot_at, second.snapshot_at}


def test_a_failure_that_comes_back_is_new(centre: CallCentre) -> None:
    key = add_duplicate(centre)
    record(centre)
    centre.rows("update agent_sessions set logout_at = login_at where id::text = %s", key)
    record(centre)
    centre.rows("update agent_sessions set logout_at = null where id::text = %s", key)
    latest = record(centre)
    again = rule(latest).trend
    assert again is not None
    assert again.new_keys == (key,)
    assert again.keys_since[rule(latest).keys.index(key)] == latest.snapshot_at


def test_a_rule_is_compared_with_the_last_time_that_it_was_judged(centre: CallCentre) -> None:
    """The history suite is judged at night alone: the runs in between say nothing of it."""
    record(centre, history=True)
    record(centre)
    found = rule(assess(centre.workspace, history=True), "reversed_session_times")
    assert found.violations
    assert found.trend is not None
    assert (found.trend.new, found.trend.persisting) == (0, found.violations)


@pytest.mark.medium
def test_lists_that_are_cut_off_are_compared_as_far_as_they_are_known(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path, {"failing_keys_per_rule": 5}, scale=SCALE)
    first = rule(record(centre))
    assert first.violations > 6
    assert len(first.keys) == 5
    # the first is resolved, so that another one moves up, which failed before as well
    centre.rows("update agent_sessions set logout_at = now() where id::text = %s", first.keys[0])
    second = rule(assess(centre.workspace))
    assert second.violations == first.violations - 1
    assert second.trend is not None
    assert not second.trend.is_exact
    assert second.trend.resolved_keys == first.keys[:1]
    assert second.trend.new_keys == ()
    assert second.trend.persisting == 4
    assert second.trend.keys_since[-1] is None


@pytest.mark.medium
def test_old_results_are_pruned_and_a_rules_latest_never(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path, {"rule_results_keep_days": 2}, scale=SCALE)
    first = record(centre, history=True)
    record(centre)
    centre.rows("update rollcall_ops.rule_results set recorded_at = recorded_at - interval '5 days'")
    record(centre)
    counts = "select count(*) from rollcall_ops.rule_results where rule = %s"
    assert centre.rows(counts, RULE) == [(1,)]
    assert centre.rows(counts, "reversed_call_times") == [(1,)], "not judged since: its latest stays"
    assert centre.rows("select count(*) from rollcall_ops.runs") == [(3,)], "runs are never pruned"
    since = rule(assess(centre.workspace)).trend
    assert since is not None
    assert since.failing_since == first.snapshot_at


def test_a_role_without_rights_on_the_ledger_sees_all_but_the_trend(
    centre: CallCentre, tmp_path: Path
) -> None:
    record(centre)
    role = f"watcher_{datetime.now(UTC):%H%M%S%f}"
    centre.rows(f"create role {role} login")
    try:
        centre.rows(f"grant select on agents, agent_sessions, call_sessions to {role}")
        reader = workspace_of(centre.url.replace("postgres@", f"{role}@"), tmp_path)
        assessment = assess(reader, details=True)
        found = rule(assessment)
        assert assessment.warnings == (UNREADABLE_FLAGS,)
        assert found.violations
        assert found.trend is None
    finally:
        centre.rows(f"drop owned by {role}")
        centre.rows(f"drop role {role}")


@pytest.mark.medium
def test_what_the_reports_charts_show(centre: CallCentre) -> None:
    for _ in range(3):
        record(centre)
    assessment = assess(centre.workspace, details=True)
    past = [result for result in assessment.past if result.rule == RULE]
    assert [result.violations for result in past] == [rule(assessment).violations] * 3
    assert sorted(past, key=lambda result: result.recorded_at) == past
    assert assessment.presence is not None
    assert sum(assessment.presence.counts.values()) == assessment.facts["open_sessions"]
    abandoned = {s.session_id for s in assessment.presence.sessions if s.state == "abandoned"}
    assert abandoned
    assert abandoned <= set(rule(assessment, "abandoned_session").keys)


@pytest.mark.medium
def test_a_run_says_what_it_resolved(centre: CallCentre) -> None:
    record(centre)
    before = rule(assess(centre.workspace), "abandoned_session")
    _, _, cleaning, verification = centre.run()
    after = rule(verification.assessment, "abandoned_session")
    assert cleaning.changed
    assert after.violations == 0
    assert after.trend is not None
    assert set(after.trend.resolved_keys) == set(before.keys)


@pytest.mark.medium
def test_the_record_is_a_view_for_people(centre: CallCentre) -> None:
    centre.run()
    record(centre)
    added = add_duplicate(centre)
    record(centre)
    rows = centre.rows(
        "select violations, new_violations, persisting_violations, resolved_violations, failing_since,"
        " sample_keys from rollcall.readiness_history where rule = %s order by recorded_at desc limit 1",
        RULE,
    )
    ((violations, new, persisting, resolved, since, keys),) = rows
    assert (new, persisting, resolved) == (1, violations - 1, 0)
    assert since < datetime.now(UTC)
    assert added in keys


def test_the_command_shows_what_each_run_found_new_and_resolved(centre: CallCentre, tmp_path: Path) -> None:
    record(centre)
    add_duplicate(centre)
    record(centre)
    done = rollcall("history", "--json", url=centre.url, state=tmp_path)
    newest, before, *_ = json.loads(done.stdout)
    found = {row["rule"]: row for row in newest["rules"]}
    assert found[RULE]["new"] == 1
    assert found[RULE]["persisting"] == found[RULE]["violations"] - 1
    assert {row["new"] for row in before["rules"]} == {None}, "there was nothing to compare with"
    shown = rollcall("history", url=centre.url, state=tmp_path).stdout
    assert "resolved" in shown.splitlines()[0]
    assert newest["run_id"] in shown


@pytest.mark.medium
def test_the_number_of_queries_depends_on_neither_rules_nor_violations(
    centre: CallCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def counting(connection: Any, query: str, parameters: Any = ()) -> list[Any]:
        sent.append(query)
        return fetch(connection, query, parameters)

    def queries() -> int:
        sent.clear()
        assess(centre.workspace, history=True)
        return len(sent)

    monkeypatch.setattr(database_module, "fetch", counting)
    queries()  # the first one in a process may ask the catalog what is compiled for it
    damaged = queries()
    assert damaged <= 25 < len(assess(centre.workspace, history=True).rules)
    for _ in range(3):
        add_duplicate(centre)
    centre.rows("update agent_sessions set status = 'siesta' where logout_at is null and status = 'break'")
    try:
        assert queries() == damaged
    finally:
        centre.rows("update agent_sessions set status = 'break' where status = 'siesta'")


@pytest.mark.medium
def test_all_of_it_is_one_snapshot(centre: CallCentre, monkeypatch: pytest.MonkeyPatch) -> None:
    """The floor changes between the counts and the keys, the trend and the charts: no output shows it."""
    record(centre)
    expected = assess(centre.workspace, details=True)
    judge = judging.judge_counts

    def judge_beside_traffic(suite: Suite, *arguments: Any, **named: Any) -> Any:
        judged = judge(suite, *arguments, **named)
        add_duplicate(centre)
        if suite.name == "readiness":
            centre.rows("update agent_sessions set status = 'siesta' where logout_at is null")
        return judged

    monkeypatch.setattr(judging, "judge_counts", judge_beside_traffic)
    before = dict(centre.rows("select id::text, status from agent_sessions where logout_at is null"))
    try:
        found = assess(centre.workspace, details=True)
    finally:
        for key, status in before.items():
            centre.rows("update agent_sessions set status = %s where id::text = %s", status, key)
        centre.rows("update agent_sessions set status = 'available' where status = 'siesta'")
    assert {r.name: r.violations for r in found.rules} == {r.name: r.violations for r in expected.rules}
    assert found.presence is not None
    assert expected.presence is not None
    assert found.presence.counts == expected.presence.counts
