"""Waivers: what is known and accepted does not fail, exactly that, and not for ever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rollcall.errors import ConfigurationError
from rollcall.ledger.runs import open_run
from rollcall.rules.results import Assessment, Check, RuleResult, Verdict
from rollcall.rules.suites import read_suites
from rollcall.rules.waiver import WaiverState
from rollcall.sandbox.demo import Scale
from rollcall.servers.postgres import PostgresServer
from rollcall.steps.assess.assessment import assess
from rollcall.steps.assess.waivers import COLUMNS, read_waivers
from rollcall.steps.clean.cleaning import clean as clean_up
from rollcall.steps.plan.pending_work import make_plan
from tests.support.call_centre import CallCentre, call_centre
from tests.support.dbt_command import Dbt
from tests.support.paths import ROOT
from tests.support.postgres import fresh_database
from tests.support.waivers import line, write

SUITES = read_suites(ROOT / "expectations")
SCALE = Scale(agents=60, sessions=600, calls=2_000, days=10)
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()


class WaivedCentre:
    """A call centre and a file of waivers, which is read again at every assess."""

    def __init__(self, database: str, folder: Path) -> None:
        self._folder = folder
        self.waive()
        self.centre: CallCentre = call_centre(
            database, folder, {"waivers_file": str(folder / "waivers.csv")}, scale=SCALE
        )

    def waive(self, *lines: str) -> None:
        write(self._folder, *lines)

    def assess(self, **other: Any) -> Assessment:
        return assess(self.centre.workspace, **other)

    def rule(self, name: str, **other: Any) -> RuleResult:
        return rule(self.assess(**other), name)


def rule(assessment: Assessment, name: str) -> RuleResult:
    return next(found for found in assessment.rules if found.name == name)


@pytest.fixture(scope="module")
def shared(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WaivedCentre]:
    with fresh_database(server) as url:
        yield WaivedCentre(url, tmp_path_factory.mktemp("state"))


@pytest.fixture
def usual(shared: WaivedCentre) -> WaivedCentre:
    """A damaged call centre without a waiver; the tests change nothing in it."""
    shared.waive()
    return shared


@pytest.fixture(scope="module")
def shared_clean(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WaivedCentre]:
    with fresh_database(server) as url:
        made = WaivedCentre(url, tmp_path_factory.mktemp("state"))
        made.centre.run()
        yield made


@pytest.fixture
def clean(shared_clean: WaivedCentre) -> WaivedCentre:
    """A call centre that is READY, without a waiver; what a test breaks it mends."""
    shared_clean.waive()
    return shared_clean


# --- what a waiver does -----------------------------------------------------------------------


def test_waived_keys_are_subtracted_exactly_and_shown(usual: WaivedCentre) -> None:
    before = usual.rule("abandoned_session")
    first, second, *rest = before.keys
    usual.waive(line("abandoned_session", first), line("abandoned_session", second))
    assessment = usual.assess()
    after = rule(assessment, "abandoned_session")
    assert after.violations == before.violations
    assert after.waived == 2
    assert after.waived_keys == (first, second)
    assert after.keys == tuple(rest)
    assert not after.passed
    assert assessment.checks[Check.SESSIONS_CLEAN] == "NEEDS_CLEANUP"
    shown = next(found for found in assessment.to_json()["rules"] if found["name"] == "abandoned_session")
    assert (shown["violations"], shown["waived"], shown["waived_keys"]) == (
        before.violations,
        2,
        [first, second],
    )
    assert {result.state for result in assessment.waivers} == {WaiverState.ACTIVE}
    assert not assessment.warnings


@pytest.mark.medium
def test_a_check_whose_every_failure_is_waived_passes(clean: WaivedCentre) -> None:
    clean.centre.rows(
        """
        insert into agent_sessions (id, agent_id, status, login_at, last_activity)
        select gen_random_uuid(), a.id, 'available', t.nine_hours_ago, t.nine_hours_ago
        from agents as a
        cross join (select now() at time zone 'UTC' - interval '9 hours' as nine_hours_ago) as t
        where a.is_active
            and not exists (select from agent_sessions as s where s.agent_id = a.id and s.logout_at is null)
            and not exists (select from call_sessions as c where c.agent_id = a.id and c.ended_at is null)
        limit 3
        """
    )
    failing = clean.assess()
    assert failing.verdict is Verdict.NEEDS_SESSION_CLEANUP
    keys = rule(failing, "abandoned_session").keys
    assert len(keys) == 3
    clean.waive(*(line("abandoned_session", key) for key in keys))
    waived = clean.assess()
    assert waived.verdict is Verdict.READY
    assert waived.pending_changes == 3, "the verdict is waived, not the repair"
    clean.waive(*(line("abandoned_session", key) for key in keys[:2]))
    assert rule(clean.assess(), "abandoned_session").failing == 1
    for key in keys:
        clean.centre.rows("delete from agent_sessions where id::text = %s", key)


@pytest.mark.medium
def test_a_waiver_neither_stops_a_repair_nor_asks_for_one(database: str, tmp_path: Path) -> None:
    """The plan is that of the rules alone, to the last byte; so is what is changed."""
    usual = WaivedCentre(database, tmp_path)
    centre = usual.centre
    plan = centre.plan()
    planned = {change["session_id"] for change in plan.changes()}
    sound = next(
        key
        for (key,) in centre.rows("select id::text from agent_sessions where logout_at is null")
        if key not in planned
    )
    usual.waive(
        line("abandoned_session", condition="all"),
        line("invalid_on_call", condition="all"),
        line("orphaned_call_reference", condition="all"),
        line("abandoned_session", sound, until=YESTERDAY),
    )
    waived = usual.assess()
    assert waived.checks[Check.SESSIONS_CLEAN] == waived.checks[Check.CALL_REFS_CLEAN] == "PASS"
    assert waived.pending_changes == len(planned) > 10

    again = make_plan(centre.workspace, plan.judged_at)
    assert again.body.digest == plan.body.digest
    assert again.header | {"made_at": "", "expires_at": ""} == plan.header | {"made_at": "", "expires_at": ""}
    with open_run(centre.workspace, "clean") as run:
        cleaning = clean_up(centre.workspace, run, again)
    assert cleaning.changed == len(planned)
    assert all("matches nothing" in warning or "expired" in warning for warning in usual.assess().warnings)


def test_an_expired_waiver_fails_again_and_says_so(usual: WaivedCentre) -> None:
    key = usual.rule("duplicate_open_session").keys[0]
    usual.waive(line("duplicate_open_session", key, until=YESTERDAY))
    assessment = usual.assess()
    assert rule(assessment, "duplicate_open_session").waived == 0
    (warning,) = assessment.warnings
    assert f"expired on {YESTERDAY}" in warning
    assert "1 violations fail again" in warning
    (result,) = assessment.waivers
    assert (result.state, result.matches) == (WaiverState.EXPIRED, 1)


def test_the_last_day_is_a_day_on_which_it_holds(tmp_path: Path) -> None:
    (waiver,) = read_waivers(write(tmp_path, line("zombie_call", "k", until="2026-03-31")), SUITES)
    assert not waiver.has_expired(date(2026, 3, 31))
    assert waiver.has_expired(date(2026, 4, 1))


def test_a_waiver_that_matches_nothing_is_reported(usual: WaivedCentre) -> None:
    usual.waive(line("abandoned_session", "00000000-0000-0000-0000-000000000000"))
    (warning,) = usual.assess().warnings
    assert "matches nothing" in warning
    assert "line 2" in warning


def test_waivers_of_the_history_are_judged_with_it(usual: WaivedCentre) -> None:
    usual.waive(line("reversed_session_times", condition="all"))
    assert usual.assess().waivers == ()
    assessment = usual.assess(history=True)
    found = rule(assessment, "reversed_session_times")
    assert found.waived == found.violations > 0
    assert found.passed


@pytest.mark.medium
def test_by_agent_and_by_the_day_when_it_began(usual: WaivedCentre) -> None:
    centre = usual.centre
    keys = usual.rule("abandoned_session").keys
    agents = dict(centre.rows("select id::text, agent_id from agent_sessions"))
    agent = agents[keys[0]]
    usual.waive(line("abandoned_session", condition=f"agent_id = {agent}"))
    expected = {key for key in keys if agents[key] == agent}
    assert set(usual.rule("abandoned_session").waived_keys) == expected

    began = {
        key: login_at
        for key, login_at in centre.rows("select id::text, login_at from agent_sessions")
        if key in keys
    }
    day = sorted(began.values())[len(began) // 2].date()
    usual.waive(line("abandoned_session", condition=f"began_before = {day}"))
    expected = {key for key in began if began[key].date() < day}
    assert usual.rule("abandoned_session").waived == len(expected)

    calls = usual.rule("zombie_call").keys
    by_agent = dict(centre.rows("select id::text, agent_id from call_sessions"))
    usual.waive(line("zombie_call", condition=f"agent_id={by_agent[calls[0]]}"))
    assert usual.rule("zombie_call").waived == sum(by_agent[key] == by_agent[calls[0]] for key in calls)


def test_overlapping_waivers_subtract_a_violation_once(usual: WaivedCentre) -> None:
    before = usual.rule("abandoned_session")
    usual.waive(line("abandoned_session", before.keys[0]), line("abandoned_session", condition="all"))
    assessment = usual.assess()
    assert rule(assessment, "abandoned_session").failing == 0
    assert [result.matches for result in assessment.waivers] == [1, before.violations]


@pytest.mark.medium
def test_counts_stay_exact_beyond_what_is_listed(database: str, tmp_path: Path) -> None:
    write(tmp_path)
    overrides = {"waivers_file": str(tmp_path / "waivers.csv"), "failing_keys_per_rule": 2}
    centre = call_centre(database, tmp_path, overrides, scale=SCALE)
    keys = [key for (key,) in centre.rows("select id::text from agent_sessions where logout_at is null")]
    before = rule(assess(centre.workspace), "abandoned_session")
    assert before.violations > 6
    write(tmp_path, *(line("abandoned_session", key) for key in keys))
    waived = rule(assess(centre.workspace), "abandoned_session")
    assert waived.waived == before.violations
    assert len(waived.waived_keys) == 2


@pytest.mark.medium
def test_a_waived_failure_is_not_taken_for_resolved(clean: WaivedCentre) -> None:
    found = clean.rule("duplicate_open_session")
    with open_run(clean.centre.workspace, "test") as run:
        run.note_rules("before", clean.assess())
    clean.waive(line("duplicate_open_session", found.keys[0]))
    after = clean.rule("duplicate_open_session")
    assert after.trend is not None
    assert (after.waived, after.trend.resolved) == (1, 0)


def test_a_blocking_rule_is_waived_for_a_key_and_blocks_for_another(clean: WaivedCentre) -> None:
    insert = (
        "insert into agent_sessions (id, agent_id, status, login_at, last_activity)"
        " select gen_random_uuid(), agent_id, 'siesta', login_at, login_at from agent_sessions limit 1"
        " returning id::text"
    )
    ((key,),) = clean.centre.rows(insert)
    assert clean.assess().verdict is Verdict.NOT_READY
    clean.waive(line("unknown_session_status", key))
    assert clean.assess().verdict is Verdict.READY
    clean.centre.rows(insert)
    assert clean.assess().verdict is Verdict.NOT_READY
    clean.centre.rows("delete from agent_sessions where status = 'siesta'")


# --- the file ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("zombie_cal,k,,why,who,2027-01-31", "did you mean zombie_call?"),
        ("missing_column,k,,why,who,2027-01-31", "missing_column cannot be waived"),
        ("silent_feed,k,,why,who,2027-01-31", "silent_feed cannot be waived"),
        ("zombie_call,,,why,who,2027-01-31", "either a key or a condition"),
        ("zombie_call,k,all,why,who,2027-01-31", "either a key or a condition"),
        ("zombie_call,k,,,who,2027-01-31", "the reason is missing"),
        ("zombie_call,k,,why, ,2027-01-31", "the owner is missing"),
        ("zombie_call,k,,why,who,", "expires_on is no day"),
        ("zombie_call,k,,why,who,31.1.2027", "expires_on is no day"),
        ("zombie_call,k,,why,who", "does not have 6 values"),
        ("zombie_call,k,,why,so, who,2027-01-31", "does not have 6 values"),
        ("zombie_call,,agent = 3,why,who,2027-01-31", "is not understood"),
        ("zombie_call,,began_before = soon,why,who,2027-01-31", "began_before is no day"),
        ("unknown_agent,,all,why,who,2027-01-31", "is blocking, so it is waived by key only"),
        ("zombie_call,k,,why,who,2027-01-31\nzombie_call,k,,why,who,2028-01-31", "lines 2 and 3"),
    ],
)
def test_a_mistake_is_refused_with_its_line(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_waivers(write(tmp_path, text), SUITES)
    assert part in str(caught.value)
    assert "line" in str(caught.value)


def test_a_file_that_is_no_file_of_waivers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "waivers.csv"
    path.write_text("rule;key\n", "utf-8")
    with pytest.raises(ConfigurationError, match="rule,key,condition"):
        read_waivers(path, SUITES)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_waivers(path, SUITES)
    assert read_waivers(tmp_path / "absent.csv", SUITES) == ()


def test_what_a_spreadsheet_saves_is_read(tmp_path: Path) -> None:
    path = tmp_path / "waivers.csv"
    text = f"{','.join(COLUMNS)}\r\n{line('zombie_call', 'k')}\r\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    (waiver,) = read_waivers(path, SUITES)
    assert (waiver.key, waiver.reason) == ("k", "known, and accepted")


@pytest.mark.slow
def test_the_seed_is_one_that_dbt_loads(usual: WaivedCentre, tmp_path: Path) -> None:
    """As shipped: no line, and the columns that are read."""
    assert read_waivers(ROOT / "seeds/waivers.csv", SUITES) == ()
    Dbt(usual.centre.url, tmp_path)("seed")
    columns = usual.centre.rows(
        "select column_name from information_schema.columns where table_schema = 'rollcall_ops'"
        " and table_name = 'waivers' order by ordinal_position"
    )
    assert tuple(name for (name,) in columns) == COLUMNS
