"""`make setup`: what it says when it cannot work, and that it does nothing twice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.paths import ROOT

INPUTS = ("Makefile", "pyproject.toml", "requirements.txt")
CLEAN_ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    # the outer `make test` hands its own down
    if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHON", "VIRTUAL_ENV", "PYTHONPATH")
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the set-up needs, without an environment."""
    folder = tmp_path / "a checkout"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    for name in INPUTS:
        shutil.copy(ROOT / name, folder)
    return folder


def make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder,
        env=CLEAN_ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr that is not make's."""
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def program(folder: Path, name: str, text: str) -> Path:
    """A program in shell that stands in for one of the machine's."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def python_of_version(folder: Path, version: str) -> Path:
    """A Python that says it is of another version, and makes no environment."""
    answer = f'case "$*" in *version_info*) echo {version} ;; "-m venv"*) exit 1'
    return program(folder, "python", f'{answer} ;; *) {sys.executable} "$@" ;; esac')


@pytest.fixture
def finished(checkout: Path, tmp_path: Path) -> Path:
    """A checkout whose set-up has ended well.

    The environment is made for real; pip and uv are programs that install nothing.
    """
    python = program(
        tmp_path / "bin",
        "python3",
        f"""
        [ "$1 $2" = "-m venv" ] || exec "{sys.executable}" "$@"
        "{sys.executable}" -m venv --without-pip .venv
        echo 'exit' >.venv/bin/uv && chmod +x .venv/bin/uv
        mkdir .venv/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages/pip
        """,
    )
    done = make(checkout, "setup", PYTHON=str(python))
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "setup: Ready: .venv/bin/rollcall"
    return checkout


@pytest.mark.parametrize("version", ["2.7", "3.10", "3.14", "4.0"])
def test_an_unsuitable_python_is_told_in_one_line(checkout: Path, tmp_path: Path, version: str) -> None:
    python = python_of_version(tmp_path, version)
    said = complaint(make(checkout, "setup", PYTHON=str(python)))
    assert (
        f"Rollcall needs Python 3.11 to 3.13, but {python} is Python {version}. Install one of these" in said
    )
    assert "make setup PYTHON=" in said


def test_a_python_that_does_not_exist(checkout: Path) -> None:
    said = complaint(make(checkout, "setup", "PYTHON=/no/such/python"))
    assert said.startswith("PYTHON=/no/such/python: there is no such command.")


def without_python(folder: Path) -> Path:
    """A folder with the machine's programs, but no Python."""
    folder.mkdir()
    for name in (
        "make",
        "sh",
        "dirname",
        "sed",
        "cat",
        "cksum",
        "df",
        "awk",
        "grep",
        "tail",
        "rm",
        "chmod",
        "mkdir",
    ):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


def test_no_python_at_all(checkout: Path, tmp_path: Path) -> None:
    said = complaint(make(checkout, "setup", PATH=str(without_python(tmp_path / "bin"))))
    assert said.startswith("No Python was found. Install Python 3.11")


def test_a_python_that_is_too_old_is_passed_over(checkout: Path, tmp_path: Path) -> None:
    """The first of the usual names that fits is taken, past a shim that does not work."""
    programs = without_python(tmp_path / "bin")
    program(programs, "python3.13", "exit 127")
    python_of_version(programs, "3.10").rename(programs / "python3.12")
    taken = program(
        programs,
        "python3",
        f"""case $2 in venv) echo taken >&2; exit 1 ;; esac; exec {sys.executable} "$@" """,
    )
    done = make(checkout, "setup", PATH=str(programs))
    assert "taken" in done.stderr, (done.stderr, taken)


def test_a_python_without_ensurepip(checkout: Path, tmp_path: Path) -> None:
    """Debian's, as long as python3-venv is not installed."""
    (tmp_path / "ensurepip.py").write_text("raise ImportError('No module named ensurepip')")
    python = program(tmp_path, "python3", f'PYTHONPATH="{tmp_path}" exec "{sys.executable}" "$@"')
    said = complaint(make(checkout, "setup", PYTHON=str(python)))
    assert "No module named ensurepip" in said
    assert "-venv" in said


def test_too_little_space_is_noticed_beforehand(checkout: Path, tmp_path: Path) -> None:
    df = program(
        tmp_path / "bin", "df", "echo Filesystem 1024-blocks Used Available; echo disk 9000000 8994880 5120"
    )
    said = complaint(make(checkout, "setup", PATH=f"{df.parent}:{os.environ['PATH']}"))
    assert said.startswith("The disk is full: the environment needs 1000 MB")
    assert "has 5 MB left" in said
    assert not (checkout / ".venv").exists()


def test_a_disk_that_fills_up_meanwhile(finished: Path) -> None:
    """What was made so far is not taken for finished."""
    (finished / "requirements.txt").write_text("# changed\n")
    uv = program(
        finished, ".venv/bin/uv", "echo 'error: write: No space left on device (os error 28)'; exit 2"
    )
    done = make(finished, "setup")
    assert done.stderr.splitlines()[-2].startswith("The disk is full. Free some space")
    assert done.returncode != 0
    assert is_made_anew(finished)
    assert not uv.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_writable(checkout: Path) -> None:
    checkout.chmod(0o555)
    assert "is not writable for you" in complaint(make(checkout, "setup"))


def test_pip_installs_where_uv_cannot(finished: Path) -> None:
    """uv does not know an index that only pip's configuration names."""
    (finished / "requirements.txt").write_text("# nothing\n")
    program(finished, ".venv/bin/uv", 'case $2 in sync) echo "error: no route"; exit 1 ;; esac')
    program(
        finished,
        ".venv/bin/python",
        f'case "$*" in *"pip install"*) echo "$@" >pip.log ;; *) exec {sys.executable} "$@" ;; esac',
    )
    done = make(finished, "setup")
    assert done.returncode == 0, done.stderr
    assert "setup: uv could not, trying pip: error: no route" in done.stderr
    assert "--require-hashes --requirement requirements.txt" in (finished / "pip.log").read_text()


def test_a_package_index_that_cannot_be_reached(finished: Path) -> None:
    (finished / "requirements.txt").write_text("# nothing\n")
    program(finished, ".venv/bin/uv", 'echo "error: no route."; exit 1')
    program(
        finished,
        ".venv/bin/python",
        f'case "$*" in *"pip install"*) echo ERROR: no index; exit 1 ;; esac; exec {sys.executable} "$@"',
    )
    said = make(finished, "setup").stderr
    assert "The set-up failed: ERROR: no index. Is the network, or the package index, reachable?" in said


def test_a_finished_environment_is_left_alone(finished: Path) -> None:
    before = {path: path.lstat().st_mtime_ns for path in finished.rglob("*")}
    done = make(finished, "setup")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    after = {path: path.lstat().st_mtime_ns for path in finished.rglob("*")}
    assert after == before


@pytest.mark.parametrize("changed", ["requirements.txt", "pyproject.toml"])
def test_a_changed_lock_is_installed(finished: Path, changed: str) -> None:
    path = finished / changed
    path.write_text(path.read_text() + "# changed\n")
    done = make(finished, "setup")
    assert done.returncode == 0, done.stderr
    assert [line.split(" ")[1] for line in done.stderr.splitlines()] == ["Installing", "Ready:"]
    assert make(finished, "setup").stderr == ""


def is_made_anew(checkout: Path) -> bool:
    """Whether the next set-up removes the environment and begins one."""
    # the set-up ends with the Python that it would begin with
    said = make(
        checkout,
        "setup",
        PYTHON=str(
            program(checkout.parent, "python", f"""[ "$2" = venv ] && exit 1; exec {sys.executable} "$@" """)
        ),
    ).stderr
    return "Removing an environment that is unfinished or does not fit" in said and "Making .venv" in said


def test_an_interrupted_set_up_starts_over(finished: Path) -> None:
    (finished / "requirements.txt").write_text("# changed\n")
    program(finished, ".venv/bin/uv", "kill -9 $PPID")
    assert make(finished, "setup").returncode != 0
    assert is_made_anew(finished)


def test_a_moved_checkout_starts_over(finished: Path) -> None:
    """Programs in .venv/bin name their Python in full."""
    assert is_made_anew(finished.rename(finished.with_name("moved")))


def test_another_python_starts_over(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = "3.12" if sys.version_info[:2] != (3, 12) else "3.11"
    done = make(finished, "setup", PYTHON=str(python_of_version(tmp_path / "other", other)))
    assert f"Making .venv with Python {other}" in done.stderr


def test_two_set_ups_at_once(finished: Path) -> None:
    """The second waits for the first, and then finds nothing to do."""
    (finished / "requirements.txt").write_text("# changed\n")
    program(finished, ".venv/bin/uv", "echo uv >>uv.log")
    command = ["make", "--no-print-directory", "setup"]
    both = [
        subprocess.Popen(command, cwd=finished, env=CLEAN_ENVIRONMENT, stderr=subprocess.PIPE, text=True)
        for _ in "ab"
    ]
    said = sorted(process.communicate()[1] for process in both)
    assert [process.returncode for process in both] == [0, 0], said
    assert said[0] == ""
    assert (finished / "uv.log").read_text().splitlines() == ["uv", "uv"]  # once: sync and install


def test_postgresql_variables_reach_no_target(finished: Path) -> None:
    """No command reaches production by accident; the URL that names a database on purpose is used."""
    program(finished, ".venv/bin/rollcall", 'echo "rollcall $*"\nenv')
    done = make(finished, "run", PGHOST="production", PGPASSWORD="secret", PGSERVICE="x")
    assert done.stdout.startswith("rollcall demo\n")
    assert not [line for line in done.stdout.splitlines() if line.startswith("PG")]
    done = make(finished, "run", ROLLCALL_DATABASE_URL="postgresql:///x", PGHOST="production")
    assert done.stdout.startswith("rollcall run --history\n")
    assert "ROLLCALL_DATABASE_URL=postgresql:///x\n" in done.stdout
    assert "PGHOST" not in done.stdout


def test_help_lists_the_targets(checkout: Path) -> None:
    listed = make(checkout).stdout
    for target in ("setup", "run", "test", "test-all", "lint", "docs", "bench", "lock", "clean-env"):
        assert f"make {target} " in listed


def test_every_dependency_is_explained() -> None:
    """In docs/decisions/0002-dependencies.md, one line each, and none that is gone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = project["dependencies"] + project["optional-dependencies"]["dev"]
    page = (ROOT / "docs" / "decisions" / "0002-dependencies.md").read_text()
    explained = re.findall(r"^\| `([\w-]+)` \| .+ \| .+ \|$", page, re.MULTILINE)
    assert explained == [re.split(r"[^\w-]", name)[0] for name in declared]


@pytest.mark.slow
def test_a_fresh_set_up(checkout: Path) -> None:
    """From nothing, with the package index of this machine."""
    (checkout / "README.md").touch()
    for package in ("rollcall", "flows"):
        (checkout / package).mkdir()
        (checkout / package / "__init__.py").touch()
    done = make(checkout, "setup")
    assert done.returncode == 0, done.stderr
    assert "Ready" in done.stderr
    done = make(checkout, "setup")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    python = checkout / ".venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "check"], check=True)
    subprocess.run([python, "-c", "import rollcall, flows"], check=True, cwd="/")
