"""Style and types, as part of `make test`: each tool as `make lint` runs it."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.support.paths import ROOT


@pytest.mark.parametrize("target", ["lint-python", "lint-types", "lint-imports", "lint-sql"])
def test_lint(target: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
    done = subprocess.run(
        ["make", "--no-print-directory", target],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"make {target}:\n{done.stdout}", pytrace=False)
