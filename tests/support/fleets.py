"""A fleet for tests: its file, its environment, and what is expected of each database."""

from __future__ import annotations

import contextlib
import json
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import yaml
from psycopg.conninfo import conninfo_to_dict

from rollcall.sandbox.demo import DefectCounts, Scale
from rollcall.servers.postgres import PostgresServer
from tests.support.call_centre import call_centre, share_compilations
from tests.support.command import rollcall
from tests.support.paths import ROOT
from tests.support.postgres import fresh_database

SECRET = "Tr0ub4dor-planted"
TINY = Scale(agents=40, sessions=200, calls=400, days=10)
FREESWITCH = ROOT / "tests" / "shapes" / "freeswitch"


@dataclass
class FleetOfTests:
    """A fleet's file that grows, and the environment that it refers to."""

    server: PostgresServer
    folder: Path
    stack: contextlib.ExitStack
    entries: list[dict[str, Any]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    expected: dict[str, str | None] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        return share_compilations(self.folder / "state")

    def add(self, name: str, url: str, expected: str | None, **more: Any) -> str:
        """Add a database whose URL is in a variable. expected: its verdict, or None."""
        variable = f"URL_OF_{name.upper()}"
        self.environment[variable] = url
        self.entries.append({"name": name, "url": {"env": variable}, **more})
        self.expected[name] = expected
        return url

    def database(self) -> str:
        return self.stack.enter_context(fresh_database(self.server))

    def drop(self, name: str) -> None:
        with psycopg.connect(self.server.conninfo(), autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")

    def copies(self, count: int) -> None:
        """Add copies of the databases `ready` and `damaged`, which no session may use now."""
        for number in range(count):
            kind = "damaged" if number % 4 else "ready"
            template = conninfo_to_dict(self.environment[f"URL_OF_{kind.upper()}"])["dbname"]
            name = f"copy_{number}_{uuid.uuid4().hex[:6]}"
            with psycopg.connect(self.server.conninfo(), autocommit=True) as connection:
                connection.execute(f"create database {name} template {template}")
            self.stack.callback(self.drop, name)
            self.add(f"copy_{number}", self.server.conninfo(name), self.expected[kind])

    def with_a_wrong_password(self) -> str:
        """The URL of a role whose password the server asks for, with another one."""
        role = f"guarded_{uuid.uuid4().hex[:6]}"
        with psycopg.connect(self.server.conninfo(), autocommit=True) as connection:
            (rules,) = connection.execute("show hba_file").fetchone() or ("",)
            before = Path(rules).read_text("utf-8")
            Path(rules).write_text(f"local all {role} scram-sha-256\n{before}", "utf-8")
            connection.execute(f"create role {role} login password 'the-right-one'")
            connection.execute("select pg_reload_conf()")
        self.stack.callback(self._forget, role, Path(rules), before)
        return self.server.conninfo().replace("postgres@", f"{role}:{SECRET}@", 1)

    def _forget(self, role: str, rules: Path, before: str) -> None:
        rules.write_text(before, "utf-8")
        with psycopg.connect(self.server.conninfo(), autocommit=True) as connection:
            connection.execute("select pg_reload_conf()")
            connection.execute(f"drop role {role}")

    def sound(self, name: str) -> str:
        """A call centre that is migrated and has nothing to repair."""
        url = self.add(name, self.database(), "READY")
        centre = call_centre(url, self.state, defects=DefectCounts.sound(TINY), scale=TINY)
        centre.run()
        return url

    def damaged(self, name: str, **more: Any) -> str:
        """A call centre that is not migrated."""
        url = self.add(name, self.database(), "NEEDS_DATABASE_MIGRATION", **more)
        call_centre(url, self.state, scale=TINY)
        return url

    def run(self, *arguments: str, **fleet: Any) -> subprocess.CompletedProcess[str]:
        document = {"databases": self.entries, "retries": 0, "at_once": 2, **fleet}
        (self.folder / "databases.yml").write_text(yaml.safe_dump(document))
        return rollcall(
            "fleet",
            str(self.folder / "databases.yml"),
            "--out",
            str(self.folder / "out"),
            *arguments,
            state=self.state,
            **self.environment,
        )

    def scorecard(self) -> dict[str, dict[str, Any]]:
        document = json.loads((self.folder / "out" / "scorecard.json").read_text("utf-8"))
        return {row["name"]: row for row in document["databases"]}


def with_a_database_of_every_kind(fleet: FleetOfTests, silent_port: int) -> None:
    fleet.sound("ready")
    fleet.damaged("damaged", owner="team-north")
    unknown = fleet.add("unknown_status", fleet.database(), "NOT_READY", owner="team-south")
    call_centre(unknown, fleet.state, defects=DefectCounts.sound(TINY), scale=TINY)
    with psycopg.connect(unknown) as connection:
        connection.execute(
            "update agent_sessions set status = 'on_the_moon'"
            " where id = (select id from agent_sessions where logout_at is null limit 1)"
        )
    preset = fleet.add("preset", fleet.database(), "NEEDS_DATABASE_MIGRATION", preset="freeswitch_callcenter")
    with psycopg.connect(preset) as connection:
        connection.execute((FREESWITCH / "schema.sql").read_text("utf-8"))
    fleet.add("down", f"postgresql://agent:{SECRET}@127.0.0.1:9/calls", None)
    fleet.add("wrong_password", fleet.with_a_wrong_password(), None)
    slow = f"postgresql://agent:{SECRET}@127.0.0.1:{silent_port}/calls"
    fleet.add("silent", slow, None, deadline_seconds=2)
    fleet.entries.append({"name": "no_url", "url": {"env": "URL_THAT_IS_NOT_SET"}})
    fleet.expected["no_url"] = None
