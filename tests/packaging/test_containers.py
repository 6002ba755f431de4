"""`Dockerfile` and `compose.yaml`: sound, without a secret, closed to other machines. Nothing is started."""

from __future__ import annotations

import fnmatch
import re
import shlex
import subprocess
import sys
import tomllib
from typing import Any

import yaml

from rollcall.cli import app
from tests.support.paths import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SECRET = re.compile(r"PASSWORD|AUTH_STRING")


def instructions() -> list[list[str]]:
    """Each instruction of the Dockerfile, as words; continued lines are joined."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [shlex.split(line) for line in lines if line.strip()]


def test_the_compose_file_agrees_with_the_schema() -> None:
    command = ["check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(ROOT / "compose.yaml")]
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_runs_as_an_ordinary_user_on_a_supported_python() -> None:
    parsed = instructions()
    final = parsed[max(n for n, words in enumerate(parsed) if words[0] == "FROM") :]
    users = [words[1] for words in final if words[0] == "USER"]
    assert users, "root is the default"
    assert int(users[-1]) > 0
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    first, beyond = (int(minor) for minor in re.findall(r"3\.(\d+)", project["requires-python"]))
    for image in (words[1] for words in parsed if words[0] == "FROM"):
        minor = re.fullmatch(r"python:3\.(\d+)-slim-\w+", image)
        assert minor is not None
        assert first <= int(minor[1]) < beyond


def test_what_the_image_is_made_from_is_there_and_not_ignored() -> None:
    allowed = [
        line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] == "!"
    ]
    copied = [words[1:-1] for words in instructions() if words[0] == "COPY" and words[1] != "--from=build"]
    for name in (name for names in copied for name in names if name != "."):
        assert (ROOT / name).exists()
        assert name in allowed
    project = yaml.safe_load((ROOT / "dbt_project.yml").read_text("utf-8"))
    paths = {path for key in project if key.endswith("-paths") for path in project[key]}
    files = {"dbt_project.yml", "prefect.yaml", "automations.yaml", "setup.py"}
    needed = {"rollcall", "flows", "expectations", *files, *paths}
    assert needed <= set(allowed)
    assert not any(fnmatch.fnmatch(".env", pattern) for pattern in allowed)
    assert not {"tests", "docs", ".git"} & set(allowed)


def test_no_secret_has_a_value_in_the_files() -> None:
    """Each comes from the environment, and a missing one stops `docker compose up`."""
    for service in COMPOSE["services"].values():
        for name, value in service.get("environment", {}).items():
            if SECRET.search(name):
                assert re.fullmatch(r"\$\{[A-Z_]+:\?.+\}", value), name
    assert not any(words[0] in ("ENV", "ARG") and SECRET.search(" ".join(words)) for words in instructions())
    ignored = subprocess.run(["git", "check-ignore", "-q", ".env"], cwd=ROOT, check=False)
    assert ignored.returncode == 0


def test_no_service_is_open_to_other_machines() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    server = COMPOSE["services"]["prefect"]["environment"]
    assert "*" not in server["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"]
    assert not any(name.startswith(("PG", "ROLLCALL_")) for name in server), "the server knows no database"


def test_the_services_run_commands_that_exist() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    program, command = COMPOSE["services"]["worker"]["command"]
    assert program == "rollcall"
    assert command in names
    assert COMPOSE["services"]["worker"]["environment"]["PREFECT_API_AUTH_STRING"].startswith(
        "${PREFECT_AUTH"
    )
