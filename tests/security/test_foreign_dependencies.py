"""What Rollcall creates refers to PostgreSQL's own functions and operators; `assess` names all else."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rollcall.errors import Refused
from rollcall.ledger.ownership import seal
from rollcall.rules.results import Severity
from rollcall.sandbox.demo import Variant
from rollcall.schema.allow_list import created_objects
from rollcall.schema.declared import declared_changes
from rollcall.schema.grammar import grammar, parsed
from rollcall.steps.assess.assessment import assess
from tests.support.call_centre import call_centre
from tests.support.live_migration import TINY, Live

SHADOWS = """
create function public.to_jsonb(public.agent_sessions) returns jsonb language sql as 'select null::jsonb';
create function public.btrim(varchar) returns text immutable language sql as 'select $1::text';
create function public.lower(varchar) returns text immutable language sql as 'select $1::text';
create function public.md5(varchar) returns text immutable language sql as 'select $1::text';
create function public.coarse(integer, integer) returns boolean immutable language sql as 'select true';
create function public.blank(text, text) returns boolean immutable language sql as 'select true';
create operator public.= (leftarg = text, rightarg = text, function = public.blank);
create operator public.<> (leftarg = text, rightarg = text, function = public.blank);
create operator public.= (leftarg = integer, rightarg = integer, function = public.coarse);
"""
"""Better-fitting functions and operators, as a role with CREATE in public can make them."""

FOREIGN = """
create function public.word() returns text language sql as 'select ''x''';
create function public.sure() returns boolean language sql as 'select true';
create function public.shorter(text) returns text immutable language sql as 'select $1';
create function public.blank(text, text) returns boolean language sql as 'select true';
create operator public.= (leftarg = text, rightarg = text, function = public.blank);
create domain public.label as text;
"""

PLANTED = """
select pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0)
from pg_catalog.pg_depend as d
left join pg_catalog.pg_proc as p on d.refclassid = 'pg_proc'::regclass and p.oid = d.refobjid
left join pg_catalog.pg_operator as o on d.refclassid = 'pg_operator'::regclass and o.oid = d.refobjid
where coalesce(p.pronamespace, o.oprnamespace) = 'public'::regnamespace
    and d.classid in ('pg_rewrite'::regclass, 'pg_class'::regclass, 'pg_attrdef'::regclass)
"""


def found(live: Live) -> tuple[str, ...]:
    (rule,) = [rule for rule in assess(live.workspace).rules if rule.name == "foreign_dependency"]
    assert rule.severity is Severity.BLOCKING
    assert rule.violations == len(rule.keys)
    return rule.keys


@pytest.mark.medium
def test_planted_functions_and_operators_are_compiled_into_nothing(live: Live) -> None:
    live.rows(SHADOWS)
    (database,) = live.rows("select current_database()")[0]
    live.rows(f"alter database {database} set search_path = public, pg_catalog")
    live.migrate()
    assert live.rows(PLANTED) == []
    assert found(live) == ()
    assert live.pending() == []


@pytest.mark.medium
@pytest.mark.parametrize(
    ("planting", "named"),
    [
        (
            "create or replace view rollcall.agent_sessions as select *, public.word() from ({d}) as s",
            "view rollcall.agent_sessions uses function public.word()",
        ),
        (
            "create index rollcall_planted on public.agent_sessions (public.shorter(status))",
            "index public.rollcall_planted uses function public.shorter(text)",
        ),
        (
            "alter table public.agent_sessions alter column device_connected set default public.sure()",
            "default of public.agent_sessions.device_connected uses function public.sure()",
        ),
        (
            "create or replace view rollcall.agent_sessions as select s.* from ({d}) as s"
            " where s.status operator(public.=) 'x'",
            "view rollcall.agent_sessions uses operator public.=(text,text)",
        ),
        (
            "create or replace view rollcall.agent_sessions as select *, 'x'::public.label from ({d}) as s",
            "view rollcall.agent_sessions uses type public.label",
        ),
    ],
)
def test_what_depends_on_something_foreign_is_named(live: Live, planting: str, named: str) -> None:
    live.migrate()
    assert found(live) == ()
    live.rows(FOREIGN)
    (definition,) = live.rows("select pg_get_viewdef('rollcall.agent_sessions'::regclass)")[0]
    live.rows(planting.replace("{d}", definition.rstrip(";")))
    assert found(live) == (named,)


@pytest.mark.medium
def test_a_created_definition_that_refers_to_something_foreign_is_rolled_back(live: Live) -> None:
    live.migrate()
    live.rows(FOREIGN)
    view = "create view rollcall.routable_agents as select public.word() as agent_id"
    live.rows("drop view rollcall.routable_agents")

    def create() -> None:
        with live.workspace.database.transaction() as connection:
            connection.execute(view.encode())
            seal(connection, live.workspace.project, created_objects([view]))

    with pytest.raises(Refused, match=r"view rollcall\.routable_agents uses function public\.word\(\)"):
        create()
    assert live.rows("select to_regclass('rollcall.routable_agents')") == [(None,)]


@pytest.mark.medium
def test_a_type_of_the_application_is_not_foreign(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path, variant=Variant(status="enum"), scale=TINY)
    centre.run()
    assessment = assess(centre.workspace)
    assert [rule.keys for rule in assessment.rules if rule.name == "foreign_dependency"] == [()]
    assert assessment.pending_statements == 0


@pytest.mark.medium
@pytest.mark.parametrize(
    ("definition", "columns"),
    [
        (
            "provider = libc, locale = 'C'",
            (("agent_sessions", "id"), ("call_sessions", "id"), ("agent_sessions", "status")),
        ),
        (
            "provider = icu, locale = 'und-u-ks-level2', deterministic = false",
            (("agent_sessions", "status"), ("call_sessions", "status")),
        ),
    ],
    ids=["libc", "ignoring case"],
)
def test_a_collation_of_the_application_is_not_foreign(
    database: str, tmp_path: Path, definition: str, columns: tuple[tuple[str, str], ...]
) -> None:
    """PostgreSQL records the collation of a column with each index and view that compares it."""
    centre = call_centre(database, tmp_path, variant=Variant(keys="text", agent_keys="text"), scale=TINY)
    try:
        centre.rows(f"create collation public.own ({definition})")
    except psycopg.errors.FeatureNotSupported as error:
        pytest.skip(f"this PostgreSQL has no such collation: {error}")
    for table, column in columns:
        centre.rows(f"alter table {table} alter column {column} type text collate public.own")
    centre.run()
    assessment = assess(centre.workspace)
    assert [rule.keys for rule in assessment.rules if rule.name == "foreign_dependency"] == [()]
    assert assessment.pending_statements == 0


def test_a_scan_finds_no_unqualified_name_that_could_resolve_outside_pg_catalog(live: Live) -> None:
    """Each name in what Rollcall creates is in pg_catalog, where alone it is looked up, or qualified."""
    with contextlib.closing(psycopg.connect(live.url)) as connection:
        functions, types, operators = (
            {row[0] for row in connection.execute(query)}
            for query in (
                "select proname from pg_proc where pronamespace = 'pg_catalog'::regnamespace",
                "select typname from pg_type where typnamespace = 'pg_catalog'::regnamespace",
                "select oprname from pg_operator where oprnamespace = 'pg_catalog'::regnamespace",
            )
        )
    statements = [own.statement for own in live.workspace.project.rollcall_relations]
    with live.workspace.database.snapshot() as snapshot:
        statements += [row["statement"] for row in declared_changes(snapshot, live.workspace.project)]
    assert len(statements) > 20
    scanned = 0
    for statement in statements:
        for names, known in _names(statement, functions, types, operators):
            scanned += 1
            assert len(names) > 1 or names[0] in known, f"{names} in {statement[:80]}"
            assert len(names) == 1 or names[0] == "pg_catalog", names
    assert scanned > 200


def _names(
    statement: str, functions: set[str], types: set[str], operators: set[str]
) -> list[tuple[list[str], set[str]]]:
    """The functions, types and operators in a statement, each with what PostgreSQL has of its kind."""
    kinds = {
        "FuncCall": ("funcname", functions),
        "TypeName": ("names", types),
        "A_Expr": ("name", operators | {"BETWEEN"}),
    }
    found = []
    for _, tree in parsed(statement):
        for _, node in grammar().walk(tree):
            field, known = kinds.get(type(node).__name__, ("", set()))
            parts: Any = getattr(node, field) if field else []
            if parts:
                found.append(([part.string.sval for part in parts], known))
    return found
