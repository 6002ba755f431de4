"""The command beside cron, daemons, full disks, loose umasks and signals: the work is done and recorded."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rollcall.process.files import replaced_file
from rollcall.process.lifetime import Terminated, ending_on_signals
from rollcall.process.streams import TolerantStream
from rollcall.settings.configuration import PROJECT_DIRECTORY
from rollcall.steps import flags
from tests.support.command import heed_signals, rollcall
from tests.support.floor import Floor
from tests.support.waiting import PATIENCE, until

COMMAND = f"exec {shlex.quote(sys.executable)} -m rollcall"
HINT = "rollcall: standard output could not be written: "


def environment(floor: Floor, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "ROLLCALL_DATABASE_URL": floor.url,
        "ROLLCALL_STATE_DIR": str(floor.workspace.settings.state_directory),
        **more,
    }


def shell(floor: Floor, script: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours as a shell does, with its redirections."""
    return subprocess.run(
        ["bash", "-c", script],
        env=environment(floor, **more),
        cwd=PROJECT_DIRECTORY,
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )


# --- standard output ------------------------------------------------------------------------------


@pytest.mark.medium
@pytest.mark.parametrize(
    ("as_json", "redirection", "loss"),
    [
        ("", ">&-", None),
        (" --json", "<&- >&- 2>&-", None),
        ("", ">/dev/full", "No space left on device"),
        (" --json", ">/dev/full", "No space left on device"),
        (" --json", ">/dev/full 2>&1", None),
        ("", "> >(:)", None),
    ],
)
def test_output_that_cannot_be_written_ends_no_work(
    floor: Floor, as_json: str, redirection: str, loss: str | None
) -> None:
    session = floor.session()
    done = shell(floor, f"{COMMAND} clean{as_json} {redirection}")
    assert done.returncode == 0, done.stderr
    assert floor.row(session)["status"] == "offline"
    assert floor.rows("select changed, failure from rollcall_ops.runs") == [(1, None)]
    assert "fault" not in done.stderr
    assert "Traceback" not in done.stderr
    if loss is not None:
        assert f"{HINT}{loss}" in done.stderr


def test_a_character_that_the_output_cannot_hold_is_escaped() -> None:
    """The rest of the output must not be lost for it."""
    written = io.BytesIO()
    stream = TolerantStream(io.TextIOWrapper(written, encoding="ascii"))
    stream.write("before é")
    stream.write(" after")
    stream.flush()
    assert stream.lost is None
    assert written.getvalue() == b"before \\xe9 after"


@pytest.mark.medium
@pytest.mark.parametrize(
    ("command", "redirection"),
    [("assess", ">&-"), ("assess --json", ">/dev/full"), ("history", ">/dev/full")],
)
def test_the_exit_code_is_that_of_the_work(floor: Floor, command: str, redirection: str) -> None:
    floor.session()
    usual = rollcall(*command.split(), url=floor.url, state=floor.workspace.settings.state_directory)
    done = shell(floor, f"{COMMAND} {command} {redirection}")
    assert done.returncode == usual.returncode, done.stderr
    assert "fault" not in done.stderr


def test_an_error_is_still_said_when_standard_output_is_closed(floor: Floor) -> None:
    done = shell(floor, f"{COMMAND} assess --vars '{{no_such: 1}}' >&-")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "Unknown var no_such" in done.stderr


# --- files ----------------------------------------------------------------------------------------


def loose_below(*folders: Path) -> list[str]:
    """Files and folders that other accounts may use, with their modes."""
    return [
        f"{stat.S_IMODE(path.stat().st_mode):o} {path}"
        for folder in folders
        for path in folder.rglob("*")
        if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]


@pytest.mark.slow
def test_files_are_their_owners_alone_whatever_the_umask(floor: Floor, tmp_path: Path) -> None:
    """What `plan` and `assess` write, and the compiled project; the slow test has the rest."""
    floor.session()
    state, made = tmp_path / "state", tmp_path / "made"
    (state / "compiled").mkdir(parents=True, mode=0o700)  # not the folder that the tests share
    made.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        planned = rollcall(
            "plan", "--out", f"{made}/plan.jsonl", "--sql", f"{made}/plan.sql", url=floor.url, state=state
        )
        judged = rollcall(
            *("assess", "--report", f"{made}/report", "--junit", f"{made}/junit.xml"),
            *("--markdown", f"{made}/summary.md"),
            url=floor.url,
            state=state,
        )
    finally:
        os.umask(before)
    assert planned.returncode == 0, planned.stderr
    assert judged.returncode in (10, 11), judged.stderr  # another test may have run the migration
    assert loose_below(state, made) == []
    names = {path.name for path in made.rglob("*")}
    assert {"plan.jsonl", "plan.sql", "index.html", "junit.xml", "summary.md"} <= names
    assert list(state.glob("compiled/*/*.json"))


@pytest.mark.slow
def test_files_and_folders_are_their_owners_alone_whatever_the_umask(floor: Floor, tmp_path: Path) -> None:
    floor.session()
    state, made = tmp_path / "state", tmp_path / "made"
    made.mkdir(mode=0o755)
    script = (
        f"umask 000; ({COMMAND} plan --out {made}/plan.jsonl --sql {made}/plan.sql) && "
        f"({COMMAND} run --yes) ; {COMMAND} assess --report {made}/report --junit {made}/junit.xml"
        f" --markdown {made}/summary.md"
    )
    done = shell(floor, script, ROLLCALL_STATE_DIR=str(state))
    assert done.returncode in (0, 10), done.stdout + done.stderr
    assert loose_below(state, made) == []
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    names = {path.name for folder in (state, made) for path in folder.rglob("*")}
    assert {"plan.jsonl", "plan.sql", "prefect.db", "index.html", "junit.xml", "summary.md"} <= names


def test_a_plan_over_an_old_file_is_its_owners_alone_and_whole(floor: Floor, tmp_path: Path) -> None:
    floor.session()
    plan, linked, script = tmp_path / "plan.jsonl", tmp_path / "linked.jsonl", tmp_path / "plan.sql"
    for path in (plan, script):
        path.write_text("old")
        path.chmod(0o644)
    linked.symlink_to(plan)
    done = shell(floor, f"umask 000; {COMMAND} plan --out {linked} --sql {script}")
    assert done.returncode == 0, done.stderr
    assert linked.is_symlink()
    for path, beginning in ((plan, "{"), (script, "-- What Rollcall")):
        assert path.read_text().startswith(beginning)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"plan.jsonl", "linked.jsonl", "plan.sql"}


def test_a_file_whose_writing_is_interrupted_stays_as_it_was(tmp_path: Path) -> None:
    plan = tmp_path / "plan.jsonl"
    plan.write_text("old")

    def write_half() -> None:
        with replaced_file(plan) as file:
            file.write(b"half of a plan")
            file.flush()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert plan.read_text() == "old"
    assert list(tmp_path.iterdir()) == [plan]


# --- signals --------------------------------------------------------------------------------------


@contextlib.contextmanager
def held_clean_up(floor: Floor, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A clean-up that waits, because a person has paused it, and that has recorded its run."""
    floor.session()
    flags.switch(floor.workspace, "pause_cleaning", on=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "rollcall", "clean"],
        env=environment(floor),
        cwd=PROJECT_DIRECTORY,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )
    try:
        until(lambda: bool(floor.rows("select 1 from rollcall_ops.runs where planned = 1")))
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.medium
@pytest.mark.parametrize(("name", "exit_code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_a_run_that_is_recorded(floor: Floor, name: str, exit_code: int) -> None:
    with held_clean_up(floor, preexec_fn=heed_signals) as process:
        process.send_signal(getattr(signal, name))
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == exit_code, out + err
    assert "interrupted; what was done is recorded" in err
    assert "Traceback" not in err
    assert "semaphore" not in err
    ((finished, failure, changed),) = floor.rows(
        "select finished_at is not null, failure, changed from rollcall_ops.runs where command = 'clean'"
    )
    assert (finished, changed or 0) == (True, 0)
    assert floor.changes() == []
    assert failure.startswith(("KeyboardInterrupt", "Terminated"))
    assert floor.rows("select 1 from agent_sessions where logout_at is not null") == []


def test_a_repeated_signal_does_not_interrupt_the_recording() -> None:
    """systemd and shells send SIGHUP right after the first signal."""
    recorded = []
    with ending_on_signals() as received:
        try:
            signal.raise_signal(signal.SIGTERM)
        except Terminated:
            with contextlib.suppress(Terminated):  # else a failure would end all tests, as Ctrl-C does
                signal.raise_signal(signal.SIGHUP)
                signal.raise_signal(signal.SIGTERM)
                recorded.append("the run")
    assert recorded == ["the run"]
    assert received[0] == signal.SIGTERM


@pytest.mark.medium
@pytest.mark.parametrize(
    ("name", "exit_code"), [("SIGTERM", 143), pytest.param("SIGHUP", 129, marks=pytest.mark.slow)]
)
def test_a_signal_ends_a_run_of_the_whole_line(floor: Floor, name: str, exit_code: int) -> None:
    """Also where Prefect has handlers of its own, and while the server executes a statement."""
    floor.session()
    for (index,) in floor.rows("select indexname from pg_indexes where indexname like 'rollcall\\_%'"):
        floor.rows(f'drop index if exists public."{index}"')  # another test may have run the migration
    with psycopg.connect(floor.url) as blocker:
        blocker.execute("lock table agent_sessions in row exclusive mode")
        floor.rows("select 1")
        process = subprocess.Popen(
            [sys.executable, "-m", "rollcall", "run", "--yes"],
            env=environment(floor),
            cwd=PROJECT_DIRECTORY,
            preexec_fn=heed_signals,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            waiting = (
                "select 1 from pg_stat_activity where datname = current_database() and query ilike"
                " 'create%index concurrently%' and wait_event_type = 'Lock'"
            )
            until(lambda: process.poll() is not None or bool(floor.rows(waiting)))
            assert process.poll() is None, process.communicate()
            process.send_signal(getattr(signal, name))
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
            process.communicate()
        assert process.returncode == exit_code, out + err
        assert floor.rows(waiting) == []
    assert "interrupted; what was done is recorded" in err
    assert "Traceback" not in err
    assert "semaphore" not in err
    runs = floor.rows("select finished_at is not null, failure is not null from rollcall_ops.runs")
    assert runs
    assert set(runs) == {(True, True)}


def test_nohup_is_heeded(floor: Floor) -> None:
    with held_clean_up(floor, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as process:
        process.send_signal(signal.SIGHUP)
        flags.switch(floor.workspace, "pause_cleaning", on=False)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, out + err
    assert len(floor.changes()) == 1
