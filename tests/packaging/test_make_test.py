"""`make test` and its larger sets: a failure of a linter or a test is shown, and pytest's summary is last."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
LINTERS = ("ruff", "mypy", "lint-imports", "sqlfluff")


def program(checkout: Path, name: str, text: str) -> None:
    """A program of the environment, in shell."""
    path = checkout / ".venv" / "bin" / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The Makefile, linters that pass, and one test that passes, beside the real `conftest.py`."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for folder in ("models", "scripts", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "scripts" / "setup.sh").touch()
    for name in LINTERS:
        program(tmp_path, name, f"echo {name} is satisfied")
    program(tmp_path, "python", f'exec {sys.executable} "$@" -n 0 -p tests.conftest -p no:cacheprovider')
    (tmp_path / "test_one.py").write_text("def test_one(): pass\n")
    return tmp_path


def make_test(checkout: Path, target: str = "test") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", target],
        cwd=checkout,
        env=ENVIRONMENT | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def summary(done: subprocess.CompletedProcess[str]) -> str:
    """The last line, without the remark of make on a failure."""
    return [line for line in done.stdout.splitlines() if not line.startswith("make: ***")][-1]


@pytest.mark.medium
def test_linters_and_tests_that_pass(checkout: Path) -> None:
    done = make_test(checkout)
    assert done.returncode == 0, done.stdout
    assert [f"{name} is satisfied" in done.stdout for name in LINTERS] == [True] * len(LINTERS)
    assert "lint failed" not in done.stdout
    assert "1 passed" in summary(done)


@pytest.mark.medium
@pytest.mark.parametrize("name", LINTERS)
def test_a_linter_that_fails(checkout: Path, name: str) -> None:
    program(checkout, name, f"echo {name} finds a fault; exit 1")
    done = make_test(checkout)
    assert done.returncode != 0
    assert f"{name} finds a fault" in done.stdout
    assert "lint failed" in done.stdout.split("test session starts")[1]
    assert "1 passed" in summary(done)


@pytest.mark.medium
def test_a_test_that_fails(checkout: Path) -> None:
    (checkout / "test_one.py").write_text("def test_one(): assert False\n")
    done = make_test(checkout)
    assert done.returncode != 0
    assert "lint failed" not in done.stdout
    assert "1 failed" in summary(done)


@pytest.mark.medium
@pytest.mark.parametrize(("target", "passed"), [("test", 1), ("test-ci", 2), ("test-all", 3)])
def test_each_set_of_tests_has_the_former_one(checkout: Path, target: str, passed: int) -> None:
    marked = "import pytest\n" + "".join(
        f"@pytest.mark.{mark}\ndef test_{mark}(): pass\n" for mark in ("medium", "slow")
    )
    (checkout / "test_two.py").write_text(marked)
    done = make_test(checkout, target)
    assert done.returncode == 0, done.stdout
    results = [int(number) for number in re.findall(r"(\d+) passed", done.stdout)]
    assert sum(results) == passed
