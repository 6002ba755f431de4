"""What PostgreSQL makes of our statements where its statistics, or a generic plan, mislead it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rollcall.sandbox.demo import DefectCounts, Scale
from rollcall.steps.assess.assessment import assess
from tests.support.call_centre import CallCentre, call_centre
from tests.support.floor import Floor
from tests.support.plans import nodes
from tests.support.waiting import until

OPEN = 80


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


@pytest.mark.medium
@pytest.mark.parametrize("statistics", ["fresh", "stale", "missing"])
def test_before_the_migration_assess_reads_each_table_once(
    database: str, tmp_path: Path, statistics: str
) -> None:
    """Counts and keys of what fails, whatever indexes, skew and statistics there are."""
    centre = crooked_centre(database, tmp_path, statistics)
    before = readings(centre)
    assessed = assess(centre.workspace)
    assert assessed.facts["open_sessions"] == OPEN + 1
    (abandoned,) = [rule for rule in assessed.rules if rule.name == "abandoned_session"]
    assert abandoned.violations == len(abandoned.keys) == OPEN
    assert_read_once(centre, before)


@pytest.mark.medium
@pytest.mark.parametrize("statistics", ["fresh", "stale", "missing"])
def test_before_the_migration_a_plan_reads_each_table_once(
    database: str, tmp_path: Path, statistics: str
) -> None:
    centre = crooked_centre(database, tmp_path, statistics)
    before = readings(centre)
    with centre.workspace.database.snapshot() as snapshot:
        assert len(snapshot.rows(centre.workspace.project.sql("planned_changes"))) == OPEN
    assert_read_once(centre, before)


@pytest.mark.parametrize("query", ["planned_changes", "readiness_judged"])
def test_before_the_migration_old_calls_do_not_leave_their_scan(
    database: str, tmp_path: Path, query: str
) -> None:
    """No agent is silent for more than some hours, so the calls of the months before are not joined."""
    scale = Scale(agents=OPEN * 3, sessions=6_000, calls=12_000)
    centre = call_centre(database, tmp_path, scale=scale, defects=DefectCounts.sound(scale))
    centre.rows("analyze")
    text = centre.workspace.project.sql(query).replace("$1", "'[]'")
    with centre.workspace.database.snapshot() as snapshot:
        explained = snapshot.row(f"explain (analyze, timing off, format json) {text}")
    (document,) = explained["QUERY PLAN"]
    rows = [
        node["Actual Rows"] * node["Actual Loops"]
        for node in nodes(document["Plan"])
        if node.get("Relation Name") == "call_sessions"
    ]
    assert 0 < max(rows) < scale.calls / 4


def test_all_of_the_history_is_judged_without_a_look_up_of_the_zone_for_each_row(
    database: str, tmp_path: Path
) -> None:
    """PostgreSQL looks the name of a zone up for each conversion, which takes as long as reading the row."""
    centre = call_centre(database, tmp_path, scale=Scale(agents=20, sessions=200, calls=200))
    with centre.workspace.database.snapshot() as snapshot:
        explained = snapshot.row(
            "explain (verbose, format json) "
            + centre.workspace.project.sql("history_judged").replace("$1", "'[]'")
        )
    (document,) = explained["QUERY PLAN"]
    conditions = [
        (node["Relation Name"], node.get("Filter", ""))
        for node in nodes(document["Plan"])
        if node["Node Type"] == "Seq Scan" and "rollcall.history_since" not in node.get("Filter", "")
    ]
    of_all_rows = [item for item in conditions if item[0] in ("agent_sessions", "call_sessions")]
    assert {table for table, _ in of_all_rows} == {"agent_sessions", "call_sessions"}
    assert [item for item in of_all_rows if "AT TIME ZONE 'UTC'" in item[1]] == []


def crooked_centre(database: str, tmp_path: Path, statistics: str) -> CallCentre:
    """Few open sessions, all but one abandoned; one agent has most of the calls, and is away for a year."""
    scale = Scale(agents=OPEN * 3, sessions=6_000, calls=30_000)
    centre = call_centre(database, tmp_path, scale=scale, defects=DefectCounts.sound(scale))
    # each worker of a parallel scan would count as a scan of its own
    name = centre.workspace.database.name
    centre.rows(f'alter database "{name}" set max_parallel_workers_per_gather = 0')
    for table in ("agent_sessions", "call_sessions"):
        centre.rows(f"alter table {table} set (autovacuum_enabled = false)")
    centre.rows("update agent_sessions set logout_at = last_activity where logout_at is null")
    centre.rows("update call_sessions set agent_id = 1 where ended_at is not null and random() < 0.8")
    if statistics == "stale":
        centre.rows("analyze")
    centre.rows(
        f"""
        insert into agent_sessions (id, agent_id, status, login_at, last_activity)
        select gen_random_uuid(), id, 'available', past.moment - interval '1 hour', past.moment
        from agents
        cross join lateral (
            select timezone('utc', now()) - case
                when id = 1 then interval '1 year' when id <= {OPEN} then interval '8 hours' else interval '0'
            end
        ) as past (moment)
        where id <= {OPEN} + 1
        """
    )
    centre.rows("update call_sessions set ended_at = started_at, status = 'completed' where ended_at is null")
    centre.rows(
        "update call_sessions set started_at = started_at - interval '1 day',"
        " connected_at = connected_at - interval '1 day', ended_at = ended_at - interval '1 day'"
    )
    if statistics == "fresh":
        centre.rows("analyze")
    if statistics == "missing":
        centre.rows(
            "delete from pg_statistic where starelid = any(%s::regclass[])",
            ["agent_sessions", "call_sessions"],
        )
    centre.workspace.project.compile()
    return centre


def assert_read_once(centre: CallCentre, before: dict[str, int]) -> None:
    """Each table as a whole, and the calls of no agent; the planner looks up the ends of an index."""
    until(lambda: readings(centre) != before)
    read = {name: count - before[name] for name, count in readings(centre).items()}
    assert read.pop("call_sessions by agent") < OPEN / 4
    assert read == {"agent_sessions": 1, "call_sessions": 1}


def readings(centre: CallCentre) -> dict[str, int]:
    """How often each table was read as a whole, and the calls by their agent, in finished transactions."""
    return dict(
        centre.rows(
            """
            select relname::text, seq_scan from pg_stat_user_tables
            where relname in ('agent_sessions', 'call_sessions')
            union all
            select 'call_sessions by agent', coalesce(sum(s.idx_scan), 0)::bigint
            from pg_stat_user_indexes as s
            join pg_index as i on i.indexrelid = s.indexrelid
            join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
            where s.relname = 'call_sessions' and a.attname = 'agent_id'
            """
        )
    )


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
