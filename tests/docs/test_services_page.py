"""The services on `docs/services.md` can be parsed, and their commands are those of the command line."""

from __future__ import annotations

import configparser
import re
import shlex
from typing import Any

import pytest
import yaml
from typer.main import get_command

from rollcall.cli import app
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "services.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def units() -> dict[str, configparser.ConfigParser]:
    """The systemd units, by name."""
    found = {}
    for block in blocks("ini"):
        name = re.match(r"# /etc/systemd/system/(\S+)\n", block)
        assert name is not None
        unit = configparser.ConfigParser(interpolation=None)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read_string(block)
        found[name[1]] = unit
    return found


def cron_jobs() -> list[dict[str, Any]]:
    return [yaml.safe_load(block) for block in blocks("yaml")]


def starts_of_units() -> list[str]:
    return [unit["Service"]["ExecStart"] for unit in units().values() if "Service" in unit]


def commands() -> list[list[str]]:
    """The words of each command after the program."""
    lines = [line for block in blocks("cron") for line in block.splitlines()]
    cron = [line.split(None, 6) for line in lines if not re.match(r"\w+=", line)]
    assert all(fields[5] == "rollcall" for fields in cron)
    starts = [text for text in starts_of_units() if "/rollcall " in text]
    jobs = [
        container["command"]
        for job in cron_jobs()
        for container in job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    ]
    found = [shlex.split(text) for text in [*(fields[6] for fields in cron), *starts]] + jobs
    assert all(words[0].rpartition("/")[2] == "rollcall" for words in found)
    return [words[1:] for words in found]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_each_command_is_one_of_the_command_line(words: list[str]) -> None:
    known = get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    context = known.make_context(words[0], words[1:])
    assert context.args == []


def test_no_service_repairs_beside_itself_or_without_the_breaker() -> None:
    cleaning = [words for words in commands() if words[0] == "clean"]
    assert len(cleaning) >= 3
    assert all("--unattended" in words for words in cleaning)
    assert [job["spec"]["concurrencyPolicy"] for job in cron_jobs()] == ["Forbid"]
    assert {name.partition(".")[0] for name in units()} == {
        "prefect-server",
        "rollcall-clean",
        "rollcall-trigger",
        "rollcall-worker@",
    }


def test_the_units_of_prefect_start_what_the_recipe_is_tested_with() -> None:
    recipe = (ROOT / "tests" / "support" / "production.py").read_text("utf-8")
    starts = [text.split() for text in starts_of_units() if "/prefect " in text]
    assert len(starts) == 2
    for _, *words in starts:
        tested = [word for word in words if not word.startswith(("127.", "4200", "%", "rollcall"))]
        assert all(f'"{word}"' in recipe for word in tested), words


def test_no_service_has_a_secret_or_root() -> None:
    for unit in units().values():
        if "Service" in unit:
            service = unit["Service"]
            assert service["User"] in ("rollcall", "prefect")
            names = {word.partition("=")[0] for word in service["Environment"].split()}
            assert names <= {"ROLLCALL_STATE_DIR", "PREFECT_HOME"}
    for job in cron_jobs():
        pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert not any("env" in container for container in pod["containers"])
