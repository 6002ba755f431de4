"""Fill a database with a call centre whose every defect is known.

    with psycopg.connect(url) as connection:
        planted = load_call_centre(connection, Scale(), names)

The same scale, names, variant, defects and `now` give the same rows. Rows are streamed: memory grows with the
number of agents, not with that of sessions and calls. The counts hold for the default thresholds, at load and
for fifteen minutes after it (with heartbeats, until these are older than `presence_minutes`).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg

from rollcall.sandbox.demo.case_builder import CaseBuilder, ScaleTooSmall
from rollcall.sandbox.demo.cases import CASES
from rollcall.sandbox.demo.counts import DefectCounts, Scale
from rollcall.sandbox.demo.history import (
    CALL_DEFECTS,
    HISTORY_ENDS_HOURS_AGO,
    SESSION_DEFECTS,
    History,
    Workforce,
    floor_to_millisecond,
)
from rollcall.sandbox.demo.planted import Feed, Planted, Tally
from rollcall.sandbox.demo.rows import Agent, Call, Keys, Loader, RowText, Session, Words
from rollcall.sandbox.demo.schema import Names, Schema, Variant

CALLERS = 1_000_000


def load_call_centre(
    connection: psycopg.Connection,
    scale: Scale,
    names: Names,
    variant: Variant | None = None,
    defects: DefectCounts | None = None,
    now: datetime | None = None,
) -> Planted:
    """Create and fill the application's tables and the schema `demo_truth`; all or nothing.

    `names` are the vars of `dbt_project.yml`. `now` is an aware instant, by default the database's clock.
    Commits, unless the caller has begun a transaction. Raises `ScaleTooSmall` when the scale is too small for
    the defects, and psycopg's errors, for instance `DuplicateTable` if a table exists.
    """
    variant = variant or Variant()
    defects = defects or DefectCounts.usual(scale, variant)
    with connection.transaction(), connection.cursor() as cursor:
        moment = _database_clock(cursor) if now is None else now.astimezone(UTC)
        plan = _Plan(scale, names, variant, defects, floor_to_millisecond(moment))
        return plan.load(cursor)


class _Plan:
    """One load: chooses the open sessions, then writes agents, history and sessions."""

    def __init__(
        self, scale: Scale, names: Names, variant: Variant, defects: DefectCounts, now: datetime
    ) -> None:
        self._scale = scale
        self._names = names
        self._variant = variant
        self._defects = defects
        self._now = now
        self._words = Words(names)
        self._history_end = now - timedelta(hours=HISTORY_ENDS_HOURS_AGO)
        self._heartbeats = variant.migrated and variant.heartbeats
        self._builder = self._case_builder()
        self._sessions: list[Session] = []
        self._calls: list[Call] = []
        self._hosts: list[int] = []

    def load(self, cursor: psycopg.Cursor) -> Planted:
        """Create the tables, copy the rows, then add keys and indexes."""
        self._build_cases()
        self._judge_devices()
        schema = Schema(self._names, self._variant, self._words.status_values())
        schema.create_tables(cursor)
        planted = self._copy(cursor)
        _write_violations(cursor, planted)
        schema.add_constraints(cursor, all_agents_known=not self._defects.counts.get("of_an_unknown_agent"))
        return planted

    def _copy(self, cursor: psycopg.Cursor) -> Planted:
        text = RowText(self._names, self._variant)
        tally = Tally(self._now, self._words)
        loader = Loader(cursor, self._names, self._variant)
        created_at = self._now - timedelta(days=self._scale.days + 30)
        for agent in self._agents():
            loader.add("agents", text.agent(agent, created_at))
        callers = self._rng("callers")
        for row in self._rows():
            if isinstance(row, Call):
                tally.add_call(row)
                loader.add("calls", text.call(row, int(callers.random() * CALLERS) + 1))
            else:
                tally.add_session(row)
                loader.add("sessions", text.session(row))
                if row.logout_at is None:
                    loader.add("truth", text.truth(row))
        loader.flush()
        return tally.result(
            loader.copied, self._defects.counts, no_active_agents=self._defects.no_active_agents
        )

    # --- open sessions and live calls -------------------------------------------------------------

    def _case_builder(self) -> CaseBuilder:
        rng = self._rng("floor")
        # above every key of the history, like the next values of a sequence
        first_key = 2 * (self._scale.sessions + self._scale.calls) + 1
        agents = list(range(1, self._scale.agents + 1))
        rng.shuffle(agents)
        builder = CaseBuilder(self._now, self._words, Keys(self._variant, rng, first_key), rng, agents)
        builder.heartbeats = self._heartbeats
        return builder

    def _build_cases(self) -> None:
        for name, count in self._defects.of(CASES).items():
            for _ in range(count):
                rows = list(CASES[name].build(self._builder))
                sessions = [row for row in rows if isinstance(row, Session)]
                for session in sessions:
                    session.kind = name
                self._sessions += sessions
                self._calls += [row for row in rows if isinstance(row, Call)]
                if CASES[name].host:
                    self._hosts += [session.agent for session in sessions]
        self._sessions.sort(key=lambda session: session.login_at)
        self._calls.sort(key=lambda call: call.started_at)

    def _judge_devices(self) -> None:
        """Drop lost devices from the rules when the heartbeat feed as a whole is silent."""
        feed = Feed(self._now, self._words)
        for session in self._sessions:
            feed.add(session)
        if not feed.alive:
            for session in self._sessions:
                session.rules = tuple(rule for rule in session.rules if rule != "device_lost")

    # --- rows in the order of writing ------------------------------------------------------------

    def _agents(self) -> Iterator[Agent]:
        """All agents; some off-duty ones are deactivated, AI agents, or in another role."""
        off_duty = set(self._builder.off_duty)
        for number in range(1, self._scale.agents + 1):
            agent = Agent(number, self._words.agent_role, number not in self._builder.inactive)
            if number in off_duty:
                agent.is_active = number % 10 != 0
                agent.is_ai_agent = number % 10 == 5
                agent.role = self._words.other_role if number % 10 == 7 else agent.role
            if self._defects.no_active_agents:
                agent.role = self._words.other_role
            yield agent

    def _rows(self) -> Iterator[Session | Call]:
        yield from self._past()
        yield from self._calls
        yield from self._sessions

    def _past(self) -> Iterator[Session | Call]:
        sessions = self._scale.sessions - len(self._sessions)
        calls = self._scale.calls - len(self._calls)
        session_defects = self._defects.of(SESSION_DEFECTS)
        call_defects = self._defects.of(CALL_DEFECTS)
        _check_room("sessions", self._scale.sessions, sessions, session_defects.values())
        _check_room("calls", self._scale.calls, calls, call_defects.values())
        if not self._hosts and any(kind.startswith("forgotten") for kind in session_defects):
            raise ScaleTooSmall("forgotten sessions need agents who are waiting or on a break")
        rng = self._rng("history")
        history = History(
            begin=self._now - timedelta(days=self._scale.days),
            end=self._history_end,
            words=self._words,
            keys=Keys(self._variant, rng),
            rng=rng,
            workforce=self._workforce(rng),
            heartbeats=self._heartbeats,
        )
        return history.rows(sessions, calls, session_defects, call_defects)

    def _workforce(self, rng: random.Random) -> Workforce:
        """The agents with the end of their history: the login of their open session, if any."""
        until: dict[int, datetime] = {}
        for session in self._sessions:
            until[session.agent] = min(session.login_at, until.get(session.agent, self._history_end))
        agents = list(range(1, self._scale.agents + 1))
        rng.shuffle(agents)
        return Workforce(agents, until, self._hosts)

    def _rng(self, stream: str) -> random.Random:
        """A separate random stream for each part, so that one does not shift the others."""
        return random.Random(f"{self._scale.seed}/{stream}")


def _check_room(what: str, total: int, left: int, defects: Iterable[int]) -> None:
    wanted = sum(defects)
    if left < wanted:
        raise ScaleTooSmall(
            f"{total} {what} are too few: those of now take {total - left}, and defects of the past {wanted}",
            f"ask for at least {total - left + wanted} {what}, or for fewer agents or defects",
        )


def _database_clock(cursor: psycopg.Cursor) -> datetime:
    row = cursor.execute("select clock_timestamp()").fetchone()
    assert row is not None
    clock: datetime = row[0]
    return clock.astimezone(UTC)


def _write_violations(cursor: psycopg.Cursor, planted: Planted) -> None:
    cursor.executemany(
        "insert into demo_truth.violations (rule, violations) values (%s, %s)",
        list(planted.violations.items()),
    )
