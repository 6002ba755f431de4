"""Cleaning that is killed, runs twice, or loses its lease or its connection."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from rollcall.errors import LeaseHeld, Refused
from rollcall.ledger.runs import open_run
from rollcall.steps.clean.cleaning import SessionRepair, clean
from rollcall.steps.verify import verify
from tests.support.cleaning import reasons
from tests.support.floor import Between, Floor

# --- killed, twice, without a lease --------------------------------------------------------------------


@pytest.mark.parametrize(
    "step", [pytest.param(17, id="some points"), pytest.param(1, id="every point", marks=pytest.mark.slow)]
)
def test_killed_at_any_point_each_row_is_changed_once_with_its_image(floor: Floor, step: int) -> None:
    """Each child process cleans, and is killed by itself before the next message to the server."""
    workspace = floor.with_settings(first_batch_rows=2, largest_batch_rows=2)
    sessions: list[str] = []
    for point in range(1, 1_000, step):
        open_ones = floor.rows("select count(*) from agent_sessions where logout_at is null")[0][0]
        sessions += [floor.session() for _ in range(6 - open_ones)]
        was_killed = killed_at(point, lambda: floor.clean(workspace=workspace))
        assert_each_change_is_recorded(floor)
        if not was_killed:
            break
    assert point > 40
    assert sorted(key for _, key in floor.changes()) == sorted(sessions)
    assert all(floor.row(session)["status"] == "offline" for session in sessions)
    run_ids = {run for run, _ in floor.changes()}
    proofs = [verify(floor.workspace, run_id).proof for run_id in sorted(run_ids)[-3:]]
    assert all(proof is not None and proof.holds for proof in proofs)


def killed_at(point: int, what: Callable[[], Any]) -> bool:
    """Do it in a process of its own, killed (SIGKILL) before its point-th message to the server."""
    child = os.fork()
    if child == 0:
        try:
            original, seen = psycopg.Connection.wait, 0

            def wait(*arguments: Any, **named: Any) -> Any:
                nonlocal seen
                seen += 1
                if seen == point:
                    os.kill(os.getpid(), signal.SIGKILL)
                return original(*arguments, **named)

            psycopg.Connection.wait = wait  # type: ignore[method-assign]
            what()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def assert_each_change_is_recorded(floor: Floor) -> None:
    rows = floor.rows(
        """
        select s.id, s.logout_at is not null, count(c.session_id),
            bool_and(c.after_image = to_jsonb(s)) from agent_sessions as s
        left join rollcall_ops.changes as c on c.session_id = s.id::text group by s.id
        """
    )
    for _, is_closed, images, same in rows:
        assert images == (1 if is_closed else 0)
        assert same is not False


def test_a_killed_plan_can_be_executed_again_and_says_what_was_done_already(floor: Floor) -> None:
    first, second = sorted([floor.session(), floor.session()])
    plan = floor.plan()
    halves = {first: None}

    class Half:
        """The plan, as far as the killed run came."""

        def __getattr__(self, name: str) -> Any:
            return getattr(plan, name)

        def items(self) -> Any:
            return (item for item in plan.items() if item["session_id"] in halves)

    with open_run(floor.workspace, "clean") as run:
        clean(floor.workspace, run, Half())  # type: ignore[arg-type]
    result = floor.clean(plan)
    assert result.changed == 1
    assert reasons(result) == {first: f"already repaired by run {run.id}"}
    assert floor.row(second)["status"] == "offline"


@pytest.mark.medium
def test_of_two_runs_at_once_one_works_and_the_other_names_it(floor: Floor) -> None:
    session = floor.session()
    with open_run(floor.workspace, "clean"):
        with pytest.raises(LeaseHeld, match=r"server process \d+ \(rollcall"):
            floor.clean()
        assert floor.row(session)["status"] == "available"
    assert floor.clean().changed == 1


def test_a_run_that_lost_its_lease_changes_nothing_more(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection broke, another run began: the fencing token refuses the first one's next batch."""
    floor.session()
    before = floor.digest()
    plan = floor.plan()
    with open_run(floor.workspace, "clean") as run:
        floor.rows("update rollcall_ops.lease set token = token + 1")
        with pytest.raises(Refused, match="lost its lease"):
            clean(floor.workspace, run, plan)
    assert floor.digest() == before


@pytest.mark.parametrize("damage", ["lost", "in the middle of a statement"])
def test_a_failed_run_is_closed_although_its_connection_cannot_be_used(floor: Floor, damage: str) -> None:
    """An interruption may leave a statement half read; an administrator may end the connection."""
    started = []

    def fail() -> None:
        with open_run(floor.workspace, "clean") as run:
            started.append(run.id)
            if damage == "lost":
                floor.rows(f"select pg_terminate_backend({run.connection.info.backend_pid})")
            else:
                run.connection.pgconn.send_query(b"select 1")
            raise KeyboardInterrupt("a person")

    with pytest.raises(KeyboardInterrupt):
        fail()
    recorded = f"select finished_at is not null, failure from rollcall_ops.runs where run_id = '{started[0]}'"
    assert floor.rows(recorded) == [(True, "KeyboardInterrupt: a person")]
    with open_run(floor.workspace, "clean"):
        assert floor.rows("select 1") == [(1,)]


def test_the_lease_cannot_be_taken_while_a_batch_is_under_way(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor.session()
    taken: list[str] = []

    def take() -> None:
        with floor.connect() as other:
            other.execute("set lock_timeout = '100ms'")
            try:
                other.execute("update rollcall_ops.lease set token = token + 1")
                taken.append("taken")
            except psycopg.errors.LockNotAvailable:
                taken.append("refused")

    Between(monkeypatch, take)
    assert floor.clean().changed == 1
    assert taken == ["refused"]


@pytest.mark.parametrize(
    ("state", "error"),
    [("53100", psycopg.errors.DiskFull), ("25006", psycopg.errors.ReadOnlySqlTransaction)],
    ids=["a full disk", "a server that only reads"],
)
def test_without_room_for_the_images_nothing_is_changed(
    floor: Floor, monkeypatch: pytest.MonkeyPatch, state: str, error: type[psycopg.Error]
) -> None:
    """Simulated: the audit's insert fails, and with it the change. No other row would fare better."""
    for _ in range(5):
        floor.session()
    before = floor.digest()
    floor.rows(
        "create function full_disk() returns trigger language plpgsql as"
        f" $$ begin raise 'could not extend file: No space left' using errcode = '{state}'; end $$"
    )
    # while the run works: a ledger that has a trigger beforehand is refused
    Between(
        monkeypatch,
        lambda: floor.rows(
            "create trigger full_disk before insert on rollcall_ops.changes"
            " for each statement execute function full_disk()"
        ),
        "settings_of_batch",
    )
    try:
        with pytest.raises(error):
            floor.clean()
        assert floor.digest() == before
        assert floor.rows("select changed, failure from rollcall_ops.runs") == [
            (0, f"{error.__name__}: could not extend file: No space left")
        ]
    finally:
        floor.rows("drop function full_disk() cascade")
    assert floor.clean().changed == 5


def test_a_lost_connection_is_taken_up_again(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    floor.session()

    def lose() -> None:
        floor.rows(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where state = 'idle in transaction' and application_name like 'rollcall%'"
        )

    Between(monkeypatch, lose)
    assert floor.clean().changed == 1
    assert len(floor.changes()) == 1


def test_a_connection_that_is_lost_again_and_again_ends_the_run(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor.session()
    before = floor.digest()
    judge, lost = SessionRepair.judge_and_change, 0

    def lose(repair: Any, connection: Any, items: Any) -> Any:
        nonlocal lost
        lost += 1
        if lost <= 20:
            floor.rows("select pg_terminate_backend(%s)", connection.info.backend_pid)
        return judge(repair, connection, items)

    monkeypatch.setattr(SessionRepair, "judge_and_change", lose)
    with pytest.raises(psycopg.OperationalError):
        floor.clean()
    assert lost < 20
    assert floor.digest() == before
    assert floor.rows("select changed, failure is not null from rollcall_ops.runs") == [(0, True)]
