"""Clean, in rows per second, against one bare UPDATE and against batches with images.

Each variant works on one connection; the others have batches of the same sizes as the clean-up. `beside`
measures the latency of the application's statements meanwhile.

Each measurement works on a fresh copy of the same migrated call centre with the same planned rows. The plan
and the keys for the other variants are made before the measurement. Pauses are not counted; they occur only
while another session waits.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import islice

from benchmarks import call_centres
from benchmarks.measure import Line, at_least, per_second, ratio_line, seconds_of
from benchmarks.options import Options
from benchmarks.server import Databases, connect, settle
from rollcall.ledger.runs import open_run
from rollcall.sandbox.demo import DefectCounts, Scale
from rollcall.steps.batches import ProgressCallback
from rollcall.steps.clean.cleaning import clean
from rollcall.steps.plan.pending_work import make_plan

AGENTS_PER_CHANGE = 1 / 20
ENOUGH = 0.99  # minimum share of planned rows that must have changed for a comparison
NAME = "clean_up"
BASE = "clean_up_base"

REPAIR = """
    set status = 'offline',
        logout_at = greatest(s.login_at, s.last_activity, s.last_heartbeat),
        current_call_session_id = null
"""
BARE = f"update agent_sessions as s {REPAIR} from benchmark_keys as k where k.id = s.id"
IMAGES = f"""
with chosen as (
    select s.id, s.agent_id, s.last_activity, to_jsonb(s) as image
    from agent_sessions as s
    where s.id = any(%s::uuid[])
    for no key update
),
changed as (
    update agent_sessions as s {REPAIR} from chosen as c
    where c.id = s.id
    returning s.id, c.agent_id, c.last_activity, c.image as before_image, to_jsonb(s) as after_image
)
"""
IMAGES_ONLY = f"""
{IMAGES}
insert into benchmark_images (run, session_id, before_image, after_image)
select 'benchmark', id, before_image, after_image from changed
"""
AUDITED = f"""
{IMAGES}
insert into benchmark_changes (
    run_id, session_id, agent_id, rules, remedy, evidence, before_image, after_image, as_planned
)
select
    'benchmark', id, agent_id, array['abandoned_session'], 'close',
    jsonb_build_object(
        'last_seen_at', last_activity,
        'idle_seconds', round(extract(epoch from localtimestamp - last_activity)),
        'call_exists', null, 'call_status', null, 'call_started_at', null, 'call_ended_at', null
    ),
    before_image, after_image, true
from changed
"""
TABLES = """
create table benchmark_keys (id uuid primary key);
create table benchmark_images (
    run text not null,
    session_id uuid not null,
    before_image jsonb not null,
    after_image jsonb not null,
    changed_at timestamptz not null default clock_timestamp(),
    primary key (run, session_id)
);
create table benchmark_changes (like rollcall_ops.changes including all);
"""


def measure(databases: Databases, options: Options) -> Iterator[Line]:
    prepare(databases, BASE, options.changes)
    rates: dict[str, list[float]] = defaultdict(list)
    for _ in range(options.pairs):
        rate, sizes, keys = _ours(databases)
        rates["ours"].append(rate)
        rates["audited"].append(_other(databases, keys, in_batches(AUDITED, sizes)))
        rates["images"].append(_other(databases, keys, in_batches(IMAGES_ONLY, sizes)))
        rates["bare"].append(_other(databases, keys, _bare))
    for other, goal, text in (
        ("audited", at_least(0.6), "the same batches with an audit"),
        ("images", None, "batches that keep the images alone"),
        ("bare", None, "one bare UPDATE"),
    ):
        what = f"clean, {options.changes:,} changes, against {text}"
        yield ratio_line(what, rates["ours"], rates[other], goal, per_second)


def prepare(databases: Databases, base: str, changes: int) -> None:
    """Make a migrated call centre with so many abandoned sessions in `base`."""
    agents = max(Scale.agents, round(changes * AGENTS_PER_CHANGE))
    url = databases.create(base)
    scale = Scale(agents=agents, sessions=agents * 20, calls=agents * 40)
    call_centres.load(url, scale, DefectCounts.sound(scale))
    call_centres.forget_sessions(url, changes)
    settle(url)
    databases.migrated(databases.workspace(url))


class Sizes(ProgressCallback):
    """Record the number of rows in each batch."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self._done = 0

    def advanced(self, done: int, total: int) -> None:
        if done > self._done:
            self.sizes.append(done - self._done)
        self._done = done


def _fresh(databases: Databases) -> str:
    url = databases.create(NAME, template=BASE)
    with connect(url) as connection:  # warms the cache
        connection.execute("select count(s::text) from agent_sessions as s")
    return url


def _ours(databases: Databases) -> tuple[float, list[int], list[str]]:
    """Rollcall's rows per second, the sizes of its batches, and the changed keys in order."""
    workspace = databases.workspace(_fresh(databases))
    plan = make_plan(workspace)
    progress = Sizes()
    with open_run(workspace, "clean") as run:
        started = time.perf_counter()
        result = clean(workspace, run, plan, progress)
        taken = time.perf_counter() - started
    if result.changed < ENOUGH * plan.change_count:
        raise RuntimeError(f"{result.changed} of {plan.change_count} rows were changed: {result.skipped[:3]}")
    keys = [change["session_id"] for change in plan.changes()]
    return result.changed / (taken - result.paused_seconds), progress.sizes, keys


def _other(databases: Databases, keys: list[str], work: Callable[[str, list[str]], float]) -> float:
    """Rows per second of another way to change the same rows."""
    url = _fresh(databases)
    with connect(url) as connection:
        connection.execute(TABLES)
        with connection.cursor().copy("copy benchmark_keys from stdin") as copy:
            for key in keys:
                copy.write_row([key])
        connection.execute("analyze benchmark_keys")
    return len(keys) / work(url, keys)


def _bare(url: str, keys: list[str]) -> float:
    with connect(url) as connection:
        return seconds_of(lambda: connection.execute(BARE))


def in_batches(statement: str, sizes: list[int]) -> Callable[[str, list[str]], float]:
    def work(url: str, keys: list[str]) -> float:
        remaining = iter(keys)
        with connect(url) as connection:

            def all_batches() -> None:
                for size in sizes:
                    connection.execute(statement, [list(islice(remaining, size))])

            return seconds_of(all_batches)

    return work
