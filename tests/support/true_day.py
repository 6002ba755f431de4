"""A simulated night of a call centre, looked at on a schedule, and what of it is true.

The simulation runs SPEED times as fast as the application, and Rollcall looks as much more often. Afterwards
all instants in the database are stretched to the application's pace, so that quarter hours and a midnight are
in it. What the agents did is the simulator's truth; what the application showed is recorded by a trigger.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg

from rollcall.errors import LeaseHeld
from rollcall.ledger.presence import record_presence
from rollcall.ledger.runs import open_run
from rollcall.sandbox.simulator import Options, Simulation
from rollcall.sandbox.simulator.truth import CallTruth
from rollcall.steps.clean.cleaning import clean
from rollcall.steps.plan.pending_work import make_plan
from rollcall.workspace import Workspace
from tests.support.simulation import settings_of

SPEED = 300
SECONDS = 100.0
LOOK_SECONDS = 1.0  # five minutes at the application's pace
MARGIN = 0.1  # seconds that a statement may take to see what was written before
CLEANED_FROM = 0.6  # of the time: the clean-up begins after the midnight in the middle
RECORDER = """
    create schema recorder;
    create table recorder.shown (
        at double precision default extract(epoch from clock_timestamp()), session_id text, agent_id text,
        status text, is_open boolean
    );
    create function recorder.record() returns trigger language plpgsql as $$
    begin
        insert into recorder.shown (session_id, agent_id, status, is_open)
        values (new.id::text, new.agent_id::text, new.status, new.logout_at is null);
        return null;
    end $$;
    create trigger recorder after insert or update of status, logout_at on agent_sessions
        for each row execute function recorder.record();
"""
# every instant of the application and of the ledger that the views show
INSTANTS = {
    "agent_sessions": ("login_at", "logout_at", "last_activity", "last_heartbeat"),
    "call_sessions": ("started_at", "connected_at", "ended_at"),
    "rollcall_ops.presence": ("valid_from", "valid_to", "recorded_by", "ended_by", "superseded_by"),
    "rollcall_ops.presence_looks": ("look_at", "previous_at"),
    "rollcall_ops.changes": ("changed_at",),
}


@dataclass(frozen=True)
class Shown:
    """What the application showed of a session from an instant on."""

    at: float
    status: str
    is_open: bool


@dataclass
class Gap:
    """A time from one sign of life of an agent to the next one, as real seconds since 1970.

    is_certain: whether a look has proved it.
    unproved: how much of its end no look has proved, because the agent was rung.
    """

    since: float
    until: float
    is_certain: bool
    unproved: float


class TrueDay:
    """A simulation that ran, its truth and its looks. Times are real seconds since 1970, as in the truth."""

    def __init__(self, url: str, state: Path) -> None:
        self.url = url
        self.midnight: datetime | None = None
        settings = settings_of(url, state)
        self.simulation = Simulation(
            settings, Options(agents=12, seconds=SECONDS, speed=SPEED, create=True, migrate=True, seed=7)
        )
        self.simulation.prepare()
        self.rows(RECORDER)
        self.simulation.beside.append(self._look)
        self.report = asyncio.run(self.simulation.run())
        self.truth = self.simulation.truth
        looks = [row[0] for row in self.rows("select look_at from rollcall_ops.presence_looks order by 1")]
        self.looks = [look.timestamp() for look in looks]
        self.first_look, self.last_look = self.looks[0], self.looks[-1]
        self.distance = max(later - earlier for earlier, later in pairwise(self.looks))
        self.end = max(c.ended.stamped for c in self.truth.calls.values() if c.ended) + 1
        self.shown: dict[str, list[Shown]] = defaultdict(list)
        self.sessions_of: dict[str, list[str]] = defaultdict(list)
        recorded = "select session_id, agent_id, at, status, is_open from recorder.shown order by at"
        for session, agent, at, status, is_open in self.rows(recorded):
            if session not in self.shown:
                self.sessions_of[agent].append(session)
            shown = self.shown[session]
            if not shown or (shown[-1].status, shown[-1].is_open) != (status, is_open):
                shown.append(Shown(at, status, is_open))

    def rows(self, query: str, *parameters: Any) -> list[Any]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description else []

    async def _look(self, simulation: Simulation) -> None:
        workspace = Workspace(simulation.settings)
        began = time.monotonic()
        while not simulation.ending.is_set():
            due = time.monotonic() + LOOK_SECONDS
            cleans = time.monotonic() - began > CLEANED_FROM * SECONDS
            await asyncio.to_thread(_unattended_run, workspace, cleans=cleans)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    # --- time at the application's pace ---------------------------------------------------------

    def call_at_midnight(self) -> CallTruth:
        """A call in the first half, in whose middle a midnight can be put."""
        middle = self.first_look + 0.45 * (self.last_look - self.first_look)
        talked = [c for c in self.truth.calls.values() if c.connected and c.ended]
        return min(talked, key=lambda c: abs(c.started.stamped - middle))

    def put(self, midnight: datetime) -> None:
        """Put a midnight into the middle of a call, and all instants at the application's pace around it."""
        call = self.call_at_midnight()
        assert call.connected
        assert call.ended
        self.origin = (call.connected.stamped + call.ended.stamped) / 2
        if self.midnight is None:
            values = {"speed": SPEED, "from": datetime.fromtimestamp(self.origin, UTC), "to": midnight}
        else:
            values = {"speed": 1, "from": self.midnight, "to": midnight}
        self.midnight = midnight
        with psycopg.connect(self.url) as connection:
            for table, columns in INSTANTS.items():
                zone = " at time zone 'UTC'" if "." not in table else ""
                changes = ", ".join(
                    f"{c} = case when isfinite({c}) then (%(to)s::timestamptz"
                    f" + %(speed)s * ({c}{zone} - %(from)s::timestamptz)){zone} else {c} end"
                    for c in columns
                )
                connection.execute(f"update {table} set {changes}", values)  # type: ignore[call-overload]

    def stretched(self, moment: float) -> datetime:
        assert self.midnight is not None
        return self.midnight.astimezone(UTC) + timedelta(seconds=(moment - self.origin) * SPEED)

    def seen_after(self, moment: float) -> float:
        """How long after an instant the first look came."""
        place = bisect_right(self.looks, moment)
        return self.looks[place] - moment if place < len(self.looks) else 0.0

    # --- what the application showed --------------------------------------------------------------

    def status_at(self, session: str, moment: float) -> str | None:
        """The status of an open session; none where it is not open."""
        shown = self.shown[session]
        place = bisect_right([one.at for one in shown], moment)
        return shown[place - 1].status if place and shown[place - 1].is_open else None

    def newest_status(self, agent: str, moment: float) -> str | None:
        """The status of the agent's newest open session."""
        found = [self.status_at(session, moment) for session in self.sessions_of[agent]]
        return next((status for status in reversed(found) if status is not None), None)

    def changes_of(self, agent: str, since: float, until: float) -> list[float]:
        """When the application changed what it showed of the agent."""
        return sorted(
            one.at for s in self.sessions_of[agent] for one in self.shown[s] if since < one.at < until
        )

    # --- what was true ----------------------------------------------------------------------------

    def is_absent(self, agent: str, moment: float) -> bool:
        sessions = self.truth.agents.get(agent, [])
        return all(self.truth.sessions[session].life_at(moment) is None for session in sessions)

    def signs(self, agent: str) -> list[float]:
        """Every sign of life of an agent: its own writes, and the calls that prove its presence."""
        own = [s.stamped for key in self.truth.agents.get(agent, []) for s in self.truth.sessions[key].signs]
        calls = [self.truth.calls[key] for key in self.truth.calls_of.get(agent, [])]
        return sorted([*own, *(sign.stamped for call in calls for sign in call.evidence())])

    def gaps(self, agent: str) -> Iterator[Gap]:
        """The times for which Rollcall has to call the agent's sessions a ghost's.

        They begin presence_minutes after the last sign of life. A look has to find that no sign came for the
        whole window, and that no call of the agent is live: a call that rings leaves the question open.
        Without such a look each answer is right.
        """
        thresholds = self.simulation.thresholds
        signs = [sign for sign in self.signs(agent) if sign < self.last_look]
        calls = [self.truth.calls[key] for key in self.truth.calls_of.get(agent, [])]
        for since, until in pairwise([*signs, self.last_look]):
            if until - since <= thresholds.window:
                continue
            looks = [look for look in self.looks if since + thresholds.window < look <= until]
            rung = [
                any(
                    call.is_possibly_live(look - MARGIN, look + MARGIN, thresholds.live_call_max)
                    for call in calls
                )
                for look in looks
            ]
            proving = [look for look, is_rung in zip(looks, rung, strict=True) if not is_rung]
            later = [look for look in looks if proving and look > proving[-1]]
            is_certain = bool(proving) and proving[0] > since + thresholds.window + MARGIN
            yield Gap(since + thresholds.presence, until, is_certain, until - later[0] if later else 0.0)

    def stretches(self, agent: str, since: float, until: float) -> Iterator[tuple[float, float, str | None]]:
        """The time in pieces of one status of the newest open session."""
        cuts = [since, *self.changes_of(agent, since, until), until]
        for begin, end in pairwise(cuts):
            yield begin, end, self.newest_status(agent, (begin + end) / 2)


def _unattended_run(workspace: Workspace, *, cleans: bool) -> None:
    """Look, and clean, as the schedule does."""
    try:
        with open_run(workspace, "clean") as run:
            look = record_presence(run)
            assert not look.left_out, look.left_out
            if cleans:
                clean(workspace, run, make_plan(workspace))
    except LeaseHeld:  # an earlier look still ends
        pass
