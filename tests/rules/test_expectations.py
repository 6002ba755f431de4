"""The suites and their judge: real Great Expectations, on real rows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from rollcall.errors import ConfigurationError, ConnectionFailed, EvaluationError
from rollcall.report.data_docs import build_data_docs
from rollcall.rules.gx import load_suites
from rollcall.rules.judging import Judgement, judge_counts, judge_table
from rollcall.rules.results import Check, Severity
from rollcall.rules.suites import Suite, read_suites
from tests.support.paths import ROOT

EXPECTATIONS = ROOT / "expectations"

# the severity of each rule of live data, stated here independently of the suites
CATALOGUE = {
    Severity.BLOCKING: {
        "unknown_session_status",
        "unknown_call_status",
        "activity_in_future",
        "extreme_time",
        "no_sign_of_life",
        "unknown_activity",
        "silent_feed",
        "unknown_agent",
        "no_active_agents",
    },
    Severity.CRITICAL: {"abandoned_session", "orphaned_call_reference", "invalid_on_call"},
    Severity.WARNING: {
        "session_of_inactive_agent",
        "duplicate_open_session",
        "live_call_not_on_call",
        "shared_call",
        "call_of_another_agent",
        "invalid_capacity",
        "device_lost",
        "zombie_call",
        "ended_call_still_live",
    },
    Severity.INFO: {"open_but_offline", "heartbeat_feed"},
}

GOOD_SESSIONS = """
    create schema rollcall;
    create table rollcall.agent_sessions as
    select
        i as session_id,
        i % 7 as agent_id,
        'available'::text as status,
        i > 90 as is_open,
        timestamptz '2025-01-01 08:00Z' as login_at,
        case when i <= 90 then timestamptz '2025-01-01 09:00Z' end as logout_at,
        timestamptz '2025-01-01 08:30Z' as last_seen_at,
        null::uuid as live_call_id,
        case when i <= 90 then 3600 end as duration_seconds,
        array[]::text[] as defects
    from generate_series(1, 100) as i
"""

GOOD_AGENTS = """
    create schema if not exists rollcall;
    create table rollcall.routable_agents as
    select
        i as agent_id,
        i + 100 as session_id,
        now() as last_seen_at,
        i % 2 as free_call_slots,
        case when i % 2 = 0 then 'status' else 'heartbeat' end as routed_by
    from generate_series(1, 20) as i
"""


@pytest.fixture(scope="module")
def suites() -> dict[str, Suite]:
    return load_suites(EXPECTATIONS)


def none_violated(suite: Suite, **counts: int) -> dict[str, int]:
    """A row of counts in which every rule but those named is kept."""
    return {rule.name: 0 for rule in suite.rules} | counts


def violations(judgement: Judgement) -> dict[str, int]:
    return {rule.name: rule.violations for rule in judgement if rule.violations}


def execute(database: str, *statements: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in statements:
            connection.execute(sql.SQL(statement))


def connector(database: str) -> Callable[[], psycopg.Connection[Any]]:
    """Connections as `rollcall.database.connections` opens them."""
    return lambda: psycopg.connect(
        database, autocommit=True, row_factory=dict_row, cursor_factory=psycopg.RawCursor
    )


# --- the files --------------------------------------------------------------------------------


def test_every_rule_of_the_catalogue_is_expected_as_severe_as_it_says(
    suites: dict[str, Suite],
) -> None:
    found: dict[Severity, set[str]] = {severity: set() for severity in Severity}
    for rule in suites["readiness"].rules:
        found[rule.severity].add(rule.name)
    assert found == CATALOGUE


def test_every_file_is_loaded_whole_by_gx(suites: dict[str, Suite]) -> None:
    assert {name: len(suite.rules) for name, suite in suites.items()} == {
        "cleaned_sessions": 10,
        "history": 6,
        "readiness": 23,
        "routable_agents": 8,
        "schema": 21,
    }


def test_a_blocking_rule_fails_only_a_check_that_makes_not_ready(
    suites: dict[str, Suite],
) -> None:
    for suite in suites.values():
        for rule in suite.rules:
            if rule.severity is Severity.BLOCKING:
                assert rule.check in {Check.DATA_TRUSTWORTHY, Check.AGENTS_AVAILABLE}, rule.name
            if rule.severity is Severity.CRITICAL:
                assert rule.check not in {Check.DATA_TRUSTWORTHY, Check.AGENTS_AVAILABLE}, rule.name


def test_reading_the_suites_does_not_import_gx() -> None:
    program = (
        "import sys; from pathlib import Path; from rollcall.rules.suites import read_suites;"
        f"read_suites(Path({str(EXPECTATIONS)!r}));"
        "print([m for m in ('great_expectations', 'pandas', 'sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_what_is_imported_late_still_works(suites: dict[str, Suite]) -> None:
    from scipy import stats

    assert stats.norm.cdf(0) == 0.5


def write_suite(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A suite of two good rules, one of a count and one of rows, after a change."""
    meta = {
        "rule": "late_call",
        "check": "data_trustworthy",
        "severity": "blocking",
        "reason": "The call is late.",
        "remedy": "A person must look.",
        "unit": "calls",
    }
    document = {
        "name": "mine",
        "expectations": [
            {
                "type": "expect_column_max_to_be_between",
                "kwargs": {"column": "late_call", "max_value": 2},
                "severity": "critical",
                "meta": meta,
            },
            {
                "type": "expect_column_values_to_not_be_null",
                "kwargs": {"column": "call_id"},
                "severity": "critical",
                "meta": {**meta, "rule": "call_without_key"},
            },
        ],
    }
    change(document)
    (folder / "mine.json").write_text(json.dumps(document))
    return folder


def at(index: int, *keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change: set (or, given `...`, drop) what these keys lead to in one expectation."""

    def change(document: dict[str, Any]) -> None:
        target = document["expectations"][index]
        for key in keys[:-1]:
            target = target[key]
        if value is ...:
            del target[keys[-1]]
        else:
            target[keys[-1]] = value

    return change


def test_a_suite_of_ones_own_is_loaded(tmp_path: Path) -> None:
    (suite,) = load_suites(write_suite(tmp_path, lambda document: None)).values()
    assert [(rule.name, rule.tolerance) for rule in suite.rules] == [
        ("late_call", 2),
        ("call_without_key", 0),
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (at(1, "type", value="expect_column_values_to_not_be_nul"), "expectation 1: GX knows no"),
        (at(1, "kwargs", "colum", value="call_id"), "expectation 1: .* does not take .*colum"),
        (at(1, "kwargs", value={}), "expectation 1: .* does not take .*column"),
        (at(1, "kwargs", "mostly", value=0.9), "expectation 1: remove `mostly`"),
        (at(0, "kwargs", "column", value="other"), "expectation 0: .*count of late_call"),
        (at(0, "kwargs", "max_value", value=None), "expectation 0: .*count of late_call"),
        (at(0, "kwargs", "max_value", value=0.5), "expectation 0: .*count of late_call"),
        (at(0, "kwargs", "strict_max", value=True), "expectation 0: .*count of late_call"),
        (at(0, "meta", "remedy", value=...), "expectation 0, meta lacks remedy"),
        (at(0, "meta", "reason", value=" "), "expectation 0, meta: reason"),
        (at(0, "meta", "owner", value="me"), "expectation 0, meta has an unknown key 'owner'"),
        (at(0, "meta", "check", value="sessions"), "expectation 0: the check is 'sessions'"),
        (at(0, "meta", "severity", value="bad"), "expectation 0: the severity is 'bad'"),
        (at(0, "meta", "unit", value="rows"), "expectation 0: the unit is 'rows'"),
        (at(0, "severity", value="warning"), "expectation 0: the GX severity is 'warning'"),
        (at(0, "severity", value=...), "expectation 0 lacks severity"),
        (at(0, "kwarg", value={}), "expectation 0 has an unknown key 'kwarg'"),
        (at(1, "meta", "rule", value="late_call"), "the rule late_call occurs 2 times"),
        (lambda document: document.update(name="yours"), 'Write "name": "mine"'),
        (lambda document: document.update(expectations={}), "is not an expectation suite"),
        (lambda document: document.update(notices=""), "unknown key 'notices'"),
    ],
)
def test_a_suite_with_a_mistake_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says) as refused:
        load_suites(write_suite(tmp_path, change))
    assert "mine.json" in str(refused.value) or "occurs" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_without_suites_and_a_broken_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no expectation suite"):
        read_suites(tmp_path)
    (tmp_path / "mine.json").write_text("{")
    with pytest.raises(ConfigurationError, match="is not JSON"):
        read_suites(tmp_path)


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


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("set session_id = null where session_id <= 3", {"cleaned_session_id_not_null": 3}),
        ("set session_id = 1 where session_id <= 4", {"cleaned_session_id_unique": 4}),
        ("set agent_id = null where session_id <= 5", {"cleaned_session_agent_id_not_null": 5}),
        ("set status = null where session_id = 6", {"cleaned_session_status_not_null": 1}),
        ("set login_at = null where session_id = 7", {"cleaned_session_login_at_not_null": 1}),
        (
            "set is_open = null where session_id > 98",
            {"cleaned_session_is_open_not_null": 2},
        ),
        (
            "set duration_seconds = -1 where session_id = 8",
            {"cleaned_session_duration_not_negative": 1},
        ),
        ("set duration_seconds = 0 where session_id = 8", {}),
        ("set logout_at = login_at where session_id = 9", {}),
        (
            "set logout_at = login_at - interval '1 ms' where session_id <= 2",
            {"cleaned_session_logout_after_login": 2},
        ),
        (
            "set is_open = true where session_id <= 30",
            {"cleaned_session_closed_after_logout": 30},
        ),
    ],
)
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


# --- data docs --------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page shows, links to and loads."""

    LOADS = frozenset({"script", "link", "img", "iframe", "object", "embed", "source", "video"})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = ""
        self.links: list[str] = []
        self.loads: list[str] = []
        self.styles = ""
        self._in_style = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        values = dict(attrs)
        if tag in self.LOADS or values.get("src"):
            self.loads.append(self.get_starttag_text() or tag)
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))
        self.styles += values.get("style") or ""

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.styles += data
        else:
            self.text += data


@pytest.fixture
def docs(suites: dict[str, Suite], database: str, tmp_path: Path) -> Path:
    """Data docs of a run in which rules of both kinds failed."""
    execute(
        database,
        GOOD_SESSIONS,
        "update rollcall.agent_sessions set status = 'SECRET', duration_seconds = -4711",
    )
    readiness = none_violated(suites["readiness"], abandoned_session=3141)
    counted = judge_counts(suites["readiness"], readiness, {"abandoned_session": ["<key>"]})
    rows = judge_table(suites["cleaned_sessions"], connector(database), "rollcall", "agent_sessions")
    index = build_data_docs(tmp_path / "site", [counted, rows], run_name="<i>run</i>")
    assert index == tmp_path / "site" / "index.html"
    return tmp_path / "site"


def test_data_docs_show_every_rule_and_lead_to_it(suites: dict[str, Suite], docs: Path) -> None:
    index = Page(docs / "index.html")
    pages = {link.split("/")[-1]: docs / link for link in index.links if "validations" in link}
    assert set(pages) == {"readiness.html", "cleaned_sessions.html"}
    readiness = Page(pages["readiness.html"])
    assert "3141" in readiness.text
    assert "3141" not in index.text
    remedy = suites["readiness"].rule("abandoned_session").remedy
    assert "`clean`" in remedy
    assert remedy.replace("`", "") in readiness.text, "what is code is shown as code"
    for rule in suites["readiness"].rules:
        assert rule.name in readiness.text
        assert rule.reason in readiness.text
    for rule in suites["cleaned_sessions"].rules:
        assert rule.reason in Page(docs / "expectations" / "cleaned_sessions.html").text


def test_data_docs_stand_a_run_whose_id_reads_like_a_moment(suites: dict[str, Suite], tmp_path: Path) -> None:
    """One run in ten: GX took the end of its id for an offset to UTC of more than a day."""
    judgement = judge_counts(suites["readiness"], none_violated(suites["readiness"]), {})
    index = build_data_docs(tmp_path / "site", [judgement], run_name="20260301T120000Z-9917")
    assert "20260301T120000Z-9917" in Page(index).text
    assert all((tmp_path / "site" / link).exists() for link in Page(index).links)


def test_data_docs_load_nothing_and_every_link_ends_at_a_file(docs: Path) -> None:
    pages = sorted(docs.rglob("*.html"))
    assert len(pages) == 5
    assert sorted(path for path in docs.rglob("*") if path.is_file()) == pages
    for path in pages:
        page = Page(path)
        assert page.loads == []
        assert "url(" not in page.styles
        assert "@import" not in page.styles
        assert "http" not in page.styles
        for link in page.links:
            if link.startswith("http"):
                continue  # followed only when a person clicks it
            target = (path.parent / link.split("#")[0]).resolve() if link[0] != "#" else path
            assert target in pages, f"{path}: {link}"


def test_data_docs_hold_counts_but_no_value_of_a_row_and_no_markup_from_outside(
    docs: Path,
) -> None:
    for path in docs.rglob("*.html"):
        raw = path.read_text(encoding="utf-8")
        assert "SECRET" not in raw
        assert "4711" not in raw
        assert "<key>" not in raw
        assert "<i>run</i>" not in raw
