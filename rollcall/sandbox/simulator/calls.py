"""The course of a call: its writes in the application's order, each in a transaction.

The end of a call arrives from the telephone network even if the agent's browser is closed, and releases
every session that refers to the call.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from rollcall.sandbox.simulator.application import Application
from rollcall.sandbox.simulator.scripts import Arrival, Outcome, Step
from rollcall.sandbox.simulator.truth import Truth

__all__ = ["Calls", "Party"]

DROP_SECONDS = 8.0
"""Of the application's time: how long a call lasts after its agent's browser is gone."""


class Party(Protocol):
    """The part of an agent that a call uses."""

    key: str
    session: str | None
    busy: bool
    line_cut: asyncio.Event

    @property
    def is_there(self) -> bool: ...


class Calls:
    """Make and answer calls. speed: the application's seconds per real second."""

    def __init__(self, application: Application, truth: Truth, speed: float) -> None:
        self._application = application
        self._truth = truth
        self._drop = DROP_SECONDS / speed

    async def dial(self, agent: Party, step: Step) -> None:
        """Place an outbound call of a present agent: write the call, the session, the connection."""
        session = agent.session
        agent.busy = True
        try:
            if session is None:
                return
            started = await self._application.start_call(agent.key, inbound=False)
            call = self._truth.call_started(agent.key, started, is_outbound=True)
            if call is None:
                return
            if step.outcome is Outcome.OVERTAKEN:
                await self._end(agent.key, call, self._application.words.failed)
                await self._refer(session, call)
                return
            await self._refer(session, call)
            dropped = await self._wait(agent, step.ring)
            if dropped or step.outcome is Outcome.NOT_CONNECTED:
                await self._end(agent.key, call, self._application.words.no_answer)
                return
            await self._talk(agent, call, step.outcome, step.talk)
        finally:
            agent.busy = False

    async def ring(self, key: str, agent: Party | None, arrival: Arrival) -> bool:
        """Ring one session with an inbound call; returns whether it was answered.

        Args:
            key: of the agent.
            agent: None for an agent outside the simulation.
        """
        started = await self._application.start_call(key, inbound=True)
        call = self._truth.call_started(key, started, is_outbound=False)
        if call is None:
            return True  # the failure is counted; no other agent is rung
        await asyncio.sleep(arrival.ring)
        if agent is None or not agent.is_there or agent.busy or not arrival.answered:
            if agent is None or not agent.is_there:
                self._truth.ghost_rings += 1
            await asyncio.sleep(arrival.patience - arrival.ring)
            await self._end(key, call, self._application.words.missed)
            return False
        agent.busy = True
        try:
            self._truth.call_connected(call, await self._application.connect_call(call))
            if agent.session is not None:
                await self._refer(agent.session, call)
            await self._talk(agent, call, arrival.outcome, arrival.talk, connect=False)
        finally:
            agent.busy = False
        return True

    async def _talk(
        self, agent: Party, call: str, outcome: Outcome, seconds: float, *, connect: bool = True
    ) -> None:
        if connect:
            self._truth.call_connected(call, await self._application.connect_call(call))
        await self._wait(agent, seconds)
        if outcome is not Outcome.NEVER_ENDED:
            await self._end(agent.key, call, self._application.words.completed)

    async def _refer(self, session: str, call: str) -> None:
        self._truth.refers(session, call, await self._application.refer_to_call(session, call))

    async def _end(self, agent: str, call: str, status: str) -> None:
        self._truth.call_ending(call)
        self._truth.call_ended(call, await self._application.end_call(call, status))
        freed = await self._application.free_session(call)
        self._truth.wrote(agent, freed, "freed", is_sign=False, call=call)

    async def _wait(self, agent: Party, seconds: float) -> bool:
        """Wait; returns whether the agent left, in which case the call ends a moment later."""
        try:
            await asyncio.wait_for(agent.line_cut.wait(), seconds)
        except TimeoutError:
            return False
        await asyncio.sleep(min(self._drop, seconds))
        return True
