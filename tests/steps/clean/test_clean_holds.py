"""Cleaning that is held: by the pause flag, by waiting writers, by waits of the server."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from rollcall.database.connections import fetch
from rollcall.ledger.runs import open_run
from rollcall.steps import flags
from rollcall.steps.clean.cleaning import clean
from rollcall.steps.plan.pending_work import make_plan
from tests.support.cleaning import Listener, reasons, until_waiting
from tests.support.floor import Floor
from tests.support.waiting import PATIENCE, until


def test_a_pause_flag_holds_the_work_until_it_is_off_and_says_so(floor: Floor) -> None:
    session = floor.session()
    flags.switch(floor.workspace, "pause_cleaning", on=True)
    listener, plan = Listener(), floor.plan()
    results: list[Any] = []

    def work() -> None:
        with open_run(floor.workspace, "clean") as run:
            results.append(clean(floor.workspace, run, plan, listener))

    thread = threading.Thread(target=work)
    thread.start()
    assert listener.waits.wait(PATIENCE)
    assert listener.reasons[0] == "paused: flag pause_cleaning is on, set by postgres"
    assert floor.row(session)["status"] == "available"
    flags.switch(floor.workspace, "pause_cleaning", on=False)
    thread.join()
    assert listener.went_on.is_set()
    assert results[0].changed == 1


def test_what_holds_for_too_long_ends_the_run_and_the_rest_is_reported(floor: Floor) -> None:
    keys = {floor.session() for _ in range(3)}
    floor.rows("insert into rollcall_ops.flags (name, is_on) values ('pause_cleaning', true)")
    result = floor.clean(workspace=floor.with_settings(hold_max_minutes=0.001))
    assert set(reasons(result)) == keys
    assert all(reason.startswith("held for 0.001 minutes: paused") for reason in reasons(result).values())


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("vacuum agent_sessions", "a vacuum or an index build waits for agent_sessions"),
        (
            "lock table agent_sessions in access exclusive mode",
            "a statement waits for a lock on agent_sessions",
        ),
        (
            "lock table sessions_of_today in access exclusive mode",
            "a statement waits for a lock on agent_sessions",
        ),
    ],
    ids=["vacuum", "table", "part of the table"],
)
def test_a_session_that_waits_for_the_table_goes_first(floor: Floor, statement: str, reason: str) -> None:
    floor.rows("create table sessions_of_today () inherits (agent_sessions)")
    with floor.connect(autocommit=False) as holder, floor.connect() as waiter:
        holder.execute("lock table agent_sessions in share update exclusive mode")
        text = f"begin; {statement}; commit" if statement.startswith("lock") else statement
        thread = threading.Thread(target=lambda: waiter.execute(text))  # type: ignore[arg-type]
        thread.start()
        query = floor.workspace.project.sql("holds")
        with floor.workspace.database.connect() as connection:
            found = until(lambda: [row["reason"] for row in fetch(connection, query)])
        holder.rollback()
        thread.join()
    floor.rows("drop table sessions_of_today")
    assert found == [reason]


@pytest.mark.parametrize("where", ["in our database", "in another database", "for a lock of their own"])
def test_a_floor_that_waits_for_locks_is_left_in_peace(floor: Floor, database: str, where: str) -> None:
    """Twenty of the application's sessions wait for each other, for whatever table of its database."""
    found: dict[int, list[str]] = {}
    query = floor.workspace.project.sql("holds")
    elsewhere = Floor(database, floor.workspace)
    elsewhere.rows("create table agents ()")
    theirs = elsewhere if where == "in another database" else floor
    lock, wait = "lock table agents in access exclusive mode", "select count(*) from agents"
    if where == "for a lock of their own":
        lock = wait = "select pg_advisory_xact_lock(1)"

    def wait_for_agents() -> None:
        with theirs.connect() as waiter:
            waiter.execute(wait)  # type: ignore[arg-type]

    with theirs.connect(autocommit=False) as holder, floor.workspace.database.connect() as connection:
        holder.execute(lock)  # type: ignore[arg-type]
        waiting: list[threading.Thread] = []
        for count in (19, 20):
            while len(waiting) < count:
                waiting.append(threading.Thread(target=wait_for_agents))
                waiting[-1].start()
            until_waiting(floor, count)
            found[count] = [row["reason"] for row in fetch(connection, query)]
        holder.rollback()
    for thread in waiting:
        thread.join()
    assert found == {19: [], 20: ["20 sessions wait for locks"] if where == "in our database" else []}


@pytest.mark.medium
def test_plan_and_clean_agree_whatever_the_session_s_time_zone(floor: Floor) -> None:
    for zone in ("America/New_York", "Asia/Kolkata", "Pacific/Auckland"):
        floor.rows(f"alter role current_user set timezone = '{zone}'")
        try:
            floor.session(seen=121)
            floor.session(seen=119)
            plan = make_plan(floor.workspace)
            assert plan.change_count == 1
            assert floor.clean(plan).changed == 1
        finally:
            floor.rows("alter role current_user reset timezone")
        floor.rows("truncate agent_sessions")
