"""Inbound calls as the legacy router assigns them, and the nightly purge."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

from rollcall.sandbox.simulator.agents import Agent
from rollcall.sandbox.simulator.application import Application
from rollcall.sandbox.simulator.calls import Calls
from rollcall.sandbox.simulator.scripts import Arrival
from rollcall.sandbox.simulator.truth import Truth

__all__ = ["Purge", "Router"]

ATTEMPTS = 3


class Router:
    """Ring the longest idle `available` agent, which prefers abandoned sessions.

    Args:
        agents: the simulation's, by key; sessions of other agents may be rung, but never answer.
    """

    def __init__(
        self,
        application: Application,
        calls: Calls,
        agents: Mapping[str, Agent],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._application = application
        self._calls = calls
        self._agents = agents
        self._spawn = spawn
        self._ringing: set[str] = set()
        self.arrived = 0
        self.answered = 0

    async def serve(self, arrivals: Iterator[Arrival], ending: asyncio.Event) -> None:
        """Take calls until the traffic ends."""
        for arrival in arrivals:
            try:
                await asyncio.wait_for(ending.wait(), arrival.gap)
            except TimeoutError:
                self.arrived += 1
                self._spawn(self._place(arrival))
            else:
                return

    async def _place(self, arrival: Arrival) -> None:
        """Ring up to three agents in turn; then the caller gives up."""
        tried: set[str] = set()
        for _ in range(ATTEMPTS):
            picked = await self._application.longest_idle(sorted(tried | self._ringing))
            if picked is None or picked[1] in self._ringing:
                return
            key = picked[1]
            tried.add(key)
            self._ringing.add(key)
            try:
                if await self._calls.ring(key, self._agents.get(key), arrival):
                    self.answered += 1
                    return
            finally:
                self._ringing.discard(key)


class Purge:
    """Delete old calls of the simulation's own agents only."""

    def __init__(self, application: Application, truth: Truth, every: float, older_than: float) -> None:
        self._application = application
        self._truth = truth
        self._every = every
        self._older_than = older_than
        self.deleted = 0

    async def run(self, agents: list[str], ending: asyncio.Event) -> None:
        while True:
            try:
                await asyncio.wait_for(ending.wait(), self._every)
            except TimeoutError:
                self._truth.purging(self._older_than)
                write, agents = await self._application.purge(agents, self._older_than)
                self._truth.purged(write, agents)
                self.deleted += len(write.rows)
            else:
                return
