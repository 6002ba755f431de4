"""The queue hands out each session once, an agent's sessions in one batch, and deferred ones again."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from rollcall.steps.batches.queue import WorkQueue
from rollcall.steps.batches.result import LOCKED, RINGING, Item
from tests.support.waiting import PATIENCE


def sessions(*agents: str) -> list[Item]:
    """One session for each name of an agent, with keys s0, s1, and so on."""
    return [{"session_id": f"s{number}", "agent_id": agent} for number, agent in enumerate(agents)]


def batches(queue: WorkQueue, rows: int) -> list[list[str]]:
    taken = iter(lambda: queue.take(rows), [])
    return [[item["session_id"] for item in batch] for batch in taken]


def test_batches_have_the_rows_that_were_asked_for() -> None:
    assert batches(WorkQueue(sessions("a", "b", "c", "d", "e")), 2) == [["s0", "s1"], ["s2", "s3"], ["s4"]]


def test_a_batch_is_completed_with_the_last_agents_sessions() -> None:
    queue = WorkQueue(sessions("a", "b", "b", "b", "c", "c", "d"), agent_lookahead=10)
    assert batches(queue, 2) == [["s0", "s1", "s2", "s3"], ["s4", "s5"], ["s6"]]


def test_the_lookahead_is_limited() -> None:
    queue = WorkQueue(sessions(*"aaaaaa"), agent_lookahead=2)
    assert batches(queue, 1) == [["s0", "s1", "s2"], ["s3", "s4", "s5"]]


def test_sessions_without_an_agent_are_not_grouped() -> None:
    items: list[Item] = [{"session_id": f"s{number}"} for number in range(4)]
    assert batches(WorkQueue(items, agent_lookahead=10), 3) == [["s0", "s1", "s2"], ["s3"]]


def test_deferred_sessions_come_again_with_the_latest_reason() -> None:
    queue = WorkQueue(sessions("a", "b", "c"))
    first = queue.take(3)
    queue.defer(first[:2], LOCKED)
    queue.defer(first[2:], RINGING)
    assert (queue.count_deferred(), queue.count_deferred(RINGING)) == (3, 1)
    assert queue.take(3) == []
    queue.retry_deferred()
    again = queue.take(3)
    assert [item["session_id"] for item in again] == ["s0", "s1", "s2"]
    queue.defer(again[:1], RINGING)
    assert [(item["session_id"], reason) for item, reason in queue.take_deferred()] == [("s0", RINGING)]
    assert queue.count_deferred() == 0


@pytest.mark.parametrize("lookahead", [0, 10])
def test_what_is_left_is_drained_once(lookahead: int) -> None:
    queue = WorkQueue(sessions("a", "b", "b", "c", "d"), lookahead)
    taken = [item["session_id"] for item in queue.take(1)]
    queue.defer(queue.take(1), LOCKED)
    rest = [item["session_id"] for item in queue.drain()]
    assert sorted([*taken, *rest]) == ["s0", "s1", "s2", "s3", "s4"]
    assert list(queue.drain()) == []
    assert queue.take(1) == []


def test_several_threads_get_each_session_once_and_no_agent_is_divided() -> None:
    agents = list(itertools.chain.from_iterable([f"a{number}"] * (1 + number % 4) for number in range(300)))
    barrier, lock, taken = threading.Barrier(4), threading.Lock(), list[list[Item]]()

    def slowly() -> Iterator[Item]:
        yield from sessions(*agents)

    queue = WorkQueue(slowly(), agent_lookahead=10)

    def work() -> None:
        barrier.wait(PATIENCE)
        while batch := queue.take(3):
            with lock:
                taken.append(batch)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    keys = [item["session_id"] for batch in taken for item in batch]
    assert sorted(keys) == sorted(f"s{number}" for number in range(len(agents)))
    for agent in set(agents):
        assert sum(any(item["agent_id"] == agent for item in batch) for batch in taken) == 1
