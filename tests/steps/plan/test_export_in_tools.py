"""The export, executed by the tool itself: afterwards the tool finds no difference.

Each project makes the application's tables with its own migrations. One database then gets the exported
migration from the tool, and another one gets the objects from `rollcall migrate` and is marked as applied.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from rollcall.servers.postgres import PostgresServer
from rollcall.steps.plan.tools import Tool
from tests.support.command import rollcall
from tests.support.foreign_tools import ForeignTool
from tests.support.postgres import fresh_database

pytestmark = pytest.mark.slow

SOURCES = Path(__file__).with_name("foreign")
STEP = re.compile(r"```\n(.*?)\n```", re.DOTALL)


class Project:
    """A project of a tool. models: the file of the models; vars: of Rollcall."""

    tool: Tool
    models: str
    vars = "{}"

    def __init__(self, folder: Path, url: str, state: Path) -> None:
        self.at = ForeignTool(self.tool, folder, url)
        self.state = state
        state.mkdir()
        source = SOURCES / self.tool
        for path in source.rglob("*.*"):
            self.at.write(str(path.relative_to(source)).removesuffix(".txt"), path.read_text("utf-8"))

    def rollcall(self, *arguments: str) -> str:
        done = rollcall(*arguments, url=self.at.url, state=self.state, ROLLCALL_VARS=self.vars)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def export(self) -> None:
        """Write the export, and copy and paste it as the guide says."""
        self.exported = self.at.folder / "exported"
        self.rollcall("plan", "--export", self.tool, "--export-folder", str(self.exported))
        self.guide = (self.exported / "ROLLCALL.md").read_text("utf-8")

    def copied(self, source: str, target: str) -> None:
        for path in (self.exported / source).iterdir():
            shutil.copy(path, self.at.folder / target / path.name)

    def paste(self, snippet: str) -> None:
        """Paste the columns and the indexes of the export into the models."""
        model = (self.exported / snippet).read_text("utf-8")
        columns, _, indexes = model.partition("indexes\n// on ")
        text = (self.at.folder / self.models).read_text("utf-8")
        text = re.sub(r"(//|#) PASTE COLUMNS", lambda _: columns, text)
        for block in indexes.split("// on "):
            table, _, lines = block.partition("\n")
            text = text.replace(f"// PASTE INDEXES {table}", f"{lines}\n// PASTE INDEXES {table}")
        self.at.write(self.models, text)

    def pending(self) -> list[str]:
        """The objects of the application that Rollcall misses."""
        statements = json.loads(self.rollcall("plan", "--json"))["statements"]
        return [item["object"] for item in statements if item["kind"] in ("column", "comment", "index")]

    def make(self) -> None:
        """Create the project and the application's tables."""
        raise NotImplementedError

    def migrate(self) -> None:
        raise NotImplementedError

    def mark_as_applied(self) -> None:
        raise NotImplementedError

    def assert_same(self) -> None:
        """The tool finds no difference between the models and the database, and nothing left to migrate."""
        raise NotImplementedError


class DjangoProject(Project):
    tool = Tool.DJANGO
    models = "centre/models.py"
    vars = "{agents_table: centre_agent, sessions_table: centre_agentsession, calls_table: centre_call}"

    def make(self) -> None:
        self.django("makemigrations", "centre")
        self.django("migrate")

    def django(self, *arguments: str) -> str:
        return self.at.run("python", "-m", "django", *arguments, "--settings=settings", "--pythonpath=.")

    def export(self) -> None:
        super().export()
        self.paste("models.py")
        self.copied("migrations", "centre/migrations")

    def migrate(self) -> None:
        assert "create index concurrently" in self.django("sqlmigrate", "centre", "0003")
        self.django("migrate")

    def mark_as_applied(self) -> None:
        (command,) = STEP.findall(self.guide)
        assert command == "python manage.py migrate --fake centre"
        self.django(*command.split()[2:])

    def assert_same(self) -> None:
        assert "No changes detected" in self.django("makemigrations", "--check", "--dry-run")
        self.django("migrate", "--check")


class AlembicProject(Project):
    tool = Tool.ALEMBIC
    models = "models.py"

    def make(self) -> None:
        self.at.run("alembic", "init", "migrations")
        self.env = (self.at.folder / "env.py").read_text("utf-8")
        self.at.write("migrations/env.py", self.env)
        self.at.run("alembic", "revision", "--autogenerate", "-m", "tables")
        self.at.run("alembic", "upgrade", "head")

    def export(self) -> None:
        super().export()
        self.paste("models.py")
        functions = (self.exported / "env.py").read_text("utf-8")
        options = "include_name=include_name, include_object=include_object,"
        env = self.env.replace("# PASTE FUNCTIONS", functions).replace("# PASTE OPTIONS", options)
        self.at.write("migrations/env.py", env)
        self.copied("versions", "migrations/versions")

    def migrate(self) -> None:
        assert "CREATE INDEX CONCURRENTLY" in self.at.run("alembic", "upgrade", "head", "--sql").upper()
        self.at.run("alembic", "upgrade", "head")

    def mark_as_applied(self) -> None:
        (command,) = STEP.findall(self.guide)
        self.at.run(*command.split())

    def assert_same(self) -> None:
        assert "No new upgrade operations detected" in self.at.run("alembic", "check")


class TypeormProject(Project):
    tool = Tool.TYPEORM
    models = "entities.ts"

    def make(self) -> None:
        self.at.write(
            "tsconfig.json", '{"compilerOptions": {"experimentalDecorators": true, "target": "es2022"}}'
        )
        (self.at.folder / "migrations").mkdir()
        self.build()
        self.typeorm("schema:sync")

    def build(self) -> None:
        files = ["entities.ts", *(f"migrations/{path.name}" for path in self.at.folder.glob("migrations/*"))]
        self.at.run("esbuild", *files, "--outdir=out", "--outbase=.", "--format=cjs", "--platform=node")

    def typeorm(self, *arguments: str) -> str:
        return self.at.run("typeorm", arguments[0], "-d", "source.js", *arguments[1:])

    def export(self) -> None:
        super().export()
        self.copied("migrations", "migrations")
        self.paste("entity.ts")
        self.build()

    def migrate(self) -> None:
        self.typeorm("migration:run", "--transaction", "each")

    def mark_as_applied(self) -> None:
        (command,) = STEP.findall(self.guide)
        assert command.startswith("npx typeorm migration:run -d DATA_SOURCE ")
        self.typeorm("migration:run", *command.split()[5:])

    def assert_same(self) -> None:
        assert "Your schema is up to date" in self.typeorm("schema:log")
        assert "[ ]" not in self.typeorm("migration:show")


class DrizzleProject(Project):
    tool = Tool.DRIZZLE
    models = "schema.ts"

    def make(self) -> None:
        self.at.run("drizzle-kit", "generate", "--name", "tables")
        self.at.run("drizzle-kit", "migrate")

    def export(self) -> None:
        super().export()
        self.paste("schema.ts")
        self.at.run("drizzle-kit", "generate", "--name", "rollcall")
        shutil.copy(self.exported / "migration.sql", self.at.folder / "drizzle" / "0001_rollcall.sql")

    def migrate(self) -> None:
        builds = (self.exported / "indexes.sql").read_text("utf-8")
        with psycopg.connect(self.at.url, autocommit=True) as connection:
            for statement in re.findall("^create index concurrently[^;]*", builds, re.MULTILINE):
                connection.execute(statement)
        self.at.run("drizzle-kit", "migrate")

    def mark_as_applied(self) -> None:
        (statement,) = re.findall(r"```sql\n(.*?)\n```", self.guide, re.DOTALL)
        journal = json.loads((self.at.folder / "drizzle" / "meta" / "_journal.json").read_text("utf-8"))
        with psycopg.connect(self.at.url, autocommit=True) as connection:
            connection.execute(statement.replace("WHEN", str(journal["entries"][1]["when"])))
        self.at.run("drizzle-kit", "migrate")

    def assert_same(self) -> None:
        assert "No schema changes" in self.at.run("drizzle-kit", "generate")
        assert "No changes detected" in self.at.run("drizzle-kit", "push", "--strict")


@contextmanager
def copy_of(server: PostgresServer, url: str) -> Iterator[str]:
    """The URL of a database with the same content."""
    with fresh_database(server) as copied:
        name, original = (psycopg.conninfo.conninfo_to_dict(one)["dbname"] for one in (copied, url))
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            connection.execute(f'drop database "{name}"')  # type: ignore[arg-type]
            connection.execute(f'create database "{name}" template "{original}"')  # type: ignore[arg-type]
        yield copied


@pytest.mark.parametrize("kind", [DjangoProject, AlembicProject, TypeormProject, DrizzleProject])
def test_the_tool_finds_no_difference(
    server: PostgresServer, database: str, tmp_path: Path, kind: type[Project]
) -> None:
    project = kind(tmp_path / "project", database, tmp_path / "state")
    project.make()
    with copy_of(server, database) as other:
        assert len(project.pending()) == 11
        project.export()
        project.migrate()
        assert project.pending() == []
        project.assert_same()
        project.rollcall("migrate")
        project.assert_same()

        project.at.url = other
        project.rollcall("migrate")
        project.mark_as_applied()
        assert project.pending() == []
        project.assert_same()
