"""`history` counts what each run changed, also when it was killed: a person must know what to undo."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable

from rollcall.ledger.runs import open_run, past_runs
from rollcall.steps.batches import ProgressCallback
from rollcall.steps.clean import cleaning
from rollcall.steps.undo import undo
from tests.support.command import rollcall
from tests.support.floor import Floor


class Kill(ProgressCallback):
    """Ends the process as `kill -9` does, once so many sessions are processed."""

    def __init__(self, after: int) -> None:
        self.after = after

    def advanced(self, done: int, total: int) -> None:
        if done >= self.after:
            os.kill(os.getpid(), signal.SIGKILL)


def killed(what: Callable[[], object]) -> None:
    """Do it in a process of its own, which is killed before it ends."""
    child = os.fork()
    if child == 0:
        try:
            what()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)


def killed_clean_up(floor: Floor, after: int) -> None:
    workspace = floor.with_settings(first_batch_rows=1, largest_batch_rows=1)
    plan = floor.plan()

    def work() -> None:
        with open_run(workspace, "clean") as run:
            cleaning.clean(workspace, run, plan, Kill(after))

    killed(work)


def test_what_a_killed_clean_up_changed_is_counted(floor: Floor) -> None:
    for _ in range(3):
        floor.session()
    killed_clean_up(floor, after=2)
    (run,) = past_runs(floor.workspace)
    assert run["finished_at"] is None
    assert run["planned"] == 3
    assert run["changed"] == len(floor.changes()) == 2


def test_a_clean_up_that_was_killed_before_its_first_change_changed_nothing(floor: Floor) -> None:
    floor.session()
    floor.clean()
    floor.session()
    workspace = floor.workspace

    def work() -> None:
        with open_run(workspace, "clean") as run:
            run.note(planned=1)
            os.kill(os.getpid(), signal.SIGKILL)

    killed(work)
    assert [run["changed"] for run in past_runs(workspace)] == [0, 1]


def test_what_a_killed_undo_restored_is_counted(floor: Floor) -> None:
    for _ in range(3):
        floor.session()
    done = floor.clean()
    workspace = floor.with_settings(first_batch_rows=1, largest_batch_rows=1)
    killed(lambda: undo(workspace, done.run_id, progress=Kill(1)))
    latest, first = past_runs(floor.workspace)
    assert (latest["command"], latest["finished_at"], latest["changed"]) == ("undo", None, 1)
    assert first["changed"] == 3


def test_the_command_shows_it_and_a_run_without_a_clean_up_has_no_count(floor: Floor) -> None:
    floor.session()
    floor.session()
    with open_run(floor.workspace, "migrate"):
        pass
    killed_clean_up(floor, after=1)
    state = floor.workspace.settings.state_directory
    shown = rollcall("history", "--json", url=floor.url, state=state)
    assert shown.returncode == 0, shown.stderr
    assert [(run["command"], run["changed"]) for run in json.loads(shown.stdout)] == [
        ("clean", 1),
        ("migrate", None),
    ]
