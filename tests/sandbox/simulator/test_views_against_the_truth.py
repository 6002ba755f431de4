"""The views over a simulated night, against what the simulator knows to be true.

The tolerances follow from the schedule. The application writes milliseconds, which are 0.3 seconds at its
pace. A change of a session is dated at the latest by the first look after it. A ghost begins
presence_minutes after its last sign of life, and a look proves it that comes while no call rings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rollcall.ledger.intervals import build
from rollcall.ledger.runs import open_run
from rollcall.sandbox.simulator.truth import CallTruth
from rollcall.workspace import Workspace
from tests.support.builds import BERLIN, BUILT, NEW_YORK
from tests.support.cookbook import answer
from tests.support.true_day import SPEED, TrueDay

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# a midnight before the end of daylight-saving time
NIGHTS = {BERLIN: datetime(2026, 10, 25), NEW_YORK: datetime(2026, 11, 1)}
WRITTEN = 0.0005 * SPEED  # seconds: what the application rounds an instant to, at its pace
WHOLE = 1.0  # the views show waiting and talking in whole seconds
SERVICE_LEVEL = 20
OUT = ("offline", "ended")


def test_a_night_in_two_time_zones_is_as_the_simulator_knows_it(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # every call is kept
    monkeypatch.setattr("rollcall.sandbox.simulator.simulation.PURGE_WINDOWS", (1000, 1000))
    day = TrueDay(database, tmp_path)
    assert not day.report.wronged
    for zone, midnight in NIGHTS.items():
        day.put(midnight.replace(tzinfo=ZoneInfo(zone)))
        assert_calls(day)
        assert_shown_statuses(day)
        built(day, zone)
        assert_days_of_calls(day, zone)
        assert_service_level(day, zone)
        assert_ghosts(day)
        assert_missed_while_a_ghost_was_available(day)
        assert_hours_before_and_after_the_first_clean_up(day, zone)


def built(day: TrueDay, zone: str) -> None:
    for table in BUILT:
        day.rows(f"delete from rollcall_ops.{table}")
    settings = day.simulation.settings
    zoned = {"business_time_zone": zone}
    workspace = Workspace(
        replace(
            settings, variables={**settings.variables, **zoned}, overrides={**settings.overrides, **zoned}
        )
    )
    with open_run(workspace, "build") as run:
        assert build(run, judged_at=day.stretched(day.end)).days == 2


# --- calls ------------------------------------------------------------------------------------------


def assert_calls(day: TrueDay) -> None:
    """Every call once, with its times as exact as they are written, and its talk to the second."""
    rows = day.rows(
        "select call_id::text, agent_id::text, started_at, connected_at, ended_at, talk_seconds"
        " from rollcall.calls"
    )
    assert len(rows) == len(day.truth.calls) > 100
    for key, agent, started, connected, ended, talk in rows:
        call = day.truth.calls[key]
        assert agent == call.agent
        for shown, sign in ((started, call.started), (connected, call.connected), (ended, call.ended)):
            assert (shown is None) == (sign is None)
            if sign is not None:
                assert abs((shown - day.stretched(sign.stamped)).total_seconds()) <= WRITTEN + 0.001
        if call.connected is None or call.ended is None:
            assert talk is None
        else:
            assert talk == pytest.approx(talked(call), abs=WHOLE + 2 * WRITTEN)


def talked(call: CallTruth) -> float:
    """Seconds of talk at the application's pace."""
    assert call.connected
    assert call.ended
    return (call.ended.stamped - call.connected.stamped) * SPEED


def assert_days_of_calls(day: TrueDay, zone: str) -> None:
    """Calls and talk of each agent and day; a call across midnight counts in both."""
    counts: dict[Any, list[float]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    midnight = day.midnight
    assert midnight is not None
    across = 0
    for call in day.truth.calls.values():
        row = counts[call.agent, local_day(day, call.started.stamped, zone)]
        if not call.is_outbound:
            row[0] += 1
            row[1] += call.connected is not None
            row[2] += call.connected is None
        if call.connected and call.ended:
            begin, end = day.stretched(call.connected.stamped), day.stretched(call.ended.stamped)
            across += begin < midnight < end
            first, second = local_day(day, call.connected.stamped, zone), midnight.date()
            before = max((min(end, midnight) - begin).total_seconds(), 0)
            after = max((end - max(begin, midnight)).total_seconds(), 0)
            counts[call.agent, first][3] += before
            counts[call.agent, second][3] += after
            for key in {first, second}:
                counts[call.agent, key][4] += 1
    assert across > 0
    rows = day.rows(
        "select agent_id, business_day, calls_offered, calls_answered, calls_missed, talk_seconds"
        " from rollcall.agent_days"
    )
    shown = {
        (agent, one): (offered, answered, missed, talk)
        for agent, one, offered, answered, missed, talk in rows
    }
    for key, (offered, answered, missed, talk, calls) in counts.items():
        if not (offered or talk):
            continue
        assert shown[key][:3] == (offered, answered, missed), key
        assert float(shown[key][3]) == pytest.approx(talk, abs=2 * WRITTEN * (calls + 1)), key
    assert sum(row[3] for row in shown.values()) > 0


def local_day(day: TrueDay, moment: float, zone: str) -> date:
    return day.stretched(moment).astimezone(ZoneInfo(zone)).date()


def inbound(day: TrueDay) -> Iterator[CallTruth]:
    return (call for call in day.truth.calls.values() if not call.is_outbound)


def assert_service_level(day: TrueDay, zone: str) -> None:
    """The cookbook's service level by hour of the day; a wait at the threshold may count or not."""
    offered: dict[int, int] = defaultdict(int)
    least: dict[int, int] = defaultdict(int)
    most: dict[int, int] = defaultdict(int)
    for call in inbound(day):
        hour = day.stretched(call.started.stamped).astimezone(ZoneInfo(zone)).hour
        offered[hour] += 1
        if call.connected is not None:
            waited = (call.connected.stamped - call.started.stamped) * SPEED
            least[hour] += waited < SERVICE_LEVEL - 2 * WRITTEN
            most[hour] += waited < SERVICE_LEVEL + WHOLE + 2 * WRITTEN
    found = {int(hour): (number or 0, level) for hour, number, level, _ in answer(day, "level_of_hour")}
    assert {hour: number for hour, (number, _) in found.items() if number} == dict(offered)
    for hour, number in offered.items():
        assert least[hour] <= round(float(found[hour][1]) * number, 6) <= most[hour], hour
    assert 0 < sum(least.values()) < sum(offered.values())


# --- presence ---------------------------------------------------------------------------------------


def assert_shown_statuses(day: TrueDay) -> None:
    """The status of each session, but for the time from each of its changes to the first look after it."""
    wrong: dict[str, float] = defaultdict(float)
    rows = day.rows(
        "select session_id, status, extract(epoch from valid_from)::float8,"
        " extract(epoch from coalesce(valid_to, last_look_at))::float8 from rollcall.presence_intervals"
    )
    assert day.midnight is not None
    zero = day.midnight.timestamp()
    for session, status, since, until in rows:
        begin, end = (day.origin + (moment - zero) / SPEED for moment in (since, until))
        cuts = sorted(one.at for one in day.shown[session] if begin < one.at < end)
        for first, second in zip([begin, *cuts], [*cuts, end], strict=True):
            if day.status_at(session, (first + second) / 2) != status:
                wrong[session] += second - first
    assert len(rows) > len(wrong)
    for session, seconds in wrong.items():
        assert seconds <= sum(day.seen_after(one.at) for one in day.shown[session]), session


def ghost_seconds(day: TrueDay, agent: str, *statuses: str) -> tuple[float, float, float]:
    """Of an agent, real seconds as a ghost: certain, uncertain, and what the looks may miss of them."""
    certain = uncertain = missed = 0.0
    for gap in day.gaps(agent):
        missed += gap.unproved + WRITTEN / SPEED  # it begins after a sign of life, which is written
        for begin, end, status in day.stretches(agent, gap.since, gap.until):
            missed += day.seen_after(end)
            if status is not None and status not in OUT and (not statuses or status in statuses):
                if gap.is_certain:
                    certain += end - begin
                else:
                    uncertain += end - begin
    return certain, uncertain, missed


def assert_ghosts(day: TrueDay) -> None:
    """Hours of ghosts, in all and shown available; and no hour of a present agent among them."""
    for column, statuses in (("ghost_seconds", ()), ("ghost_available_seconds", ("available",))):
        rows = day.rows(f"select agent_id, sum({column})::float8 from rollcall.agent_days group by agent_id")
        found = {agent: (seconds or 0.0) / SPEED for agent, seconds in rows}
        sums = [0.0, 0.0, 0.0]
        for agent in day.sessions_of:
            certain, uncertain, missed = ghost_seconds(day, agent, *statuses)
            assert certain - missed <= found[agent] <= certain + uncertain + missed, (agent, column)
            assert found[agent] <= absent_seconds(day, agent) + missed, (agent, column)
            sums = [total + part for total, part in zip(sums, (certain, uncertain, missed), strict=True)]
        certain, uncertain, missed = sums
        assert certain > 3 * missed > 0, sums  # the tolerance leaves something to be wrong
        assert certain - missed <= sum(found.values()) <= certain + uncertain + missed


def absent_seconds(day: TrueDay, agent: str) -> float:
    """Real seconds in which the agent was away, by its own account, while shown in a working status."""
    lives = [life for key in day.truth.agents.get(agent, []) for life in day.truth.sessions[key].lives]
    cuts = {day.last_look, *(moment for life in lives for moment in (life.began, life.left))}
    cuts |= set(day.changes_of(agent, day.first_look, day.last_look))
    moments = sorted(cut for cut in cuts if day.first_look <= cut <= day.last_look)
    return sum(
        end - begin
        for begin, end in pairwise(moments)
        if day.is_absent(agent, (begin + end) / 2)
        and (day.newest_status(agent, (begin + end) / 2) or OUT[0]) not in OUT
    )


def assert_missed_while_a_ghost_was_available(day: TrueDay) -> None:
    """Calls missed while an agent was shown available and was gone: in all, and by the cookbook's days."""
    pieces = [
        (begin, end, gap.is_certain)
        for agent in day.sessions_of
        for gap in day.gaps(agent)
        for begin, end, status in day.stretches(agent, gap.since, gap.until)
        if status == "available"
    ]
    least = most = missed = 0
    for call in inbound(day):
        if call.connected is not None:
            continue
        missed += 1
        at = call.started.stamped
        least += any(
            is_certain and begin + day.distance <= at < end - day.distance
            for begin, end, is_certain in pieces
        )
        most += any(begin - day.distance <= at < end + day.distance for begin, end, _ in pieces)
    rows = answer(day, "missed_with_a_ghost_shown_available")
    assert sum(row[1] for row in rows) == missed
    assert least <= sum(row[2] or 0 for row in rows) <= most
    assert least > 0
    assert most < missed


def assert_hours_before_and_after_the_first_clean_up(day: TrueDay, zone: str) -> None:
    """The cookbook's hours lost: the clean-up began after midnight, so the first day is before it."""
    closed = [
        row[0] for row in day.rows("select changed_at from rollcall.session_changes where remedy = 'close'")
    ]
    assert closed
    assert day.midnight is not None
    assert min(closed) > day.midnight
    by_day = "select business_day, sum(ghost_seconds) / 3600 from rollcall.agent_days group by business_day"
    hours = dict(day.rows(by_day))
    shown = [(is_after, float(lost)) for _, is_after, _, lost in answer(day, "hours_lost")]
    assert shown == [
        (one >= min(closed).astimezone(ZoneInfo(BERLIN)).date(), float(lost))
        for one, lost in sorted(hours.items())
    ]
