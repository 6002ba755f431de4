"""Many databases, of every kind: one scorecard that is right for each, and no secret anywhere."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from rollcall.servers.postgres import PostgresServer
from tests.support.command import heed_signals, rollcall
from tests.support.fleets import SECRET, FleetOfTests, with_a_database_of_every_kind
from tests.support.waiting import PATIENCE, until


@pytest.fixture
def fleet(server: PostgresServer, tmp_path: Path) -> Iterator[FleetOfTests]:
    with contextlib.ExitStack() as stack:
        yield FleetOfTests(server, tmp_path, stack)


@pytest.fixture
def silent_server() -> Iterator[int]:
    """A server that takes connections and never answers. Gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.medium
def test_each_database_gets_its_verdict_whatever_the_others_do(
    fleet: FleetOfTests, silent_server: int
) -> None:
    with_a_database_of_every_kind(fleet, silent_server)
    done = fleet.run()
    assert done.returncode == 15, done.stdout + done.stderr
    card = fleet.scorecard()
    assert {name: row["verdict"] for name, row in card.items()} == fleet.expected

    assert card["damaged"]["owner"] == "team-north"
    assert card["damaged"]["pending_statements"] > 0
    assert "unknown_session_status" in {rule["rule"] for rule in card["unknown_status"]["blocked_by"]}
    assert card["ready"]["blocked_by"] == []
    assert "deadline of 2 s" in card["silent"]["problem"]
    assert "URL_THAT_IS_NOT_SET is not set" in card["no_url"]["problem"]
    assert "127.0.0.1" in card["down"]["problem"]
    assert "password authentication failed" in card["wrong_password"]["problem"]

    page = (fleet.folder / "out" / "index.html").read_text("utf-8")
    assert "1 of 8 ready" in page
    for text in (done.stdout, done.stderr, page, json.dumps(card)):
        assert SECRET not in text


@pytest.mark.medium
def test_the_trend_and_the_age_go_on_from_the_scorecard_before(fleet: FleetOfTests) -> None:
    url = fleet.sound("a")
    fleet.sound("b")
    assert fleet.run().returncode == 0
    first = fleet.scorecard()
    assert {row["trend"] for row in first.values()} == {"new"}

    with psycopg.connect(url) as connection:
        connection.execute(
            "insert into agent_sessions (id, agent_id, status, login_at, last_activity)"
            " select gen_random_uuid(), agent_id, 'available', n.then, n.then from"
            " (select min(id) as agent_id from agents where is_active) as a,"
            " (select localtimestamp - interval '2 days' as then) as n"
        )
    assert fleet.run("--only", "a").returncode == 14
    second = fleet.scorecard()
    assert (second["a"]["verdict"], second["a"]["trend"]) == ("NEEDS_SESSION_CLEANUP", "worse")
    assert second["a"]["since"] > first["a"]["since"]
    assert second["b"] == first["b"]  # was not judged now

    fleet.environment["URL_OF_B"] = "postgresql://127.0.0.1:9/calls"
    assert fleet.run("--clean").returncode == 15
    third = fleet.scorecard()
    assert (third["a"]["verdict"], third["a"]["trend"]) == ("READY", "better")
    assert third["a"]["cleaned"]["changed"] == 1
    assert (third["b"]["verdict"], third["b"]["last_verdict"]) == (None, "READY")
    assert third["b"]["judged_at"] == first["b"]["judged_at"]
    assert third["b"]["trend"] == "worse"


def judged_by(process: subprocess.Popen[str]) -> list[str]:
    """The processes of a fleet that judge a database now."""
    listed = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(process.pid)],
        text=True,
        capture_output=True,
        check=False,
    )
    return [line.split()[0] for line in listed.stdout.splitlines() if "rollcall assess" in line]


def started(fleet: FleetOfTests, **document: Any) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    path = fleet.folder / "databases.yml"
    path.write_text(yaml.safe_dump({"databases": fleet.entries, **document}))
    return subprocess.Popen(
        [sys.executable, "-m", "rollcall", "fleet", str(path), "--out", str(fleet.folder / "out")],
        env={**os.environ, **fleet.environment, "ROLLCALL_STATE_DIR": str(fleet.state)},
        cwd=fleet.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_signals,
    )


@pytest.mark.slow
def test_fifty_databases_of_which_some_are_down_and_one_process_is_killed(
    fleet: FleetOfTests, silent_server: int
) -> None:
    with_a_database_of_every_kind(fleet, silent_server)
    fleet.copies(40)
    for number in range(2):
        fleet.add(f"down_{number}", f"postgresql://agent:{SECRET}@127.0.0.1:9/calls", None)

    process = started(fleet, at_once=2, retries=1, retry_pause_seconds=0)
    until(lambda: (fleet.folder / "state" / "compiled").exists() and len(judged_by(process)) == 2)
    os.kill(int(judged_by(process)[0]), signal.SIGKILL)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 15, out + err
    assert len(fleet.expected) == 50
    card = fleet.scorecard()
    assert {name: row["verdict"] for name, row in card.items()} == fleet.expected
    for text in (out, err, json.dumps(card)):
        assert SECRET not in text


@pytest.mark.medium
def test_ctrl_c_ends_every_process(fleet: FleetOfTests, silent_server: int) -> None:
    fleet.add("silent", f"postgresql://127.0.0.1:{silent_server}/calls", None)
    process = started(fleet)
    (child,) = until(lambda: judged_by(process))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert not Path("/proc", child).exists()


# --- the file ------------------------------------------------------------------------------------


def problems_of(folder: Path, document: Any) -> list[str]:
    path = folder / "databases.yml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    done = rollcall("fleet", str(path), state=folder / "state")
    assert done.returncode == 2, done.stdout + done.stderr
    assert SECRET not in done.stderr
    return [line for line in done.stderr.splitlines() if "problems in" not in line]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"url": "postgresql://db/a"}, r"database 1: name: it is missing"),
        ({"name": "a", "url": f"postgresql://u:{SECRET}@db/a"}, r"database 1 \(a\): url: .*holds a password"),
        ({"name": "a", "url": f"postgresql://db/a?password={SECRET}"}, r"url: .*holds a password"),
        ({"name": "a", "url": f"host=db password={SECRET}"}, r"url: .*holds a password"),
        ({"name": "a", "url": f"postgresql://u:{SECRET}@x@db/a"}, r"url: .*cannot be read"),
        ({"name": "a", "url": {"env": "A", "file": "b"}}, r"url: .*`env` or `file`"),
        ({"name": "a", "url": {}}, r"url: .*`env` or `file`"),
        ({"name": "A b", "url": {"env": "A"}}, r"name: it must be of small letters"),
        ({"name": "a", "url": {"env": "A-B"}}, r"the name of a variable"),
        ({"name": "a", "url": {"env": "A"}, "ownr": "x"}, r"ownr: there is no such key"),
        (
            {"name": "a", "url": {"env": "A"}, "deadline_seconds": 0},
            r"_seconds: it must be greater than 0",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, entry: dict[str, Any], said: str) -> None:
    (line,) = problems_of(tmp_path, {"databases": [entry]})
    assert re.search(said, line), line


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    entries = [{"name": "a"}, {"name": "b", "url": {"env": "B"}, "preset": 1}]
    lines = problems_of(tmp_path, {"databases": entries, "at_once": 0})
    assert [line.split(":")[0].rsplit(", ", 1)[1] for line in lines] == [
        "database 1 (a)",
        "database 2 (b)",
        "at_once",
    ]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"databases": []}, "databases: there is no database"),
        ({"databases": [{"name": "a", "url": {"env": "A"}}] * 2}, "several databases have the name a"),
        ("- a", "it has the list `databases`"),
        ("databases: [", "cannot be read: .*line 1"),
    ],
)
def test_a_file_that_is_no_fleet_is_refused(tmp_path: Path, document: Any, said: str) -> None:
    (line,) = problems_of(tmp_path, document)
    assert re.search(said, line), line


def test_a_file_that_is_not_there_and_a_name_that_is_unknown(tmp_path: Path) -> None:
    done = rollcall("fleet", str(tmp_path / "none.yml"), state=tmp_path)
    assert done.returncode == 2
    assert "none.yml cannot be read: No such file" in done.stderr
    (tmp_path / "one.yml").write_text("databases: [{name: a, url: {env: A}}]")
    done = rollcall("fleet", str(tmp_path / "one.yml"), "--only", "b", state=tmp_path)
    assert done.returncode == 2
    assert "has no database b" in done.stderr
