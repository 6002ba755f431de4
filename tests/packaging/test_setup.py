"""`make setup`: what it says when it cannot work, and that it does nothing twice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import namedtuple
from pathlib import Path
from types import ModuleType

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


@pytest.fixture
def setup_environment(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script of that copy, as a module whose surroundings can be changed."""
    import importlib.util

    spec = importlib.util.spec_from_file_location(
        "setup_environment", checkout / "scripts" / "setup_environment.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv("PYTHON", raising=False)
    return module


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


def pretend_finished(setup_environment: ModuleType) -> None:
    programs = Path(setup_environment.VENV, "bin")
    programs.mkdir(parents=True, exist_ok=True)
    (programs / "python").unlink(missing_ok=True)
    (programs / "python").symlink_to(sys.executable)
    setup_environment.write(setup_environment.STAMP, setup_environment.fingerprint())


@pytest.mark.parametrize(("version", "advice"), [((3, 10), "newer"), ((3, 14), "older")])
def test_an_unsuitable_python_is_told_in_one_line(
    setup_environment: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    version: tuple[int, int],
    advice: str,
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    assert setup_environment.main([]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"Rollcall needs Python 3.11 to 3.13, but {sys.executable} is Python 3.1" in line
    assert f"an {advice} one" in line or f"a {advice} one" in line
    assert "PYTHON=" in line


def test_a_really_old_python_says_so_too(checkout: Path) -> None:
    """Not with a syntax error."""
    import ast

    source = (checkout / "scripts" / "setup_environment.py").read_text()
    ast.parse(source, feature_version=(3, 5))
    candidates = ["python3.6", "python3.7", "python3.8", "python3.9", "python3.10"]
    for old in filter(shutil.which, candidates):
        if subprocess.run([old, "-c", ""], capture_output=True, check=False).returncode == 0:
            assert "Rollcall needs Python 3.11" in complaint(make(checkout, "setup", PYTHON=old))
            break


def test_a_python_that_does_not_exist(checkout: Path) -> None:
    said = complaint(make(checkout, "setup", "PYTHON=/no/such/python"))
    assert said.startswith("PYTHON=/no/such/python: there is no such command.")


def test_no_python_at_all(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in ("make", "sh", "dirname"):
        found = shutil.which(program)
        assert found is not None
        (programs / program).symlink_to(found)
    said = complaint(make(checkout, "setup", PATH=str(programs)))
    assert "Install Python 3.11" in said


def test_a_python_without_ensurepip(checkout: Path, tmp_path: Path) -> None:
    """Debian's, as long as python3-venv is not installed."""
    (tmp_path / "ensurepip.py").write_text("raise ImportError('No module named ensurepip')")
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    said = complaint(make(checkout, "setup", PYTHON=str(python)))
    assert "No module named ensurepip" in said
    assert "-venv" in said


def test_too_little_space_is_noticed_beforehand(
    setup_environment: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 5 * 2**20))
    assert setup_environment.main([]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("The disk is full: the environment needs")
    assert "has 5 MB left" in line
    assert not Path(setup_environment.VENV).exists()


def test_a_disk_that_fills_up_meanwhile(
    setup_environment: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What was made so far is not taken for finished."""
    fails = ["sh", "-c", "echo 'error: write: No space left on device (os error 28)'; exit 2"]
    run = setup_environment.run
    monkeypatch.setattr(setup_environment, "run", lambda command: run(fails))
    assert setup_environment.main([]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("The disk is full. Free some space")
    assert not setup_environment.is_ready()
    assert setup_environment.must_start_over()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_writable(checkout: Path) -> None:
    checkout.chmod(0o555)
    assert "is not writable for you" in complaint(make(checkout, "setup"))


def test_a_finished_environment_is_left_alone(setup_environment: ModuleType) -> None:
    pretend_finished(setup_environment)
    checkout = Path(setup_environment.ROOT)
    before = {path: path.lstat().st_mtime_ns for path in checkout.rglob("*")}
    done = make(checkout, "setup")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    after = {path: path.lstat().st_mtime_ns for path in checkout.rglob("*")}
    assert after == before


@pytest.mark.parametrize("changed", ["requirements.txt", "pyproject.toml"])
def test_a_changed_lock_is_noticed(setup_environment: ModuleType, changed: str) -> None:
    pretend_finished(setup_environment)
    assert setup_environment.is_ready()
    path = Path(setup_environment.ROOT, changed)
    path.write_text(path.read_text() + "# changed\n")
    assert not setup_environment.is_ready()


def test_an_interrupted_set_up_is_noticed(setup_environment: ModuleType) -> None:
    pretend_finished(setup_environment)
    setup_environment.write(setup_environment.UNFINISHED, "")
    assert not setup_environment.is_ready()
    assert setup_environment.must_start_over()


def test_a_moved_checkout_is_noticed(setup_environment: ModuleType) -> None:
    """Programs in .venv/bin name their Python in full."""
    pretend_finished(setup_environment)
    stamp = Path(setup_environment.STAMP)
    stamp.write_text(stamp.read_text().replace(setup_environment.ROOT, "/where/it/was"))
    assert not setup_environment.is_ready()
    assert setup_environment.must_start_over()


def test_postgresql_variables_reach_no_target(checkout: Path, setup_environment: ModuleType) -> None:
    """No command reaches production by accident; the URL that names a database on purpose is used."""
    pretend_finished(setup_environment)
    rollcall = checkout / ".venv" / "bin" / "rollcall"
    rollcall.write_text('#!/bin/sh\necho "rollcall $*"\nenv\n')
    rollcall.chmod(0o755)
    done = make(checkout, "run", PGHOST="production", PGPASSWORD="secret", PGSERVICE="x")
    assert done.stdout.startswith("rollcall demo\n")
    assert not [line for line in done.stdout.splitlines() if line.startswith("PG")]
    done = make(checkout, "run", ROLLCALL_DATABASE_URL="postgresql:///x", PGHOST="production")
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
