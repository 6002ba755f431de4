"""One simulation, from the empty call centre to the verdict."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TextIO

from rollcall.database.connections import Database
from rollcall.errors import RollcallError
from rollcall.sandbox.simulator.agents import Agent
from rollcall.sandbox.simulator.application import Application
from rollcall.sandbox.simulator.beside import CleanerProcess
from rollcall.sandbox.simulator.calls import Calls
from rollcall.sandbox.simulator.gateway import Clock, Gateway
from rollcall.sandbox.simulator.judge import Judgement, judge
from rollcall.sandbox.simulator.observer import Observer
from rollcall.sandbox.simulator.options import Options, Thresholds, scaled_variables
from rollcall.sandbox.simulator.report import CleanUps, Report
from rollcall.sandbox.simulator.router import Purge, Router
from rollcall.sandbox.simulator.scripts import Decisions, Pace
from rollcall.sandbox.simulator.tables import create_tables, read_columns, refuse_what_is_not_for_tests
from rollcall.sandbox.simulator.truth import Truth
from rollcall.settings.configuration import Settings
from rollcall.steps import flags
from rollcall.workspace import Workspace

__all__ = ["Simulation", "simulate"]

AGENTS_PER_CONNECTION = 8
LONGEST_CALL_SHARE = 0.4
PURGE_WINDOWS = (0.5, 1.5)
"""Interval of the purge and age of purged calls, in windows: a night and a week, compressed."""
HANG_UP_SECONDS = 15.0
SWEEP_SECONDS = 20.0


def simulate(
    settings: Settings,
    options: Options,
    confirmed: str | None = None,
    announce: Callable[[str], None] = lambda text: None,
) -> Report:
    """Run a simulation to its end.

    Args:
        confirmed: the name of a database that neither the demo nor the simulator made, which confirms that it
            is for tests.
        announce: progress callback, called with one sentence per event.

    Raises:
        ConfigurationError: an option cannot work.
        Refused: the database may contain real data.
    """
    options.check()
    simulation = Simulation(settings, options, announce)
    simulation.prepare(confirmed)
    return asyncio.run(simulation.run())


@dataclass(frozen=True)
class _Floor:
    """The participants of the traffic and their observer. agents: by key."""

    gateway: Gateway
    application: Application
    agents: dict[str, Agent]
    decisions: Decisions
    router: Router
    purge: Purge
    observer: Observer


class Simulation:
    """A simulated call centre on one database.

    Args:
        settings: the thresholds that `ROLLCALL_VARS` and `--vars` do not set are divided by the speed.

    Attributes:
        beside: tasks to run during the traffic, for tests; each is called with the simulation.
        truth: the ground truth.
    """

    def __init__(
        self,
        settings: Settings,
        options: Options,
        announce: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.options = options
        self.overrides = scaled_variables(settings.variables, settings.overrides, options.speed)
        self.settings = replace(
            settings, variables={**settings.variables, **self.overrides}, overrides=self.overrides
        )
        self.thresholds = Thresholds.of(self.settings.variables)
        self.beside: list[Callable[[Simulation], Awaitable[None]]] = []
        self.ending = asyncio.Event()
        self._finished = asyncio.Event()
        self._announce = announce
        self._tasks: set[asyncio.Task[None]] = set()
        self._clock = Clock()
        self.truth = Truth(self._clock.now)
        self._workspace = Workspace(self.settings)
        self._cleaner: CleanerProcess | None = None

    def prepare(self, confirmed: str | None = None) -> None:
        """Create the requested objects, and refuse a database that is not for tests."""
        names = self.settings.variables
        # not the workspace's snapshot: it compiles first, which needs the tables
        database = Database.reach(self.settings.conninfo, names["app_time_zone"])
        if self.options.create:
            create_tables(database, names)
        self._columns = read_columns(database, names)
        refuse_what_is_not_for_tests(database, confirmed)
        if self.options.migrate:
            self._migrate()
            self._columns = read_columns(database, names)

    async def run(self) -> Report:
        """Run the traffic for the requested time, then judge."""
        options, names = self.options, self.settings.variables
        connections = options.connections or max(2, -(-options.agents // AGENTS_PER_CONNECTION))
        gateway = Gateway(self.settings.conninfo, connections, self._clock)
        application = Application(
            gateway, names, self._columns, options.speed, routes_by_view=options.route_by_heartbeat
        )
        self.thresholds.check(options.speed, heartbeats=application.has_heartbeats)
        with self._stream():
            try:
                await gateway.open()
                await self._clock_from(gateway)
                keys = [
                    await application.find_or_add_agent(number, f"agent-{options.seed}")
                    for number in range(1, options.agents + 1)
                ]
                async with self._clean_up():
                    return await self._traffic(gateway, application, keys)
            finally:
                await gateway.close()

    async def _traffic(self, gateway: Gateway, application: Application, keys: list[str]) -> Report:
        floor = self._floor(gateway, application, keys)
        self._announce(f"{len(floor.agents)} agents at work for {self.options.seconds:g} s")
        seconds, swept = await self._work(floor)
        await floor.observer.look()  # twice: an unrecorded change is confirmed by the next observation
        await floor.observer.look()
        judgement = self._judge(floor, await application.sessions_of(keys), swept=swept)
        for finding in (*judgement.wronged, *judgement.left_open, *judgement.misrouted):
            self.truth.found(**finding.to_json())
        return self._report(floor, seconds, judgement)

    def _floor(self, gateway: Gateway, application: Application, keys: list[str]) -> _Floor:
        """Make the participants of the traffic."""
        options, window, now = self.options, self.thresholds.window, self._clock.now
        pace = Pace(
            speed=options.speed,
            window=window,
            longest_call=LONGEST_CALL_SHARE * self.thresholds.live_call_max,
            calls_per_hour=options.calls_per_hour,
        )
        calls = Calls(application, self.truth, options.speed)
        agents = {key: Agent(key, application, calls, self.truth, now, window, self._spawn) for key in keys}
        every, older_than = (windows * window for windows in PURGE_WINDOWS)
        return _Floor(
            gateway,
            application,
            agents,
            Decisions(options.seed, pace),
            Router(application, calls, agents, self._spawn),
            Purge(application, self.truth, every, older_than),
            Observer(gateway, application, self.truth, self._clock, self.settings.variables, keys),
        )

    async def _work(self, floor: _Floor) -> tuple[float, bool]:
        """Let the traffic run for the requested time, end it, and wait for the last clean-up.

        Returns:
            the seconds of traffic, and whether a clean-up began after all events.
        """
        began = self._clock.now()
        work = self._until_the_end(floor)
        watch = self._until_the_last_clean_up(floor)
        background, traffic = asyncio.gather(*watch), asyncio.gather(*work)
        try:
            await self._first_failure_of(background, traffic, self.options.seconds)
            self.ending.set()
            await traffic
            seconds = self._clock.now() - began
            await self._hang_up(floor.agents.values())
            swept = await self._sweep(floor.observer, began, self._clock.now())
            self._finished.set()
            await background
        finally:
            self.ending.set()
            self._finished.set()
            traffic.cancel()
            background.cancel()
            for task in self._tasks:
                task.cancel()
            # asyncio prints an error that was never fetched, such as that of a cancellation by Ctrl-C
            await asyncio.gather(traffic, background, return_exceptions=True)
        return seconds, swept

    def _until_the_end(self, floor: _Floor) -> list[Awaitable[None]]:
        """Tasks that end with the traffic: the agents' work, the inbound calls, the purge, the kills."""
        options, decisions = self.options, floor.decisions
        agents = enumerate(floor.agents.values(), 1)
        work = [
            *(agent.live(decisions.agent(n), self.ending) for n, agent in agents),
            floor.router.serve(decisions.inbound(options.agents), self.ending),
            floor.purge.run(list(floor.agents), self.ending),
            *(act(self) for act in self.beside),
        ]
        if options.kill_every is not None and self._cleaner is not None:
            work.append(self._cleaner.kill_at_times(decisions.kills(options.kill_every), self.ending))
        return work

    def _until_the_last_clean_up(self, floor: _Floor) -> list[Awaitable[None]]:
        """Tasks that end after the last clean-up: the heartbeats and the observation."""
        return [
            *(
                agent.show_life(floor.decisions.heartbeats(n), self._finished)
                for n, agent in enumerate(floor.agents.values(), 1)
            ),
            floor.observer.run(self._finished),
        ]

    def _judge(self, floor: _Floor, sessions: Iterable[Sequence[Any]], *, swept: bool) -> Judgement:
        """Compare the observed changes with the truth. sessions: key, agent, whether it is open."""
        open_at_end = {str(row[0]) for row in sessions if row[2]}
        return judge(
            self.truth,
            floor.observer.changes,
            floor.observer.passes,
            self.thresholds,
            open_at_end=open_at_end & self.truth.sessions.keys(),
            ended=self._clock.now(),
            swept=swept,
            clock_error=self._clock.error,
            available=floor.application.words.available,
            routings=floor.observer.routings,
            by_heartbeat=self.options.route_by_heartbeat,
        )

    def _report(self, floor: _Floor, seconds: float, judgement: Judgement) -> Report:
        options, gateway, cleaner = self.options, floor.gateway, self._cleaner
        return Report(
            agents=options.agents,
            seconds=seconds,
            speed=options.speed,
            seed=options.seed,
            heartbeats=floor.application.has_heartbeats,
            floor={
                "sessions": len(self.truth.sessions),
                "calls": len(self.truth.calls),
                "inbound calls": floor.router.arrived,
                "inbound calls answered": floor.router.answered,
                "rings without an answer": self.truth.ghost_rings,
                "calls purged": floor.purge.deleted,
                **self.truth.departures,
            },
            timings={kind: t for kind, t in gateway.timings.items() if not kind.startswith("(")},
            failures=gateway.failures,
            interruptions=gateway.interruptions,
            clean_ups=CleanUps(
                recorded=len(floor.observer.passes),
                passes=cleaner.passes if cleaner else 0,
                kills=cleaner.kills if cleaner else 0,
                errors=dict(cleaner.errors) if cleaner else {},
                skipped=dict(cleaner.skipped) if cleaner else {},
            ),
            judgement=judgement,
        )

    def _migrate(self) -> None:
        from rollcall.ledger.runs import open_run
        from rollcall.steps.migrate.migration import migrate
        from rollcall.steps.plan.pending_work import make_plan

        self._announce("migrating")
        pending = make_plan(self._workspace)
        with open_run(self._workspace, "migrate", approved_by="rollcall simulate") as run:
            result = migrate(self._workspace, run, pending.statements)
        if result.skipped:
            raise RollcallError(f"the migration is incomplete: {result.skipped[0]['reason']}")
        if self.options.route_by_heartbeat:  # no agent has sent a heartbeat yet, hence by force
            reason = "rollcall simulate --route-by-heartbeat"
            flags.switch(self._workspace, flags.ROUTE_BY_HEARTBEAT, on=True, reason=reason, force=True)

    @contextlib.contextmanager
    def _stream(self) -> Any:
        """Open the file for the ground truth, if one is requested."""
        if self.options.truth_file is None:
            yield
            return
        try:
            stream: TextIO = self.options.truth_file.open("w", encoding="utf-8")
        except OSError as error:
            raise RollcallError(
                f"cannot write {self.options.truth_file}: {error.strerror}", "give another file"
            ) from error
        with stream:
            self.truth.write_to(stream)
            yield

    @contextlib.asynccontextmanager
    async def _clean_up(self) -> AsyncIterator[None]:
        every = self.options.clean_every
        if every is None:
            yield
            return
        self._cleaner = CleanerProcess(self.settings, self.overrides, every)
        self._announce(f"a clean-up every {every:g} s beside")
        try:
            await self._cleaner.start()
            yield
        finally:
            await self._cleaner.stop()

    async def _clock_from(self, gateway: Gateway) -> None:
        async with gateway.borrowed() as connection:
            await self._clock.set_by(connection)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _first_failure_of(
        self, background: asyncio.Future[Any], traffic: asyncio.Future[Any], seconds: float
    ) -> None:
        """Wait for the end of the traffic; an internal error ends it at once."""
        await asyncio.wait((background, traffic), timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for part in (background, traffic):
            if part.done():
                part.result()

    async def _hang_up(self, agents: Iterable[Agent]) -> None:
        """End the calls that are still live."""
        for agent in agents:
            agent.line_cut.set()
        tasks = set(self._tasks)
        if tasks:
            done, _ = await asyncio.wait(tasks, timeout=HANG_UP_SECONDS)
            for task in done:
                task.result()

    async def _sweep(self, observer: Observer, began: float, ended: float) -> bool:
        """Wait for a clean-up that began after all events; returns whether there was one.

        Clean-ups of another process are expected as often as they came.
        """
        if not observer.passes and self._cleaner is None:
            return False
        moments = [began, *(found.judged for found in observer.passes if found.judged > began)]
        longest = max((later - earlier for earlier, later in pairwise(moments)), default=0.0)
        patience = max(4 * (self.options.clean_every or 0), 1.5 * longest) + SWEEP_SECONDS
        while self._clock.now() < ended + patience:
            if any(found.judged > ended for found in observer.passes):
                return True
            await asyncio.sleep(0.2)
        return False
