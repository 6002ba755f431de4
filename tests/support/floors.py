"""Sessions and calls that Hypothesis draws, with times in milliseconds ago."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from tests.support.application_model import FUTURE_WITHOUT_END, LIVE, OVER, PAST, SESSION_STATUSES

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
BOUNDARIES = [
    boundary + offset
    for boundary in (0, SECOND, 5 * MINUTE, 10 * MINUTE, 2 * HOUR, 4 * HOUR)
    for offset in (-1, 0, 1)
]
# milliseconds ago; a little before and well past the minute that counts as the future
AGO = st.one_of(st.sampled_from(BOUNDARIES), st.integers(0, 6 * HOUR), st.sampled_from([-20_000, -120_000]))

Example = tuple[list[dict[str, Any]], list[dict[str, Any]]]


@st.composite
def floors(draw: st.DrawFn, *, extreme: bool = True) -> Example:
    """Some agents' sessions and calls; a hundred is an agent who does not exist.

    In some of them every nullable column may be null, and in some a time may be extreme.
    """
    agents = st.sampled_from([1, 1, 1, 2, 2, 3, 100])
    null = st.none() if draw(st.booleans()) else st.nothing()
    with_extremes = draw(st.integers(0, 3)) == 0 and extreme
    ago = AGO | st.sampled_from([PAST, FUTURE_WITHOUT_END]) if with_extremes else AGO
    maybe_ago = st.none() | ago
    calls = [
        {
            "agent": draw(st.none() | agents),
            "status": draw(st.sampled_from([*LIVE, *OVER, *OVER, "strange"]) | null),
            "direction": draw(st.sampled_from(["inbound", "outbound"]) | null),
            "started": draw(ago | null),
            "connected": draw(maybe_ago),
            "ended": draw(maybe_ago),
        }
        for _ in range(draw(st.integers(0, 6)))
    ]
    references = st.sampled_from([None, None, "missing", *range(len(calls))])
    sessions = []
    for _ in range(draw(st.integers(1, 5))):
        heartbeat = draw(maybe_ago)
        is_near = isinstance(heartbeat, int)
        near = st.sampled_from([0, 1, 999, 1_000, 1_001]) if is_near else st.nothing()
        activity = draw(ago | null | near.map(lambda after, beat=heartbeat: (beat or 0) - after))
        sessions.append(
            {
                "agent": draw(agents | null),
                "device": draw(st.booleans() | null),
                "capacity": draw(st.sampled_from([1, 0, 3]) | null),
                "status": draw(st.sampled_from([*SESSION_STATUSES, "on_call", "on_call", "lunch"]) | null),
                "login": draw(ago | null),
                "activity": activity,
                "heartbeat": heartbeat,
                "logout": draw(st.none() | st.none() | st.none() | ago),
                "call": draw(references),
            }
        )
    return sessions, calls


@st.composite
def calm_floors(draw: st.DrawFn) -> Example:
    """The same with known statuses, few live calls and no null: many open sessions are to be repaired."""
    agents = st.sampled_from([1, 2, 3])
    ago = st.sampled_from([moment for moment in BOUNDARIES if moment > MINUTE]) | st.sampled_from(
        [3 * MINUTE, 20 * MINUTE, HOUR, 150 * MINUTE, 3 * HOUR, 230 * MINUTE, 5 * HOUR]
    )
    calls = []
    for _ in range(draw(st.integers(0, 3))):
        started = draw(ago)
        connected = draw(st.none() | st.integers(0, started))
        ended = draw(st.integers(0, started if connected is None else connected))
        calls.append(
            {
                "agent": draw(agents),
                "status": draw(st.sampled_from([*OVER, "connected"])),
                "direction": draw(st.sampled_from(["inbound", "outbound"])),
                "started": started,
                "connected": connected,
                "ended": draw(st.sampled_from([ended, ended, ended, None])),
            }
        )
    references = st.sampled_from([None, "missing", *range(len(calls))])
    sessions = []
    for _ in range(draw(st.integers(1, 3))):
        activity = draw(ago)
        sessions.append(
            {
                "agent": draw(agents),
                "device": draw(st.booleans()),
                "capacity": 1,
                "status": draw(st.sampled_from(["available", "on_call", "on_call", "break", "offline"])),
                "login": activity + draw(st.sampled_from([0, MINUTE, HOUR])),
                "activity": activity,
                "heartbeat": draw(st.none() | st.none() | ago),
                "logout": draw(st.sampled_from([None, None, None, activity])),
                "call": draw(references),
            }
        )
    return sessions, calls


def side_by_side(examples: list[Example]) -> Example:
    """One example of several: the agents of each have numbers of their own, ten apart."""
    sessions: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for place, (own_sessions, own_calls) in enumerate(examples):
        for session in own_sessions:
            call = session["call"] + len(calls) if isinstance(session["call"], int) else session["call"]
            sessions.append({**session, "agent": _moved(session["agent"], place), "call": call})
        calls += [{**call, "agent": _moved(call["agent"], place)} for call in own_calls]
    return sessions, calls


def _moved(agent: int | None, place: int) -> int | None:
    return None if agent is None else agent + 10 * place


def now_in_milliseconds() -> datetime:
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1_000 * 1_000)


def utc(text: str | None) -> datetime | None:
    """A time of the database as JSON, of either type; a naive one is in UTC."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
