"""Doctor recognises the tool that owns the schema by its bookkeeping table."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rollcall.steps.plan.tools import Tool
from tests.support.clinic import Clinic

# as each tool makes it; the first name is the table
BOOKKEEPING = {
    Tool.PRISMA: 'public."_prisma_migrations" (id text, checksum text, migration_name text)',
    Tool.DRIZZLE: "drizzle.__drizzle_migrations (id serial, hash text not null, created_at bigint)",
    Tool.TYPEORM: "public.migrations (id serial, timestamp bigint not null, name varchar not null)",
    Tool.DJANGO: "public.django_migrations (id bigint, app text, name text, applied timestamptz)",
    Tool.RAILS: "public.ar_internal_metadata (key varchar, value varchar, created_at timestamp)",
    Tool.ALEMBIC: "public.alembic_version (version_num varchar(32) not null)",
    Tool.FLYWAY: "crm.flyway_schema_history (installed_rank integer, version text, checksum integer)",
}
SYNC = {
    Tool.PRISMA: "prisma db push",
    Tool.DRIZZLE: "drizzle-kit push",
    Tool.TYPEORM: "synchronize: true of TypeORM",
}
FOREIGN = (
    "public.migrations (id serial, migration varchar, batch integer)",  # Laravel
    "public.schema_migrations (version bigint, dirty boolean)",  # golang-migrate
)


def create(situation: Callable[..., None], table: str) -> None:
    schema = table.split(".")[0]
    if schema != "public":
        situation(f"create schema {schema}", f"drop schema {schema}")
    situation(f"create table {table}", f"drop table {table.split(' (')[0]}")


@pytest.mark.medium
@pytest.mark.parametrize("tool", Tool)
def test_the_export_for_the_tool_is_named(clinic: Clinic, situation: Callable[..., None], tool: Tool) -> None:
    create(situation, BOOKKEEPING[tool])
    found = clinic.found()
    (line,) = found.pop("migration_tool").found
    assert line.endswith(f"export with `rollcall plan --export {tool}`")
    assert BOOKKEEPING[tool].split(" (")[0].replace('"', "") in line
    modes = found.pop("sync_mode").found if tool in SYNC else ()
    assert list(modes) == ([SYNC[tool]] if tool in SYNC else [])
    assert found == {}


@pytest.mark.parametrize("table", FOREIGN)
def test_a_table_of_another_tool_is_not_taken_for_one(
    clinic: Clinic, situation: Callable[..., None], table: str
) -> None:
    create(situation, table)
    assert clinic.found() == {}
