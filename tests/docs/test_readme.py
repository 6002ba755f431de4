"""The README promises what there is: every command is in it, and every test that it names exists."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", "from rollcall.cli import main; main()", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    listed = done.stdout.split("Commands:")[1]
    return set(re.findall(r"^  (\w+)  ", listed, re.MULTILINE))


def test_every_command_is_in_the_readme_and_no_other() -> None:
    documented = set(re.findall(r"^\| `rollcall (\w+)", README, re.MULTILINE))
    assert documented == commands()


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", README))))
def test_every_test_that_the_readme_names_exists(named: tuple[str, str]) -> None:
    file, test = named
    assert re.search(rf"^def {test}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_every_promise_names_its_test() -> None:
    promises = README.split("## What it promises")[1].split("\n## ")[0]
    rows = [line for line in promises.splitlines() if re.match(r"\| \d", line)]
    assert len(rows) >= 13
    assert all("`tests/" in row for row in rows)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#h][^)]*)\)", README))))
def test_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


def test_the_picture_of_the_report_is_there_and_small() -> None:
    """`scripts/report_picture.py` takes it anew."""
    (name,) = re.findall(r"!\[[^\]]{20,}\]\((docs/images/[\w.]+)\)", README)
    picture = (ROOT / name).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 200_000
