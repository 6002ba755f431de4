"""An agent with a browser: acts by its script, and records its presence in the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from rollcall.sandbox.simulator.application import Application, Write
from rollcall.sandbox.simulator.calls import Calls
from rollcall.sandbox.simulator.scripts import Act, Step
from rollcall.sandbox.simulator.truth import Truth

__all__ = ["Agent"]

RESTLESS_SHARE = 0.35
"""Without heartbeats a present agent acts after this share of the window."""


class Agent:
    """One agent of the simulation.

    Args:
        key: of its row.
        spawn: starts a task that runs until the end of the simulation.
    """

    def __init__(
        self,
        key: str,
        application: Application,
        calls: Calls,
        truth: Truth,
        now: Callable[[], float],
        window: float,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self.key = key
        self.session: str | None = None
        """The session in the browser; None while the agent is absent."""
        self.busy = False
        self.line_cut = asyncio.Event()
        self.line_cut.set()
        self._application = application
        self._calls = calls
        self._truth = truth
        self._now = now
        self._window = window
        self._spawn = spawn
        self._seen = 0.0

    @property
    def is_there(self) -> bool:
        return self.session is not None

    async def live(self, script: Iterator[Step], ending: asyncio.Event) -> None:
        """Act by the script until the traffic ends."""
        for step in script:
            if await _is_set_within(ending, step.gap):
                return
            await self._act(step)

    async def show_life(self, intervals: Iterator[float], finished: asyncio.Event) -> None:
        """While present, send heartbeats or, without heartbeats, other signs of life."""
        beats = self._application.has_heartbeats
        for interval in intervals:
            pause = interval if beats else min(interval, self._window / 10)
            if await _is_set_within(finished, pause):
                return
            if not self.is_there:
                continue
            if beats:
                await self._beat()
            elif not self.busy and self._now() - self._seen > RESTLESS_SHARE * self._window:
                await self._change_status(self._application.words.available)

    async def _act(self, step: Step) -> None:  # noqa: C901 - one short case for each act
        arrives = step.act in (Act.LOG_IN, Act.REUSE)
        if arrives == self.is_there:
            return
        words = self._application.words
        match step.act:
            case Act.LOG_IN | Act.REUSE:
                await self._log_in(reuse=step.act is Act.REUSE)
            case Act.DIAL:
                if not self.busy:
                    self.busy = True
                    self._spawn(self._calls.dial(self, step))
            case Act.CHANGE_STATUS | Act.SHOW:
                if not self.busy:
                    await self._change_status(words.available)
            case Act.TAKE_BREAK:
                if not self.busy:
                    await self._change_status(words.on_break)
            case Act.HIDE:
                await self._hide()
            case Act.RELOAD:
                await self._reload(step)
            case Act.CLOSE_TAB:
                await self._close_tab("tab closed")
            case Act.LOG_OUT:
                await self._log_out()
            case Act.CRASH:
                self._leave("browser crashed")

    async def _log_in(self, *, reuse: bool) -> None:
        session = await self._application.todays_session(self.key) if reuse else None
        if session is not None and session in self._truth.sessions:
            write = await self._application.reuse(session)
            self._truth.reopened(session, write)
        else:
            write = await self._application.log_in(self.key)
            session = self._truth.opened(self.key, write)
        if session is not None and write.row is not None:
            self._arrive(session, write)

    async def _beat(self) -> None:
        write = await self._application.heartbeat(self.key)
        self._truth.wrote(self.key, write, "heartbeat", is_sign=True)

    async def _change_status(self, status: str) -> None:
        if self.session is not None:
            write = await self._application.change_status(self.session, status)
            self._truth.wrote(self.key, write, status, is_sign=True)
            self._seen = write.acked

    async def _hide(self) -> None:
        if self.session is not None:
            write = await self._application.hide_tab(self.session)
            self._truth.wrote(self.key, write, "tab hidden", is_sign=False)

    async def _close_tab(self, how: str) -> None:
        session = self._leave(how)
        if session is not None:
            write = await self._application.close_tab(session)
            self._truth.wrote(self.key, write, "tab closed", is_sign=False)

    async def _log_out(self) -> None:
        session = self._leave("logged out")
        if session is not None:
            self._truth.logged_out(session, await self._application.log_out(session))

    async def _reload(self, step: Step) -> None:
        """Reload the page: the beacon fires as on closing, and the status may stay `offline`."""
        session = self.session
        if session is None:
            return
        await self._close_tab("page reloaded")
        await asyncio.sleep(step.talk)
        if step.comes_back or not self._application.has_heartbeats:
            await self._log_in(reuse=True)
            return
        write = await self._application.heartbeat(self.key)
        self._truth.wrote(self.key, write, "heartbeat", is_sign=True)
        if any(row.key == session for row in write.rows):
            self._arrive(session, write)
        else:  # the session has been closed: the page shows the login
            await self._log_in(reuse=False)

    def _arrive(self, session: str, write: Write) -> None:
        self.session = session
        self.line_cut = asyncio.Event()
        self._seen = write.acked
        self._truth.arrived(session, write.acked)

    def _leave(self, how: str) -> str | None:
        session, self.session = self.session, None
        self.line_cut.set()
        self._truth.left(session, how)
        return session


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Sleep for a time, unless the event is set first."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
