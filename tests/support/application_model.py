"""docs/domain.md in plain Python: which sessions are to be repaired, and how. Shares nothing with the SQL.

Where the page leaves something open the careful reading is taken, as marked below.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

ABANDONED_AFTER = timedelta(hours=2)
LIVE_CALL_MAX = timedelta(hours=4)
SETTLE = timedelta(minutes=10)
PRESENCE = timedelta(minutes=5)
EXPLAINS = timedelta(seconds=1)
FUTURE = timedelta(minutes=1)
SILENT_FEED_CALLS = 5
PAST = datetime.min.replace(tzinfo=UTC)
FUTURE_WITHOUT_END = datetime.max.replace(tzinfo=UTC)
EXTREME = (PAST, FUTURE_WITHOUT_END)
"""Stand for times that cannot be calculated with."""

SESSION_STATUSES = ("available", "on_call", "break", "offline", "ended")
NOT_WORKING = ("offline", "ended")
LIVE = ("initiated", "connecting", "ringing", "connected", "queued")
OVER = ("completed", "failed", "no_answer", "missed_call", "hung_up", "busy", "canceled")


@dataclass(frozen=True)
class Call:
    """One row of the calls. Instants are aware."""

    key: str
    agent: int | None
    status: str | None
    direction: str | None
    started: datetime | None
    connected: datetime | None = None
    ended: datetime | None = None

    def evidence(self) -> list[datetime]:
        proofs = [self.connected, self.ended] if self.connected is not None else []
        if self.direction == "outbound":
            proofs.append(self.started)
        return [moment for moment in proofs if moment is not None]

    def moments(self) -> list[datetime]:
        return [moment for moment in (self.started, self.connected, self.ended) if moment is not None]

    def dated(self) -> datetime | None:
        """Careful: an extreme time is no date, or a call that goes on would be over."""
        ordinary = [moment for moment in self.moments() if moment not in EXTREME]
        return self.started if self.started in ordinary else min(ordinary, default=None)

    def is_unknown(self) -> bool:
        """Careful: a call that is over by its status is over, also without any time."""
        return self.status not in OVER and (self.status not in LIVE or self.dated() is None)

    def may_be_live(self, now: datetime) -> bool:
        """Careful: a status, a start or an end that is unknown may be a conversation."""
        dated = self.dated()
        is_young = dated is None or now - dated < LIVE_CALL_MAX
        return self.status not in OVER and (self.ended is None or self.ended in EXTREME) and is_young


@dataclass(frozen=True)
class Session:
    """One row of the sessions. Instants are aware."""

    key: str
    agent: int | None
    status: str | None
    login: datetime | None
    activity: datetime | None
    heartbeat: datetime | None = None
    logout: datetime | None = None
    call: str | None = None


@dataclass(frozen=True)
class Repair:
    """What has to be done to one session."""

    rules: tuple[str, ...]
    remedy: str
    status: str | None
    logout: datetime | None


@dataclass(frozen=True)
class Reach:
    """What an application has, and what of it is written; by default everything.

    Values of what it does not have are None in its sessions and calls.

    Attributes:
        has_proofs: whether it is known which calls were connected, and which were outbound.
        has_connections: whether it is known when a call was connected.
    """

    has_logout: bool = True
    has_activity: bool = True
    has_calls: bool = True
    has_proofs: bool = True
    has_connections: bool = True
    writes_status: bool = True
    writes_logout: bool = True
    writes_reference: bool = True

    def is_open(self, session: Session) -> bool:
        return session.logout is None if self.has_logout else session.status not in NOT_WORKING

    def evidence(self, call: Call) -> list[datetime]:
        """Careful: a call of which the direction or the connection is unknown proves life."""
        return call.evidence() if self.has_proofs else call.moments()

    def is_believed(self, now: datetime, session: Session) -> bool:
        """Where no calls are known, on_call is believed for a time."""
        own = [
            moment for moment in (session.activity, session.login, session.heartbeat) if moment is not None
        ]
        is_fresh = bool(own) and max(own) > now - LIVE_CALL_MAX
        return not self.has_calls and session.status == "on_call" and is_fresh


def repairs(
    now: datetime,
    agents: Iterable[int],
    sessions: Sequence[Session],
    calls: Sequence[Call],
    reach: Reach | None = None,
) -> dict[str, Repair]:
    """By session key, what the clean-up has to do at this instant."""
    reach = reach or Reach()
    known = set(agents)
    by_key = {call.key: call for call in calls}
    opened = [session for session in sessions if reach.is_open(session)]
    if feed_is_silent(now, opened, calls, reach):
        return {}
    result = {}
    for session in opened:
        repair = _repair(now, session, opened, calls, by_key, known, reach)
        if repair is not None:
            result[session.key] = repair
    return result


def feed_is_silent(now: datetime, opened: Sequence[Session], calls: Sequence[Call], reach: Reach) -> bool:
    """No agent's own columns show life, while calls were connected.

    Careful: of agents who have an open session. Those who have logged out contradict nothing. Without an
    activity the feed are the sessions that sent a heartbeat; without a connection any evidence counts.
    """
    window = now - ABANDONED_AFTER
    times = [moment for s in opened for moment in (s.activity, s.heartbeat)]
    own = [moment for moment in times if moment is not None and moment not in EXTREME]
    feed = [s for s in opened if reach.has_activity or s.heartbeat is not None]
    if not feed or any(moment >= window for moment in own):
        return False
    present = {session.agent for session in opened} - {None}
    proofs = [
        ([c.connected] if c.connected is not None else []) if reach.has_connections else reach.evidence(c)
        for c in calls
        if c.agent in present
    ]
    return sum(max(moments) >= window for moments in proofs if moments) >= SILENT_FEED_CALLS


def _repair(  # noqa: C901 - the rules in one piece, as the domain lists them
    now: datetime,
    session: Session,
    opened: Sequence[Session],
    calls: Sequence[Call],
    by_key: dict[str, Call],
    agents: set[int],
    reach: Reach,
) -> Repair | None:
    siblings = [other for other in opened if other.agent == session.agent]
    newest = max(siblings, key=lambda other: (other.login or PAST, other.login is not None, other.key))
    agents_calls = [call for call in calls if call.agent == session.agent]
    referred = by_key.get(session.call) if session.call else None

    own = [moment for moment in (session.activity, session.login, session.heartbeat) if moment is not None]
    times = own + (referred.moments() if referred is not None else [])
    if not own or any(moment in EXTREME for moment in times):
        return None
    otherwise = list(own)
    if session is newest:
        otherwise += [moment for call in agents_calls for moment in reach.evidence(call)]
    last_seen = max(otherwise + (reach.evidence(referred) if referred is not None else []))

    if (
        session.status not in SESSION_STATUSES
        or session.agent not in agents
        or last_seen > now + FUTURE
        or (referred is not None and referred.is_unknown())
    ):
        return None
    of_siblings = [by_key[other.call] for other in siblings if other.call in by_key]
    if any(call.may_be_live(now) for call in agents_calls + of_siblings):
        return None
    if any(reach.is_believed(now, other) for other in siblings):
        return None

    # careful: the call that the session refers to counts, whosever it is; an extreme time is not recent
    moved = [moment for call in agents_calls for moment in call.moments() if moment not in EXTREME]
    moved += referred.moments() if referred is not None else []
    quiet = all(now - moment > SETTLE for moment in moved) and _is_inactive(now, session)
    is_inside = now - last_seen <= ABANDONED_AFTER
    needs_reference = is_inside and now - max(otherwise) > ABANDONED_AFTER

    rules = []
    if not is_inside:
        rules.append("abandoned_session")
    is_cleared = reach.writes_reference and reach.has_calls
    if session.call is not None and is_cleared and quiet and not needs_reference:
        rules.append("orphaned_call_reference")
    if session.status == "on_call" and reach.writes_status and quiet and not needs_reference:
        rules.append("invalid_on_call")
    if not rules:
        return None
    if rules[0] == "abandoned_session":
        status = "offline" if reach.writes_status else session.status
        return Repair(tuple(rules), "close", status, last_seen if reach.writes_logout else None)
    if rules[-1] == "invalid_on_call":
        status = "available" if now - last_seen <= PRESENCE else "break"
        return Repair(tuple(rules), "reset_status", status, None)
    return Repair(tuple(rules), "clear_reference", session.status, None)


def _is_inactive(now: datetime, session: Session) -> bool:
    """Careful: an activity that is unknown is not old."""
    if session.activity is None:
        return False
    explained = session.heartbeat is not None and session.activity - session.heartbeat <= EXPLAINS
    return now - session.activity > SETTLE or explained
