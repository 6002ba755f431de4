"""The ledger that an earlier version made is completed, additively and gently; what is not ours is left."""

from __future__ import annotations

import contextlib

import psycopg
import pytest

from rollcall.dbt.project import RollcallRelation
from rollcall.errors import EvaluationError, Refused
from rollcall.ledger.runs import open_run, past_runs
from rollcall.ledger.trend import with_failures
from rollcall.schema.ledger_columns import missing_columns
from rollcall.steps.assess.assessment import assess
from rollcall.steps.clean.cleaning import clean
from rollcall.steps.detach import detach
from rollcall.steps.verify import verify
from tests.support.live_migration import Live

OLDER = {
    "runs": ("unattended", "undoes", "verdict_before"),
    "changes": ("as_planned", "evidence"),
    "statements": ("started_at",),
    "rule_results": ("waived", "keys_since", "failing_since"),
    "built_queue_intervals": ("calls_answered_with_known_wait",),
}


def clean_up(live: Live) -> str:
    plan = live.plan()
    with open_run(live.workspace, "clean") as run:
        run.note_rules("before", assess(live.workspace))
        clean(live.workspace, run, plan)
    return run.id


def make_older(live: Live) -> None:
    """The ledger as a version made it that knew fewer columns and one table less."""
    detach(live.workspace)
    live.rows("drop table rollcall_ops.catalogue_snapshots")
    for table, columns in OLDER.items():
        for column in columns:
            live.rows(f"alter table rollcall_ops.{table} drop column {column}")


def columns_of_ledger(live: Live) -> set[tuple[str, str]]:
    columns = "select table_name, column_name from information_schema.columns where table_schema = %s"
    return set(live.rows(columns, "rollcall_ops"))


@pytest.mark.medium
def test_an_older_ledger_is_completed_and_everything_works_on_it(live: Live) -> None:
    live.migrate()
    first = clean_up(live)
    columns, rows = columns_of_ledger(live), live.rows("select count(*) from rollcall_ops.changes")
    make_older(live)

    with pytest.raises(
        EvaluationError, match=r"earlier version: .*rollcall_ops.runs.* lack columns.*migrate"
    ):
        past_runs(live.workspace)
    assessment = assess(live.workspace)
    (rule,) = [rule for rule in assessment.rules if rule.name == "missing_own_object"]
    assert {"rollcall_ops.runs.undoes", "rollcall_ops.changes.as_planned"} < set(rule.keys)

    result = live.migrate()

    assert result.skipped == []
    assert {"rollcall_ops.rule_results.waived", "rollcall_ops.catalogue_snapshots"} < set(result.executed)
    assert columns_of_ledger(live) == columns
    assert live.pending() == []
    assert live.rows("select count(*) from rollcall_ops.changes") == rows
    second = clean_up(live)
    runs = with_failures(live.workspace, past_runs(live.workspace))
    assert [run["run_id"] for run in runs if run["command"] == "clean"] == [second, first]
    for run_id in (first, second):
        verify(live.workspace, run_id)
    assess(live.workspace, details=True)
    # old rows say nothing that was not known then; new ones have what is declared
    outcomes = "select run_id = %s, count(started_at) > 0 from rollcall_ops.statements group by 1 order by 1"
    assert live.rows(outcomes, result.run_id) == [(False, False), (True, True)]
    assert live.rows("select distinct waived from rollcall_ops.rule_results where run_id = %s", first) == [
        (0,)
    ]


@pytest.mark.medium
def test_clean_completes_it_too(live: Live) -> None:
    live.migrate()
    make_older(live)
    run_id = clean_up(live)
    assert verify(live.workspace, run_id).holds
    assert live.rows(
        "select count(*) > 5 from rollcall_ops.statements where run_id = %s and outcome = 'done'", run_id
    ) == [(True,)]


@pytest.mark.medium
def test_a_reader_of_the_ledger_is_waited_for_and_named(live: Live) -> None:
    live.migrate()
    make_older(live)
    with live.reader("select * from rollcall_ops.runs") as pid:
        with pytest.raises(Refused, match=rf"rollcall_ops\.runs\.\w+\): .*server process {pid} "):
            live.impatient().migrate()
        with contextlib.closing(live.connect()) as other:  # no session is left queueing
            other.execute("set statement_timeout = '1s'")
            other.execute("select count(*) from rollcall_ops.runs")
    live.migrate()
    assert live.pending() == []


@pytest.mark.parametrize(
    ("ddl", "reason"),
    [
        ("create table rollcall_ops.runs (id int)", "it has no column run_id, which is its key"),
        (
            "create table rollcall_ops.runs (run_id int primary key)",
            "run_id is of the type int4 and not text",
        ),
        (
            "create view rollcall_ops.runs as select 1 as one",
            "a relation of that name exists and is no table",
        ),
    ],
)
def test_what_is_not_ours_is_never_completed(live: Live, ddl: str, reason: str) -> None:
    live.rows("create schema rollcall_ops")
    live.rows(ddl)
    columns = columns_of_ledger(live)
    with pytest.raises(Refused, match=f"in the place of our ledger: rollcall_ops.runs: .*{reason}"):
        live.migrate()
    assert columns_of_ledger(live) == columns
    (rule,) = [rule for rule in assess(live.workspace).rules if rule.name == "conflicting_own_object"]
    assert (rule.violations, rule.keys) == (1, ("rollcall_ops.runs",))


def test_a_column_is_added_as_it_is_declared_but_for_what_old_rows_cannot_have() -> None:
    declared = RollcallRelation(
        "rollcall_ops",
        "runs",
        "table",
        """
        create table rollcall_ops.runs (
            run_id text primary key,
            sure boolean not null default false,
            unsure bigint not null,
            at timestamptz not null default clock_timestamp(),
            plan text references rollcall_ops.plans
        )
        """,
        None,
    )
    alter = "ALTER TABLE rollcall_ops.runs ADD COLUMN"
    assert missing_columns(declared, {"run_id": "text"}) == {
        "sure": f"{alter} sure boolean NOT NULL DEFAULT false",
        "unsure": f"{alter} unsure bigint",
        "at": f"{alter} at timestamptz, ALTER COLUMN at SET DEFAULT clock_timestamp()",
        "plan": f"{alter} plan text REFERENCES rollcall_ops.plans",
    }


@pytest.mark.medium
def test_two_runs_do_not_complete_it_twice(live: Live) -> None:
    live.migrate()
    make_older(live)
    with open_run(live.workspace, "clean") as run:
        assert len(run.made) == 1 + sum(map(len, OLDER.values()))
    with open_run(live.workspace, "clean") as run:
        assert run.made == []
    with pytest.raises(psycopg.errors.DuplicateColumn):
        live.rows("alter table rollcall_ops.runs add column undoes text")
