"""Nothing but an additive statement can be sent, whatever a model says."""

from __future__ import annotations

import pytest

from rollcall.errors import Refused
from rollcall.schema.allow_list import check_detaching, check_migrating

ADDITIVE = [
    'create schema "rollcall"',
    "create table rollcall_ops.notes (id text primary key, run_id text references rollcall_ops.runs,"
    " at timestamptz not null default now())",
    "create or replace view rollcall.v as with a as (select * from app.t) select count(*) as n from a;"
    " comment on view rollcall.v is 'n [definition 0]'",
    "create or replace view rollcall.v as select 1 as n, 2 as m; comment on column rollcall.v.n is 'one';"
    " comment on column rollcall.v.m is 'two'; comment on view rollcall.v is 'n [definition 0]'",
    'alter table "a""b"."50% of ""t""" add column "c" boolean default false',
    "alter table app.t add column c timestamp(3) without time zone",
    'alter table app.t add column c crm."My Enum" default \'x\'::crm."My Enum" not null',
    "comment on column app.t.c is 'it''s; drop table app.t'",
    "create index concurrently i on app.t (c, (greatest(d, e) at time zone 'UTC')) where f in ('x', 'y')",
    "create index i on only app.t (c)",
    "alter index app.i attach partition app.j",
    "alter table rollcall_ops.runs add column c text references rollcall_ops.plans",
    "alter table rollcall_ops.runs add column c timestamptz, alter column c set default clock_timestamp()",
]

HOSTILE = [
    # removes, renames, retypes
    "create or replace view rollcall.v as select 1 as n; comment on column rollcall.v.n is 'one';"
    " drop view rollcall.w",
    "comment on column app.t.c is 'one'; comment on column app.t.d is 'two'",
    "drop table app.t",
    "drop schema rollcall",
    "drop view rollcall.v",
    "drop index app.i",
    "drop index concurrently app.i",
    "truncate app.t",
    "alter table app.t drop column c",
    "alter table app.t add column c int, drop column d",
    "alter table app.t alter column c type text",
    "alter table app.t alter column c set default 1",
    "alter table app.t alter column c set not null",
    "alter table app.t rename to u",
    "alter table app.t rename column c to d",
    "alter table app.t set schema other",
    "alter table app.t owner to postgres",
    "alter table app.t disable trigger all",
    "alter table app.t disable row level security",
    "alter table app.t attach partition app.p default",
    "alter index app.i rename to j",
    "alter index app.i set (fillfactor = 50)",
    "alter view rollcall.v set schema app",
    "reindex index concurrently app.i",
    "cluster app.t using i",
    # reads or changes rows
    "select 1",
    "delete from app.t",
    "update app.t set c = 1",
    "insert into app.t values (1)",
    "merge into app.t using app.u on true when matched then delete",
    "copy app.t from program 'true'",
    "explain analyze delete from app.t",
    "prepare p as delete from app.t",
    "call app.p()",
    "do $$ begin delete from app.t; end $$",
    # one statement behind another
    "alter table app.t add column c int; drop table app.t",
    "alter table app.t add column c int; alter table app.t add column d int",
    "comment on column app.t.c is ''; delete from app.t",
    "create or replace view rollcall.v as select 1; comment on column app.t.c is ''; drop table app.t",
    # rewrites the table, locks it for long, or refuses what the application writes
    "alter table app.t add column c float default random()",
    "alter table app.t add column c timestamptz default clock_timestamp()",
    "alter table app.t add column c int default (select 1)",
    "alter table app.t add column c serial",
    "alter table app.t add column c bigint generated always as identity",
    "alter table app.t add column c int generated always as (d + 1) stored",
    "alter table app.t add column c int not null",
    "alter table app.t add column c int unique",
    "alter table app.t add column c int primary key",
    "alter table app.t add column c int check (c > 0)",
    "alter table app.t add column c int references app.u",
    "alter table app.t add column if not exists c int",
    "alter table if exists app.t add column c int",
    "alter table only app.t add column c int",
    "create index i on app.t (c)",
    "create index concurrently if not exists i on app.t (c)",
    "create index concurrently on app.t (c)",
    "create unique index concurrently i on app.t (c)",
    "create index concurrently i on app.t (c) tablespace elsewhere",
    # calls what is not known to be harmless
    "create index concurrently i on app.t (app.side_effect(c))",
    "create index concurrently i on app.t (public.lower(c))",
    "create index concurrently i on app.t (c) where side_effect(c)",
    "create index concurrently i on app.t (c) where c operator(app.=) 1",
    "create view rollcall.v as select pg_terminate_backend(1)",
    "create view rollcall.v as select nextval('app.s')",
    "create view rollcall.v as select (select set_config('a', 'b', false))",
    "create table rollcall_ops.t (c int default side_effect())",
    # not ours
    "create schema other",
    "create schema rollcall authorization other",
    "create schema rollcall create table t (c int)",
    "create table app.t2 (c int)",
    "create table t2 (c int)",
    "create table rollcall_ops.t (c int references app.t)",
    "create table rollcall_ops.t (like app.t)",
    "create table rollcall_ops.t () inherits (app.t)",
    "create table rollcall_ops.t as select * from app.t",
    "create unlogged table rollcall_ops.t (c int)",
    "create or replace view app.v as select 1",
    "create or replace view v as select 1",
    "create temp view v as select 1",
    "create view rollcall.v as select * from app.t for update",
    "create view rollcall.v as with d as (delete from app.t returning *) select * from d",
    "alter table t add column c int",
    "alter table pg_catalog.pg_class add column c int",
    "comment on table app.t is ''",
    "comment on database d is ''",
    "create function rollcall.f() returns int language sql as 'select 1'",
    "create trigger g after insert on app.t execute function app.f()",
    "create extension dblink",
    "grant all on app.t to public",
    "set role postgres",
    "lock table app.t",
    "vacuum full app.t",
    # of our own tables: one column is added, nothing else
    "alter table rollcall_ops.runs drop column c",
    "alter table rollcall_ops.runs add column c int, drop column d",
    "alter table rollcall_ops.runs add column c int, alter column d set default 1",
    "alter table rollcall_ops.runs add column c int, alter column c set not null",
    "alter table rollcall_ops.runs add column if not exists c int",
    "alter table rollcall_ops.runs add column c int default pg_sleep(9)",
    "alter table rollcall_ops.runs add column c int references app.t",
    "alter table rollcall_ops.runs add column c int unique",
    "alter table rollcall_ops.runs alter column c set default 1",
    # nothing at all
    "",
    "-- only a comment",
    "alter tabel app.t add column c int",
]


@pytest.mark.parametrize("sql", ADDITIVE)
def test_an_additive_statement_may_be_sent(sql: str) -> None:
    assert "; ".join(check_migrating(sql)) == sql


@pytest.mark.parametrize("sql", HOSTILE)
def test_anything_else_is_refused(sql: str) -> None:
    with pytest.raises(Refused, match="nothing was sent"):
        check_migrating(sql)


def test_only_an_unfinished_index_of_ours_is_dropped_and_only_to_be_built_again() -> None:
    rebuilt = "drop index concurrently app.i; create index concurrently i on app.t (c)"
    assert len(check_migrating(rebuilt, ["app.i"])) == 2
    for unfinished in ([], ["app.j"], ["other.i"]):
        with pytest.raises(Refused, match="the ledger has no record"):
            check_migrating(rebuilt, unfinished)
    with pytest.raises(Refused, match="only to be built again"):
        check_migrating("drop index concurrently app.i", ["app.i"])
    with pytest.raises(Refused, match="the ledger has no record"):
        check_migrating(rebuilt.replace("app.i;", "app.i cascade;"), ["app.i"])


def test_detaching_drops_what_is_ours_and_nothing_else() -> None:
    for sql in ("drop view rollcall.v", "drop table rollcall_ops.runs", "drop schema rollcall"):
        assert check_detaching(sql) == sql
    for sql in (
        "drop view app.v",
        "drop view v",
        "drop table app.t",
        "drop schema app",
        "drop schema rollcall cascade",
        "drop view rollcall.v cascade",
        "drop view rollcall.v, app.v",
        "drop view rollcall.v; drop table app.t",
        "drop index rollcall.i",
        "delete from rollcall_ops.runs",
    ):
        with pytest.raises(Refused):
            check_detaching(sql)
