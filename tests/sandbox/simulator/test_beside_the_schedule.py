"""The simulator beside `rollcall serve` for ten minutes: readiness, routing by heartbeat, and alerts."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from rollcall.sandbox.simulator import Options, Simulation
from rollcall.sandbox.simulator.truth import Truth
from rollcall.servers.prefect import api_of_serving
from tests.support.receivers import Webhook, webhook
from tests.support.serving import CLEAN_UP, environment, started
from tests.support.simulation import assert_holds, settings_of
from tests.support.waiting import PATIENCE, until

SECONDS = 600
INTERVAL = 20
SPEED = 300  # ten minutes are two days
THRESHOLDS = {
    "abandoned_after_hours": 0.0067,  # 24 s
    "live_call_max_hours": 0.0134,
    "settle_minutes": 0.02,
    "presence_minutes": 0.12,
    "heartbeat_explains_seconds": 0.01,
    "heartbeat_feed_min_share": 0.5,  # of thirty agents, three or more at a time have left without a logout
}
SHORT, LONG = 1, 3  # clean-ups that judge a disturbance: it lasts for one interval, and for three

LEAD = "insert into agents (email, role, is_active, is_ai_agent) values ('lead', 'agent', true, false)"
"""Without an active agent a call centre is not ready, and the simulator adds its agents when it begins."""

STRANGER = """
    insert into agent_sessions (agent_id, status, login_at, last_activity)
    select id, 'on_the_moon', now() at time zone 'utc', now() at time zone 'utc'
    from agents where email = 'lead'
"""
STRANGER_LEAVES = "update agent_sessions set status = 'offline' where status = 'on_the_moon'"

VERDICTS = """
    select verdict from rollcall_ops.runs
    where command = 'clean' and finished_at is not null
    order by finished_at
"""
CLOSED = """
    select session_id, extract(epoch from changed_at)::float8 from rollcall_ops.changes
    where remedy = 'close'
"""
ITEM = re.compile(r"^(?:New|Worse|Better|Resolved|Still) \(\w+\): (.*)$", re.MULTILINE)
REGRET = re.compile(r"Sessions that were closed, and whose agents showed life afterwards: (\d+)\.")


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as receiver:
        yield receiver


def rows(url: str, query: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


def verdicts(url: str) -> list[str]:
    """Of the scheduled clean-ups, in the order of their ends."""
    return [verdict for (verdict,) in rows(url, VERDICTS)]


class Disturbances:
    """A session with a status that the vars do not know, for a short and for a long time.

    Attributes:
        spans: the clean-ups that judged it, each time: the number of the first, and the one after the last.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.spans: list[tuple[int, int]] = []

    async def __call__(self, simulation: Simulation) -> None:
        for clean_ups in (SHORT, LONG):
            await asyncio.sleep(SECONDS / 6)
            first = await self._until_judged(1 + await self._judged())
            await asyncio.to_thread(rows, self.url, STRANGER)
            end = await self._until_judged(first + clean_ups)
            await asyncio.to_thread(rows, self.url, STRANGER_LEAVES)
            self.spans.append((first, end))

    async def _until_judged(self, clean_ups: int) -> int:
        while (judged := await self._judged()) < clean_ups:
            await asyncio.sleep(0.2)
        return judged

    async def _judged(self) -> int:
        return len(await asyncio.to_thread(verdicts, self.url))


def returns(url: str, truth: Truth) -> int:
    """How many of the closed sessions had an agent who came back afterwards, by the ground truth."""
    return sum(
        any(life.began > closed for key in truth.agents[agent] for life in truth.sessions[key].lives)
        for session, closed in rows(url, CLOSED)
        if session in truth.sessions and (agent := truth.sessions[session].agent)
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ready_routed_and_told_beside_the_scheduled_clean_up(
    database: str, hook: Webhook, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    options = Options(
        agents=30, seconds=SECONDS, speed=SPEED, create=True, migrate=True, route_by_heartbeat=True
    )
    simulation = Simulation(settings_of(database, state, **THRESHOLDS), options)
    simulation.prepare()
    rows(database, LEAD)

    alerts = {"channels": {"team": {"env": "TEAM_URL"}}, "suppress_minutes": 0}
    alerts["lasting_minutes"] = 0.8 * INTERVAL / 60
    (tmp_path / "rollcall.yml").write_text(yaml.safe_dump({"alerts": alerts}))
    deployments = tmp_path / "prefect.yaml"
    schedules = [{"interval": INTERVAL, "slug": "of-the-test"}]
    deployments.write_text(yaml.safe_dump({"deployments": [{**CLEAN_UP, "schedules": schedules}]}))
    variables = environment(
        state,
        database,
        ROLLCALL_VARS=yaml.safe_dump(simulation.overrides),
        ROLLCALL_CONFIG=str(tmp_path),
        TEAM_URL=hook.url,
    )
    code = "from pathlib import Path; from rollcall.service.scheduling import serve; "
    output = tmp_path / "output"
    with output.open("w") as stream:
        code += f"serve(Path({str(deployments)!r}))"
        process = started(code, env=variables, stdout=stream, stderr=subprocess.STDOUT)
    disturbances = Disturbances(database)
    simulation.beside.append(disturbances)
    try:
        until(lambda: api_of_serving(state) or process.poll() is not None)
        assert process.poll() is None, output.read_text()
        until(lambda: "READY" in verdicts(database))
        report = asyncio.run(simulation.run())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE)

    assert_holds(report)
    assert report.failures == []
    assert report.judgement.routable > SECONDS
    assert report.judgement.closed_dead >= SECONDS / 60

    assert rows(database, "select command, failure from rollcall_ops.runs where failure is not null") == []
    found = verdicts(database)
    assert len(found) > SECONDS / INTERVAL / 2
    seen = [found[first:end] for first, end in disturbances.spans]
    assert seen == [["NOT_READY"] * SHORT, ["NOT_READY"] * LONG]
    (first, end), (second, last) = disturbances.spans
    undisturbed = [*found[:first], *found[end:second], *found[last:]]
    assert all("READY" in pair for pair in pairwise(undisturbed)), found

    told = [item for text in hook.texts for item in ITEM.findall(text)]
    regrets = [int(match[1]) for item in told if (match := REGRET.fullmatch(item))]
    assert [item for item in told if not REGRET.fullmatch(item)] == [
        "The verdict changed from READY to NOT_READY.",
        "The verdict changed from NOT_READY to READY.",
    ], hook.texts
    came_back = returns(database, simulation.truth)
    assert len(regrets) <= came_back
    assert max(regrets, default=0) <= came_back
