"""The rows that a load has written, counted while it writes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from rollcall.sandbox.demo.rows import Call, Session, Words

RULES = (
    *("abandoned_session", "orphaned_call_reference", "invalid_on_call"),
    *("session_of_inactive_agent", "duplicate_open_session", "open_but_offline"),
    *("live_call_not_on_call", "shared_call", "call_of_another_agent"),
    *("invalid_capacity", "device_lost", "heartbeat_feed"),
    *("unknown_session_status", "unknown_call_status", "activity_in_future"),
    *("silent_feed", "unknown_agent", "no_active_agents"),
    *("zombie_call", "ended_call_still_live"),
    *("reversed_session_times", "reversed_call_times"),
    *("activity_after_logout", "closed_but_working"),
)
"""Every rule, in the order of the rule pages."""

FRESH_HEARTBEAT = timedelta(minutes=5)
FEED_MIN_SHARE = 0.9
WINDOW = timedelta(hours=2)
SILENT_FEED_MIN_CALLS = 5


@dataclass(frozen=True)
class Planted:
    """The exact content of a loaded database."""

    now: str
    """The moment that everything is relative to (ISO 8601, UTC)."""
    agents: int
    sessions: int
    calls: int
    open_sessions: int
    really_alive: int
    """Open sessions with a present agent."""
    violations: dict[str, int]
    """Per rule, zeros included. `silent_feed` and `no_active_agents`: 0 or 1."""
    pending_changes: int
    """Open sessions that cleaning has to change."""
    remedies: dict[str, int]
    """Open sessions by what to expect: untouched, closed, reference_cleared, status_reset."""
    kinds: dict[str, int]
    """How many cases and defects of the past, by the function that planted them."""

    def as_json(self) -> dict[str, object]:
        """The content, for `json.dumps`."""
        return asdict(self)


class Feed:
    """The state of the heartbeat feed of working sessions that are not abandoned."""

    def __init__(self, now: datetime, words: Words) -> None:
        self._since = now - FRESH_HEARTBEAT
        self._working_statuses = words.working
        self._working = 0
        self._fresh = 0

    def add(self, row: Session) -> None:
        """Count one open session."""
        if row.status not in self._working_statuses or "abandoned_session" in row.rules:
            return
        self._working += 1
        if row.last_heartbeat is not None and row.last_heartbeat > self._since:
            self._fresh += 1

    @property
    def alive(self) -> bool:
        """Whether enough working sessions have a fresh heartbeat."""
        return self._fresh >= FEED_MIN_SHARE * self._working

    @property
    def violations(self) -> int:
        """Working sessions without a fresh heartbeat, unless the feed is alive."""
        return 0 if self.alive else self._working - self._fresh


class Tally:
    """Count rows while they are written."""

    def __init__(self, now: datetime, words: Words) -> None:
        self._now = now
        self._window_begin = now - WINDOW
        self._feed = Feed(now, words)
        self._violations: Counter[str] = Counter()
        self._remedies: Counter[str] = Counter(untouched=0, closed=0, reference_cleared=0, status_reset=0)
        self._really_alive = 0
        self._showing_life = 0
        self._connected_calls = 0

    def add_call(self, row: Call) -> None:
        """Count one call."""
        self._violations.update(row.rules)
        if row.connected_at is not None and row.connected_at > self._window_begin:
            self._connected_calls += 1

    def add_session(self, row: Session) -> None:
        """Count one session."""
        self._violations.update(row.rules)
        if row.logout_at is not None:
            return
        self._remedies[row.expected] += 1
        self._really_alive += row.alive
        self._feed.add(row)
        if max(row.last_activity, row.last_heartbeat or row.last_activity) > self._window_begin:
            self._showing_life += 1

    def result(
        self, copied: Mapping[str, int], kinds: Mapping[str, int], *, no_active_agents: bool
    ) -> Planted:
        """The counts so far, with those of the database as a whole."""
        silent = not self._showing_life and self._connected_calls >= SILENT_FEED_MIN_CALLS
        counts = self._violations | Counter(
            heartbeat_feed=self._feed.violations,
            silent_feed=int(silent),
            no_active_agents=int(no_active_agents),
        )
        open_sessions = sum(self._remedies.values())
        return Planted(
            now=self._now.isoformat(timespec="milliseconds"),
            agents=copied["agents"],
            sessions=copied["sessions"],
            calls=copied["calls"],
            open_sessions=open_sessions,
            really_alive=self._really_alive,
            violations={rule: counts[rule] for rule in RULES},
            pending_changes=open_sessions - self._remedies["untouched"],
            remedies=dict(self._remedies),
            kinds={kind: count for kind, count in kinds.items() if count},
        )
