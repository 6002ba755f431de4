"""What PostgreSQL makes of our statements where its statistics, or a generic plan, mislead it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollcall.demo import DefectCounts, Scale
from tests.support.call_centre import call_centre
from tests.support.floor import Floor

OPEN = 80


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a plan as `explain` gives it in JSON."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


@pytest.mark.parametrize("query", ["planned_changes", "readiness_counts"])
def test_before_the_migration_the_calls_of_an_agent_are_read_once(
    database: str, tmp_path: Path, query: str
) -> None:
    scale = Scale(agents=OPEN * 3, sessions=6_000, calls=12_000)
    centre = call_centre(database, tmp_path, scale=scale, defects=DefectCounts.sound(scale))
    # nearly all are closed when the statistics are taken, so the next ones come as a surprise
    centre.rows("update agent_sessions set logout_at = last_activity where logout_at is null")
    centre.rows("alter table agent_sessions set (autovacuum_enabled = false)")
    centre.rows("analyze agent_sessions")
    centre.rows(
        f"""
        insert into agent_sessions (id, agent_id, status, login_at, last_activity)
        select gen_random_uuid(), id, 'available', timezone('utc', now()) - interval '9 hours',
            timezone('utc', now()) - interval '8 hours'
        from agents order by id limit {OPEN}
        """
    )
    with centre.workspace.database.snapshot() as snapshot:
        explained = snapshot.row(
            "explain (analyze, timing off, format json) " + centre.workspace.project.sql(query)
        )
    (document,) = explained["QUERY PLAN"]
    reads = [
        node["Actual Loops"]
        for node in nodes(document["Plan"])
        if node.get("Relation Name") == "call_sessions"
    ]
    assert max(reads) <= 2 * OPEN, "once for each agent, or for each session that names a call"


@pytest.mark.parametrize("query", ["lock_sessions", "change_sessions", "rung_sessions", "restore_sessions"])
def test_the_keys_of_a_batch_are_read_once_and_not_for_every_row(floor: Floor, query: str) -> None:
    """A generic plan makes a cast of a parameter anew for each row that it compares."""
    floor.session()
    floor.clean()
    text = floor.workspace.project.sql(query)
    parameters = max(int(number) for number in re.findall(r"\$(\d+)", text))
    with floor.connect(autocommit=True) as connection:
        connection.execute("set plan_cache_mode = force_generic_plan")
        connection.pgconn.prepare(b"batch", text.encode())
        rows = connection.execute(f"explain execute batch ({', '.join(['null'] * parameters)})").fetchall()
    conditions = [line for (line,) in rows if re.search(r"(Filter|Cond): ", line)]
    assert conditions
    assert [line for line in conditions if re.search(r"ANY \(+\$\d+\)::", line)] == []
    # nor is all that a run changed read for one batch
    assert [line for line in conditions if re.search(r"Filter: \(+session_id = ANY", line)] == []
