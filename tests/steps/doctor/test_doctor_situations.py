"""Doctor: each situation that SQL can make has exactly its own finding."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from rollcall.rules.results import Severity
from rollcall.steps.doctor.examination import examine
from rollcall.steps.doctor.kinds import KINDS
from tests.support.clinic import CLEAN, MIGRATE, OPERATOR, READ, SESSIONS, Clinic

# --- what SQL can make -----------------------------------------------------------------------------
FUNCTION = (
    "create function public.nothing() returns trigger language plpgsql as 'begin return new; end'",
    "drop function public.nothing",
)


EVENT_FUNCTION = (
    "create function public.event() returns event_trigger language plpgsql as 'begin end'",
    "drop function public.event",
)


ANYONE = (
    f"create policy anyone on {SESSIONS} using (true)",
    f"drop policy anyone on {SESSIONS}",
)


PUBLISHED = (f"create publication p for table {SESSIONS}", "drop publication p")


SECURED = (
    f"alter table {SESSIONS} enable row level security",
    f"alter table {SESSIONS} disable row level security",
)


NEW_YORK = (
    "alter database clinic set timezone = 'America/New_York'",
    "alter database clinic reset timezone",
)


BACKUP = (
    f"create table public.backup as select id, last_activity from {SESSIONS}",
    f"update {SESSIONS} s set last_activity = b.last_activity from public.backup b where b.id = s.id",
)


DROP_BACKUP = ("select 1", "drop table public.backup")


# id: (statements with what undoes each, {finding: what it says})
SITUATIONS: dict[str, tuple[list[tuple[str, str]], dict[str, str]]] = {
    "check of two columns": (
        [
            (
                f"alter table {SESSIONS} add constraint ended"
                " check (status <> 'ended' or logout_at is not null)",
                f"alter table {SESSIONS} drop constraint ended",
            )
        ],
        {"check_not_judged": "ended on public.agent_sessions: CHECK"},
    ),
    "check with a function": (
        [
            (
                "create function public.is_fine(text) returns boolean language sql as 'select true'",
                "drop function public.is_fine",
            ),
            (
                f"alter table {SESSIONS} add constraint fine check (public.is_fine(status))",
                f"alter table {SESSIONS} drop constraint fine",
            ),
        ],
        {"check_not_judged": "fine on public.agent_sessions: CHECK"},
    ),
    "check of the status alone": (
        [
            (
                f"alter table {SESSIONS} add constraint known check (status <> 'unheard of')",
                f"alter table {SESSIONS} drop constraint known",
            )
        ],
        {},
    ),
    "trigger on update": (
        [
            FUNCTION,
            (
                f"create trigger touch before insert or update on {SESSIONS} for each row"
                " execute function public.nothing()",
                f"drop trigger touch on {SESSIONS}",
            ),
        ],
        {
            "session_update_trigger": (
                "touch on public.agent_sessions: before insert or update, for each row, calls"
            )
        },
    ),
    "trigger on update of what clean writes": (
        [
            FUNCTION,
            (
                f'create trigger "Tell %s!" after update of status on {SESSIONS}'
                " execute function public.nothing()",
                f'drop trigger "Tell %s!" on {SESSIONS}',
            ),
        ],
        {"session_update_trigger": '"Tell %s!" on public.agent_sessions: after update, for each statement'},
    ),
    "trigger that finds a table by the search path": (
        [
            (
                'create function public."Stamp"() returns trigger language plpgsql as'
                " 'begin perform 1 from Agents limit 1; return new; end'",
                'drop function public."Stamp"',
            ),
            (
                f"create trigger stamp before update on {SESSIONS} for each row"
                ' execute function public."Stamp"()',
                f"drop trigger stamp on {SESSIONS}",
            ),
        ],
        {
            "session_update_trigger": "stamp on public.agent_sessions: before update, for each row, calls",
            "trigger_without_search_path": 'public."Stamp"() names agents without a schema',
        },
    ),
    "trigger with a search path of its own": (
        [
            (
                "create function public.stamp() returns trigger language plpgsql set search_path = public"
                " as 'begin perform 1 from agents limit 1; return new; end'",
                "drop function public.stamp",
            ),
            (
                f"create trigger stamp before update on {SESSIONS} for each row"
                " execute function public.stamp()",
                f"drop trigger stamp on {SESSIONS}",
            ),
        ],
        {"session_update_trigger": "stamp on public.agent_sessions"},
    ),
    "trigger whose function names the schema": (
        [
            (
                "create function public.stamp() returns trigger language plpgsql"
                " as 'begin perform 1 from public.agents limit 1; return new; end'",
                "drop function public.stamp",
            ),
            (
                f"create trigger stamp before update on {SESSIONS} for each row"
                " execute function public.stamp()",
                f"drop trigger stamp on {SESSIONS}",
            ),
        ],
        {"session_update_trigger": "stamp on public.agent_sessions"},
    ),
    "trigger on update of another column": (
        [
            FUNCTION,
            (
                f"create trigger touch after update of last_activity on {SESSIONS} for each row"
                " execute function public.nothing()",
                f"drop trigger touch on {SESSIONS}",
            ),
        ],
        {"other_trigger": "touch on public.agent_sessions"},
    ),
    "trigger on calls": (
        [
            FUNCTION,
            (
                "create trigger touch after delete or truncate on public.call_sessions"
                " execute function public.nothing()",
                "drop trigger touch on public.call_sessions",
            ),
        ],
        {"other_trigger": "after delete or truncate, for each statement"},
    ),
    "trigger that is switched off": (
        [
            FUNCTION,
            (
                f"create trigger touch before update on {SESSIONS} for each row"
                " execute function public.nothing()",
                f"drop trigger touch on {SESSIONS}",
            ),
            (f"alter table {SESSIONS} disable trigger touch", "select 1"),
        ],
        {},
    ),
    "event trigger": (
        [
            EVENT_FUNCTION,
            (
                "create event trigger guard on ddl_command_start when tag in ('ALTER TABLE')"
                " execute function public.event()",
                "drop event trigger guard",
            ),
        ],
        {"event_trigger": "guard: ddl_command_start"},
    ),
    "rule on update": (
        [(f"create rule r as on update to {SESSIONS} do also notify x", f"drop rule r on {SESSIONS}")],
        {"session_update_rule": "r on public.agent_sessions, on update"},
    ),
    "rule on delete": (
        [(f"create rule r as on delete to {SESSIONS} do instead nothing", f"drop rule r on {SESSIONS}")],
        {"other_rule": "r on public.agent_sessions, on delete"},
    ),
    "view": (
        [('create view "Who\'s in" as select id from public.agents', 'drop view "Who\'s in"')],
        {"dependent_view": 'view public."Who\'s in" reads public.agents'},
    ),
    "materialized view": (
        [(f"create materialized view m as select id from {SESSIONS}", "drop materialized view m")],
        {"dependent_view": "materialized view public.m reads public.agent_sessions"},
    ),
    "publication": ([PUBLISHED], {"published_table": "public.agent_sessions is published by p"}),
    "publication without replica identity": (
        [
            PUBLISHED,
            (
                f"alter table {SESSIONS} replica identity nothing",
                f"alter table {SESSIONS} replica identity default",
            ),
        ],
        {
            "published_table": "is published by p",
            "missing_replica_identity": "public.agent_sessions is published by p without",
        },
    ),
    "publication of inserts only": (
        [
            (
                f"create publication p for table {SESSIONS} with (publish = 'insert')",
                "drop publication p",
            ),
            (
                f"alter table {SESSIONS} replica identity nothing",
                f"alter table {SESSIONS} replica identity default",
            ),
        ],
        {"published_table": "is published by p"},
    ),
    "publication of all tables": (
        [("create publication p for all tables", "drop publication p")],
        {"published_table": "is published by p", "publication_of_all_tables": "p publishes all tables"},
    ),
    "row-level security that binds the clean-up role": (
        [SECURED, ANYONE],
        {"hidden_rows": "public.agent_sessions binds rollcall_clean (clean)"},
    ),
    "row-level security that binds no role": (
        [SECURED, (f"alter role {CLEAN} bypassrls", f"alter role {CLEAN} nobypassrls")],
        {"row_level_security": "public.agent_sessions has row-level security"},
    ),
    "row-level security that binds the owner too": (
        [
            SECURED,
            (
                f"alter table {SESSIONS} force row level security",
                f"alter table {SESSIONS} no force row level security",
            ),
            (f"alter role {CLEAN} bypassrls", f"alter role {CLEAN} nobypassrls"),
        ],
        {"hidden_rows": "binds operator (assess)"},
    ),
    "no primary key": (
        [
            (
                f"alter table {SESSIONS} drop constraint agent_sessions_pkey",
                f"alter table {SESSIONS} add primary key (id)",
            )
        ],
        {"missing_primary_key": "public.agent_sessions has no primary key"},
    ),
    "agents found by a column that is no key": (
        [
            (
                "alter table agents drop constraint agents_pkey cascade, add primary key (id, email)",
                "alter table agents drop constraint agents_pkey, add primary key (id);"
                "alter table agent_sessions add foreign key (agent_id) references agents;"
                "alter table call_sessions add foreign key (agent_id) references agents",
            ),
            ("create unique index ai on agents (id) where is_ai_agent", "drop index ai"),
        ],
        {"agents_key_not_unique": "public.agents.id has no unique index of its own"},
    ),
    "sessions found by a column that is no key": (
        [
            (
                f"alter table {SESSIONS} drop constraint agent_sessions_pkey, add primary key (id, agent_id)",
                f"alter table {SESSIONS} drop constraint agent_sessions_pkey, add primary key (id)",
            ),
        ],
        {"sessions_key_not_unique": "public.agent_sessions.id has no unique index of its own"},
    ),
    "a child of the calls, and its child": (
        [
            (
                "create table elder () inherits (public.call_sessions)",
                "drop table elder",
            ),
            (
                "alter table elder owner to crm, add primary key (id);"
                f"grant select on elder to {OPERATOR}, {READ}, {MIGRATE}, {CLEAN}",
                "select 1",
            ),
        ],
        {"child_table": "public.elder inherits from public.call_sessions"},
    ),
    "defaults in the server's time zone": (
        [
            NEW_YORK,
            (
                f"alter table {SESSIONS} alter column login_at set default now()",
                f"alter table {SESSIONS} alter column login_at set default (now() at time zone 'UTC')",
            ),
        ],
        {"server_time_zone": "public.agent_sessions.login_at defaults to now(), in the time zone America"},
    ),
    "activity in the future": (
        [
            BACKUP,
            (
                f"update {SESSIONS} set last_activity = now() at time zone 'UTC' + interval '2 h'"
                " where logout_at is null",
                "select 1",
            ),
        ],
        {"implausible_time_zone": "newest activity is 120 minutes in the future if it was written in UTC"},
    ),
    "activity written in the server's zone": (
        [
            NEW_YORK,
            BACKUP,
            (
                f"update {SESSIONS} set last_activity = now() at time zone 'America/New_York'"
                " where logout_at is null",
                "select 1",
            ),
        ],
        {"implausible_time_zone": "old if it was written in UTC, and of just now in America/New_York"},
    ),
    "quiet floor": (
        [
            BACKUP,
            (
                f"update {SESSIONS} set last_activity = last_activity - interval '5 h'"
                " where logout_at is null",
                "select 1",
            ),
        ],
        {},
    ),
    "login that only reads": (
        [
            (
                f"alter role {OPERATOR} set default_transaction_read_only = on",
                f"alter role {OPERATOR} reset default_transaction_read_only",
            )
        ],
        {"read_only_by_default": "default_transaction_read_only is on for operator (set in: user)"},
    ),
    "short time-outs": (
        [
            (
                "alter database clinic set idle_in_transaction_session_timeout = '10s'",
                "alter database clinic reset idle_in_transaction_session_timeout",
            )
        ],
        {"short_timeout": "idle_in_transaction_session_timeout is 10000 ms for operator (set in: database)"},
    ),
    "clean-up role that may delete": (
        [(f"grant delete on {SESSIONS} to {CLEAN}", f"revoke delete on {SESSIONS} from {CLEAN}")],
        {"clean_role_too_strong": "rollcall_clean holds delete on public.agent_sessions"},
    ),
    "clean-up role that owns": (
        [(f"grant crm to {CLEAN}", f"revoke crm from {CLEAN}")],
        {"clean_role_too_strong": "rollcall_clean owns public.agent_sessions, directly or as a member of"},
    ),
    "unused slot": (
        [
            (
                "select pg_create_physical_replication_slot('left_over', true)",
                "select pg_drop_replication_slot('left_over')",
            )
        ],
        {"idle_replication_slot": "physical slot left_over is not in use and keeps"},
    ),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_situation(clinic: Clinic, situation: Callable[..., None], name: str) -> None:
    statements, expected = SITUATIONS[name]
    if BACKUP in statements:
        situation(*DROP_BACKUP)
    for statement, undone_by in statements:
        situation(statement, undone_by)
    found = clinic.found()
    assert found.keys() == expected.keys()
    for finding, text in expected.items():
        assert any(text in line for line in found[finding].found), found[finding].found
    blocking = any(KINDS[finding].severity is Severity.BLOCKING for finding in expected)
    assert examine(clinic.workspace).is_blocked is blocking


@pytest.mark.parametrize(
    "name",
    [
        "login that only reads",
        "short time-outs",
        "publication without replica identity",
        "clean-up role that may delete",
        "row-level security that binds the clean-up role",
    ],
)
def test_the_statements_mend_what_was_found(
    clinic: Clinic, situation: Callable[..., None], name: str
) -> None:
    for statement, undone_by in SITUATIONS[name][0]:
        situation(statement, undone_by)
    situation("select 1", f"alter role {CLEAN} nobypassrls")
    situation("select 1", f"alter role {OPERATOR} reset all")
    found = clinic.found()
    clinic.do(*(statement for finding in found.values() for statement in finding.statements))
    assert not [name for name, finding in clinic.found().items() if finding.statements]


def test_subscription(clinic: Clinic, situation: Callable[..., None]) -> None:
    """The call centre is itself fed by another server (here: by another database)."""
    situation("create database publisher", "drop database publisher")
    publisher = clinic.server.conninfo("publisher")
    with psycopg.connect(publisher, autocommit=True) as connection:
        connection.execute("create table public.agent_sessions (id uuid primary key)")
        connection.execute("create publication feed for all tables")
    situation(
        f"create subscription s connection '{publisher}' publication feed"
        " with (create_slot = false, slot_name = none, enabled = false, copy_data = false)",
        "drop subscription s",
    )
    assert clinic.found().keys() == {"subscribed_table"}
