"""A ledger that another role has prepared is refused, and default privileges open none."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from rollcall.errors import Refused
from rollcall.ledger.runs import open_run
from rollcall.steps.assess.assessment import assess
from rollcall.steps.doctor.examination import examine
from rollcall.steps.flags import switch
from tests.support.live_migration import Live

PAYLOAD = """
create function public.payload() returns trigger language plpgsql as
$$ begin execute format('create table if not exists public.stolen_by_%s ()', current_user); return new; end $$
"""


@pytest.fixture
def attacker(live: Live) -> Iterator[str]:
    """A role that may make schemas in the database, and no more."""
    role = f"attacker_{uuid.uuid4().hex[:8]}"
    (database,) = live.rows("select current_database()")[0]
    live.rows(f"create role {role} login")
    live.rows(f"grant create on database {database} to {role}")
    live.rows(f"grant create on schema public to {role}")
    yield role
    live.rows(f"drop owned by {role} cascade")
    live.rows(f"drop role {role}")


def as_role(live: Live, role: str, *statements: str) -> None:
    with contextlib.closing(psycopg.connect(live.url, autocommit=True)) as connection:
        connection.execute(sql.SQL("set session authorization {}").format(sql.Identifier(role)))
        for statement in statements:
            connection.execute(statement.encode())


def ledger_ddl(live: Live, table: str) -> str:
    return next(own.statement for own in live.workspace.project.rollcall_relations if own.name == table)


def images(live: Live) -> int:
    (count,) = live.rows("select count(*) from pg_class where relname like 'stolen_by_%'")[0]
    return int(count)


def test_a_schema_of_another_role_is_refused_though_it_is_empty(live: Live, attacker: str) -> None:
    as_role(live, attacker, "create schema rollcall_ops")
    with pytest.raises(Refused, match=f"rollcall_ops: it belongs to {attacker}"):
        live.migrate()
    assert live.rows("select relname from pg_class where relnamespace = 'rollcall_ops'::regnamespace") == []
    (rule,) = [rule for rule in assess(live.workspace).rules if rule.name == "conflicting_own_object"]
    assert any(attacker in key for key in rule.keys)


def test_a_prepared_table_with_a_trigger_is_refused_and_its_code_never_runs(
    live: Live, attacker: str
) -> None:
    as_role(
        live,
        attacker,
        "create schema rollcall_ops",
        ledger_ddl(live, "runs"),
        PAYLOAD,
        "create trigger payload before insert on rollcall_ops.runs for each row execute function payload()",
    )
    with (
        pytest.raises(Refused, match=r"rollcall_ops\.runs: it has the trigger payload"),
        open_run(live.workspace, "clean"),
    ):
        pass
    assert live.rows("select count(*) from rollcall_ops.runs") == [(0,)]
    assert images(live) == 0


@pytest.mark.medium
@pytest.mark.parametrize(
    ("planted", "named"),
    [
        (
            "create trigger t before insert on {t} for each row execute function payload()",
            "has the trigger t, which calls public.payload",
        ),
        ("create rule r as on insert to {t} do also select 1", "has the rule r"),
        ("alter table {t} enable row level security", "row-level security is enabled"),
        ("create policy p on {t} using (true)", "has the policy p"),
        ("create table public.heir () inherits ({t})", "inherits"),
        ("alter table {t} set unlogged", "unlogged"),
        ("alter table {t} add constraint c check (public.judge(run_id))", "has the constraint c: CHECK"),
        ("alter table {t} alter column outcome set default public.word()", r"function (public\.)?word"),
        ("alter table {t} add column x text generated always as (upper(run_id)) stored", "x is generated"),
        ("create index planted on {t} (public.shorter(run_id))", "index rollcall_ops.planted uses function"),
        ("alter table {t} alter column outcome type public.label", r"uses type (public\.)?label"),
        ("grant trigger on {t} to public", "PUBLIC holds TRIGGER on it"),
        ("alter table {t} owner to {a}", "it belongs to {a}"),
    ],
)
def test_whatever_runs_the_code_of_another_role_is_named(
    live: Live, attacker: str, planted: str, named: str
) -> None:
    live.migrate()
    live.rows(PAYLOAD)
    live.rows("create function public.judge(text) returns boolean language sql as 'select true'")
    live.rows("create function public.word() returns text language sql as 'select ''x'''")
    live.rows("create function public.shorter(text) returns text immutable language sql as 'select $1'")
    live.rows("create domain public.label as text")
    table = "rollcall_ops.statements" if "unlogged" not in planted else "rollcall_ops.skips"
    live.rows(planted.format(t=table, a=attacker))
    runs = live.rows("select count(*) from rollcall_ops.runs")
    with (
        pytest.raises(Refused, match=rf"{table}: .*{named.format(a=attacker)}"),
        open_run(live.workspace, "clean"),
    ):
        pass
    assert live.rows("select count(*) from rollcall_ops.runs") == runs
    with pytest.raises(Refused, match="not Rollcall's own"):
        switch(live.workspace, "pause_cleaning", on=True)
    (rule,) = [rule for rule in assess(live.workspace).rules if rule.name == "conflicting_own_object"]
    assert any(key.startswith(f"{table}: ") for key in rule.keys)


@pytest.mark.medium
def test_a_trigger_that_is_not_committed_yet_is_waited_for_and_seen(live: Live, attacker: str) -> None:
    live.migrate()
    live.rows(PAYLOAD)
    with contextlib.closing(live.connect("attacker")) as other:
        other.execute(
            "create trigger t before insert on rollcall_ops.runs for each row execute function payload()"
        )
        waiting = (
            "select count(*) from pg_locks where not granted and relation = 'rollcall_ops.runs'::regclass"
        )

        def commit() -> None:
            while live.rows(waiting) == [(0,)]:
                pass
            other.commit()

        thread = threading.Thread(target=commit, daemon=True)
        thread.start()
        with pytest.raises(Refused, match="has the trigger t"), open_run(live.workspace, "clean"):
            pass
        thread.join()
    assert images(live) == 0


@pytest.mark.medium
def test_default_privileges_give_nothing_of_the_ledger_away(live: Live, attacker: str) -> None:
    live.rows("alter default privileges grant all on tables to public")
    live.rows(f"alter default privileges grant all on tables to {attacker}")
    live.rows("alter default privileges grant all on schemas to public")
    live.migrate()
    with open_run(live.workspace, "clean"):
        pass
    open_tables = """
        select c.oid::regclass::text, p.privilege from pg_class as c
        cross join unnest(array['insert', 'update', 'delete', 'truncate', 'references', 'trigger'])
            as p (privilege)
        where c.relnamespace in ('rollcall'::regnamespace, 'rollcall_ops'::regnamespace)
            and c.relkind in ('r', 'v') and has_table_privilege(%s, c.oid, p.privilege)
    """
    assert live.rows(open_tables, attacker) == []
    for schema in ("rollcall", "rollcall_ops"):
        assert live.rows("select has_schema_privilege(%s, %s, 'create')", attacker, schema) == [(False,)]
    # the owner decides on SELECT: default privileges open the views, and the ledger to a named role
    readable = "select has_table_privilege(%s, %s, 'select')"
    assert live.rows(readable, attacker, "rollcall.agent_sessions") == [(True,)]
    assert live.rows(readable, attacker, "rollcall_ops.runs") == [(True,)]
    acl = "select relacl::text from pg_class where oid = 'rollcall_ops.runs'::regclass"
    assert ",=" not in live.rows(acl)[0][0].replace("{=", ",=")


@pytest.mark.medium
def test_doctor_names_the_roles_that_may_write_the_ledger(live: Live, attacker: str) -> None:
    live.migrate()
    assert "ledger_writers" not in {finding.name for finding in examine(live.workspace).findings}
    live.rows(f"grant update, insert on rollcall_ops.changes to {attacker}")
    live.rows("grant update (is_on) on rollcall_ops.flags to public")
    live.rows(f"grant create on schema rollcall to {attacker}")
    (finding,) = [found for found in examine(live.workspace).findings if found.name == "ledger_writers"]
    assert set(finding.found) == {
        f"{attacker} may insert rollcall_ops.changes",
        f"{attacker} may update rollcall_ops.changes",
        "public may update rollcall_ops.flags.is_on",
        f"{attacker} may create rollcall",
    }
    (rule,) = [rule for rule in assess(live.workspace).rules if rule.name == "ledger_writers"]
    assert set(rule.keys) == set(finding.found)
    for statement in finding.statements:
        live.rows(statement)
    assert "ledger_writers" not in {found.name for found in examine(live.workspace).findings}


@pytest.mark.medium
def test_a_role_that_owns_the_application_may_own_the_ledger(live: Live, attacker: str) -> None:
    live.rows(f"alter table public.agent_sessions owner to {attacker}")
    as_role(live, attacker, "create schema rollcall_ops", "create schema rollcall")
    live.migrate()
    live.assert_complete()
