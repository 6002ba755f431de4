"""The queue of sessions, from which the workers take batches."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator, Sequence

from rollcall.steps.batches.result import Item

__all__ = ["WorkQueue"]


class WorkQueue:
    """The sessions to process, and those deferred to a retry pass. Thread-safe.

    Args:
        items: ordered by agent.
        agent_lookahead: the largest number of further sessions of a batch's last agent that join the batch.
            An agent's sessions are judged together: if another worker closed the newest one first, an older
            one would count as the newest and get another repair than the planned one. With one connection
            batches never overlap, and 0 is enough.
    """

    def __init__(self, items: Iterable[Item], agent_lookahead: int = 0) -> None:
        self._items = iter(items)
        self._agent_lookahead = agent_lookahead
        self._next_agent: list[Item] = []  # the first items of the next agent, read ahead
        self._deferred: list[tuple[Item, str]] = []
        self._supply = threading.Lock()
        self._deferring = threading.Lock()  # never held while items are read, which may query the database

    def take(self, rows: int) -> list[Item]:
        """Take the next batch; empty when the pass is over."""
        with self._supply:
            batch = [*self._next_agent, *itertools.islice(self._items, rows - len(self._next_agent))]
            self._next_agent = []
            for item in itertools.islice(self._items, self._agent_lookahead if batch else 0):
                if batch[-1].get("agent_id") is None or item["agent_id"] != batch[-1]["agent_id"]:
                    self._next_agent = [item]
                    break
                batch.append(item)
            return batch

    def defer(self, items: Sequence[Item], reason: str) -> None:
        """Keep items for a retry pass; the reason is reported if they never succeed."""
        with self._deferring:
            self._deferred += [(item, reason) for item in items]

    def count_deferred(self, reason: str | None = None) -> int:
        """The number of items deferred for this reason, or for any."""
        return sum(reason in (None, why) for _, why in self._deferred)

    def retry_deferred(self) -> None:
        """Start a pass over the deferred items, for one connection."""
        deferred = self.take_deferred()
        self._items, self._agent_lookahead = (item for item, _ in deferred), 0

    def take_deferred(self) -> list[tuple[Item, str]]:
        """Remove and give the deferred items with their reasons."""
        with self._deferring:
            deferred, self._deferred = self._deferred, []
        return deferred

    def drain(self) -> Iterator[Item]:
        """Remove and give all remaining items, deferred ones included, for a report."""
        yield from self._next_agent
        self._next_agent = []
        yield from self._items
        yield from (item for item, _ in self.take_deferred())
