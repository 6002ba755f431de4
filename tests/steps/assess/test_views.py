"""The view of all sessions, judged in one pass: what is counted, and errors where it cannot be read."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall.errors import EvaluationError
from rollcall.report.data_docs import build_data_docs
from rollcall.rules.judging import Judgement, judge_table
from rollcall.rules.suites import Suite
from rollcall.sandbox.demo import Scale
from rollcall.servers.postgres import PostgresServer
from rollcall.steps.assess.views import judge_cleaned_sessions
from tests.support.call_centre import CallCentre, call_centre
from tests.support.postgres import fresh_database
from tests.support.suites import DAMAGED_SESSIONS, GOOD_SESSIONS, connector, execute, violations

SCALE = Scale(agents=60, sessions=200, calls=200, days=10)
SEVERAL = (
    "set session_id = 1, status = null, is_open = true where session_id <= 4",
    {
        "cleaned_session_id_unique": 4,
        "cleaned_session_status_not_null": 4,
        "cleaned_session_closed_after_logout": 4,
    },
)


@pytest.fixture(scope="module")
def shared(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CallCentre]:
    with fresh_database(server) as url:
        yield call_centre(url, tmp_path_factory.mktemp("state"), scale=SCALE)


@pytest.fixture
def centre(shared: CallCentre) -> CallCentre:
    """A call centre with a hundred good cleaned sessions."""
    execute(shared.url, "drop schema if exists rollcall cascade", GOOD_SESSIONS)
    return shared


def judged(centre: CallCentre) -> Judgement:
    with centre.workspace.database.snapshot() as snapshot:
        return judge_cleaned_sessions(centre.workspace, snapshot)


@pytest.mark.parametrize(("damage", "expected"), [*DAMAGED_SESSIONS, SEVERAL])
def test_one_pass_counts_what_great_expectations_counts(
    centre: CallCentre, suites: dict[str, Suite], damage: str, expected: dict[str, int]
) -> None:
    execute(centre.url, f"update rollcall.agent_sessions {damage}")
    by_gx = judge_table(suites["cleaned_sessions"], connector(centre.url), "rollcall", "agent_sessions")
    counted = judged(centre)
    assert violations(counted) == violations(by_gx) == expected
    assert counted.rules == by_gx.rules


def test_no_session_at_all_violates_nothing(centre: CallCentre) -> None:
    execute(centre.url, "truncate rollcall.agent_sessions")
    assert all(rule.passed for rule in judged(centre))


def test_a_column_that_is_missing_is_counted_or_named(centre: CallCentre) -> None:
    execute(centre.url, "alter table rollcall.agent_sessions drop defects, drop live_call_id, add more text")
    assert violations(judged(centre)) == {"cleaned_session_columns": 2}
    execute(centre.url, "alter table rollcall.agent_sessions drop status")
    with pytest.raises(EvaluationError, match=r"rollcall.agent_sessions .*column s.status does not exist"):
        judged(centre)


def test_a_view_that_is_missing_is_named(centre: CallCentre) -> None:
    execute(centre.url, "drop table rollcall.agent_sessions")
    with pytest.raises(EvaluationError, match=r"rollcall.agent_sessions could not be judged: .* not exist"):
        judged(centre)


def test_the_data_docs_show_every_rule(centre: CallCentre, tmp_path: Path) -> None:
    judgement = judged(centre)
    build_data_docs(tmp_path, [judgement])
    pages = [*tmp_path.glob("expectations/cleaned_sessions.html"), *tmp_path.rglob("validations/**/*.html")]
    assert len(pages) == 2
    for page in pages:
        text = html.unescape(page.read_text("utf-8"))
        assert [rule.name for rule in judgement if rule.reason not in text] == []
