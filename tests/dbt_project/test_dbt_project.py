"""The project as any dbt user has it: build, run again, docs; and each fact in its one home."""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import sql

from rollcall.rules.sentences import rule_sentences
from rollcall.sandbox.demo import Scale, Variant
from rollcall.schema.declared import pending_statements
from tests.support.call_centre import CallCentre, call_centre
from tests.support.dbt_command import RUN_RELATIONS, Dbt
from tests.support.paths import ROOT
from tests.support.views import VIEWS_OF_ROWS
from tests.support.waiting import until

SCALE = Scale(agents=60, sessions=600, calls=2_000, days=10)
OTHER_APPLICATION = {
    "app_schema": "Call Centre",
    "sessions_table": "agentSessions",
    "sessions_id_column": "sessionId",
    "sessions_agent_id_column": "agentId",
    "sessions_call_id_column": "currentCallSessionId",
    "sessions_last_activity_column": "lastActivity",
    "calls_started_at_column": "startedAt",
    "agent_roles": ["operator"],
    "available_status": "ready",
    "on_call_status": "talking",
    "break_status": "away",
    "other_working_statuses": ["wrap_up"],
    "not_working_statuses": ["gone"],
    "closed_status": "gone",
    "connected_call_status": "up",
    "live_call_statuses": ["new", "up"],
    "over_call_statuses": ["done", "lost"],
    "abandoned_after_hours": 3,
    "settle_minutes": 7,
    "presence_minutes": 4,
    "heartbeat_explains_seconds": 2,
    "heartbeat_feed_min_share": 0.5,
    "silent_feed_min_calls": 9,
    "closed_logout_at": "now",
}


@pytest.fixture
def centre(database: str, tmp_path: Path) -> CallCentre:
    return call_centre(database, tmp_path, scale=SCALE)


@pytest.fixture
def dbt(centre: CallCentre, tmp_path: Path) -> Dbt:
    return Dbt(centre.url, tmp_path)


@pytest.fixture
def analyst(centre: CallCentre) -> Iterator[str]:
    """A role; roles belong to the whole server, so it goes when the test ends."""
    role = f"analyst_{uuid.uuid4().hex[:8]}"
    centre.rows(f"create role {role}")
    yield role
    centre.rows(f"drop owned by {role}")
    centre.rows(f"drop role {role}")


def deployed(centre: CallCentre) -> dict[str, tuple[Any, ...]]:
    """Every relation of ours with what a DDL statement on it would change."""
    rows = centre.rows(
        """
        select n.nspname || '.' || c.relname, c.oid, c.xmin::text, c.relacl::text,
            (select max(r.xmin::text) from pg_rewrite as r where r.ev_class = c.oid),
            obj_description(c.oid, 'pg_class')
        from pg_class as c
        join pg_namespace as n on n.oid = c.relnamespace
        where n.nspname in ('rollcall', 'rollcall_ops') and c.relkind in ('r', 'v')
        """
    )
    return {name: tuple(rest) for name, *rest in rows}


def columns_without_a_comment(centre: CallCentre) -> list[Any]:
    """Of the views, in the catalog."""
    return centre.rows(
        "select a.attrelid::regclass::text, a.attname::text from pg_attribute as a"
        " join pg_class as c on c.oid = a.attrelid"
        " where c.relnamespace = 'rollcall'::regnamespace and c.relkind = 'v' and a.attnum > 0"
        " and col_description(a.attrelid, a.attnum) is null"
    )


def unit_tests_of(dbt: Dbt) -> set[str]:
    return {test["name"] for test in dbt.artifact("manifest")["unit_tests"].values()}


# --- as on any dbt project --------------------------------------------------------------------


@pytest.mark.medium
def test_build_passes_before_and_after_the_migration(centre: CallCentre, dbt: Dbt) -> None:
    before = dbt("build")
    assert {"agent_sessions", "no_session_is_lost", "abandoned_session"} <= before.keys()
    centre.run()
    after = dbt("build", "--exclude-resource-type", "unit_test")  # they read no table
    assert after.keys() == before.keys() - unit_tests_of(dbt)


@pytest.mark.slow
def test_every_test_passes_after_the_migration_too(centre: CallCentre, dbt: Dbt) -> None:
    before = dbt("build")
    centre.run()
    assert dbt("build").keys() == before.keys()


@pytest.mark.slow
def test_build_passes_while_an_index_is_being_built(centre: CallCentre, dbt: Dbt) -> None:
    centre.run()
    (definition,) = centre.rows("select pg_get_indexdef('rollcall_open_sessions'::regclass)")[0]
    centre.rows("drop index rollcall_open_sessions")
    builds = "select index_relid from pg_stat_progress_create_index where index_relid <> 0"
    with psycopg.connect(centre.url) as writer:
        writer.execute("lock table agent_sessions in row exclusive mode")
        concurrently = definition.replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY")
        build = threading.Thread(target=centre.rows, args=[concurrently])
        build.start()
        try:
            until(lambda: centre.rows(builds) != [])
            with centre.workspace.database.snapshot() as snapshot:
                plan = snapshot.rows(centre.workspace.project.sql("migration_plan"))
            assert [row["state"] for row in plan] == ["building"]
            dbt("build", "--exclude-resource-type", "unit_test")  # they read no index
        finally:
            writer.rollback()
            build.join()


@pytest.mark.slow
def test_build_passes_for_another_application(database: str, tmp_path: Path) -> None:
    """Not a single test depends on what this application calls things, or on a threshold."""
    variant = Variant(timestamps="timestamptz", status="enum", keys="bigint", migrated=True)
    call_centre(database, tmp_path, OTHER_APPLICATION, variant, scale=SCALE)
    Dbt(database, tmp_path, OTHER_APPLICATION)("build")


@pytest.mark.slow
def test_docs_are_generated_and_describe_what_people_query(centre: CallCentre, dbt: Dbt) -> None:
    dbt("run")
    dbt("docs", "generate")
    described = dbt.artifact("manifest")["nodes"]
    views = {
        key: set(node["columns"])
        for key, node in dbt.artifact("catalog")["nodes"].items()
        if node["metadata"]["schema"] == "rollcall"
    }
    assert views.keys() >= {"model.rollcall.agent_sessions", "model.rollcall.routable_agents"}
    for key, columns in views.items():
        descriptions = {name: c["description"] for name, c in described[key]["columns"].items()}
        assert descriptions.keys() == columns, key
        assert all(descriptions.values()), key


@pytest.mark.medium
def test_every_model_says_what_a_row_is(dbt: Dbt) -> None:
    dbt("parse")
    silent = [
        node["name"]
        for node in dbt.artifact("manifest")["nodes"].values()
        if node["resource_type"] == "model" and not node["description"].startswith("One row")
    ]
    assert not silent


# --- what is deployed -------------------------------------------------------------------------


@pytest.mark.slow
def test_a_second_run_sends_no_ddl_and_an_analyst_keeps_views_and_grants(
    centre: CallCentre, dbt: Dbt, analyst: str
) -> None:
    dbt("run")
    centre.rows("create schema analytics")
    centre.rows(
        "create view analytics.open_now as select agent_id from rollcall.agent_sessions where is_open"
    )
    centre.rows(f"grant select on rollcall.agent_sessions to {analyst}")
    first = deployed(centre)
    assert columns_without_a_comment(centre) == []

    assert set(dbt(*RUN_RELATIONS).values()) == {"UNCHANGED"}
    assert deployed(centre) == first

    changed = dbt("run", settle_minutes=11)
    assert changed["agent_sessions"] != "UNCHANGED"
    assert changed["readiness_history"] == "UNCHANGED"
    oid, *_ = first["rollcall.agent_sessions"]
    new_oid, _, grants, *_ = deployed(centre)["rollcall.agent_sessions"]
    assert new_oid == oid
    assert f"{analyst}=r/" in grants
    assert centre.rows("select count(*) > 0 from analytics.open_now") == [(True,)]


@pytest.mark.slow
def test_a_column_that_people_may_use_is_never_taken_away(centre: CallCentre, dbt: Dbt) -> None:
    dbt("run")
    centre.rows("drop view rollcall.readiness_history")
    centre.rows("create view rollcall.readiness_history as select ''::text as run_id, 1 as one_more")
    with pytest.raises(AssertionError, match=r"cannot (drop columns|change name)"):
        dbt("run", "--select", "readiness_history")


@pytest.mark.medium
def test_rollcall_deploys_what_dbt_would(centre: CallCentre, dbt: Dbt) -> None:
    centre.run()
    by_rollcall = deployed(centre)
    assert set(dbt(*RUN_RELATIONS).values()) == {"UNCHANGED"}
    assert deployed(centre) == by_rollcall

    assert columns_without_a_comment(centre) == []
    own = {f"{r.schema}.{r.name}": r for r in centre.workspace.project.rollcall_relations}
    assert own.keys() == by_rollcall.keys()
    for name, relation in own.items():
        *_, comment = by_rollcall[name]
        if relation.kind == "view":
            assert comment.startswith("One row per ")
            assert comment.endswith(f"[definition {relation.digest}]")


@pytest.mark.slow
def test_a_developers_target_has_schemas_of_its_own(
    centre: CallCentre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    centre.run()
    in_production = deployed(centre)
    monkeypatch.setenv("ROLLCALL_DBT_SCHEMA", "dev_alice")
    of_alice = Dbt(centre.url, tmp_path, {"deployed_by_rollcall": False})

    assert set(of_alice("run", abandoned_after_hours=3).values()) != {"UNCHANGED"}
    of_alice("test", "--select", "agent_sessions")

    assert deployed(centre) == in_production
    views = (
        "select table_schema::text, count(*) from information_schema.views"
        " where table_name = any(%s) group by 1"
    )
    assert dict(centre.rows(views, ["agent_sessions", "routable_agents", "readiness_history"])) == {
        "rollcall": 3,
        "dev_alice_rollcall": 3,
    }
    assert centre.rows("select command from dev_alice_rollcall_ops.runs") == [("build",)]
    assert centre.rows("select count(*) > 0 from dev_alice_rollcall.agent_sessions") == [(True,)]


@pytest.mark.slow
def test_dbt_fails_quickly_behind_an_open_reader_and_leaves_no_lock_request(
    centre: CallCentre, dbt: Dbt
) -> None:
    dbt("run")
    before = deployed(centre)
    with contextlib.closing(psycopg.connect(centre.url)) as reader:
        reader.execute("set idle_in_transaction_session_timeout = '500s'")  # so that nothing waits for ever
        reader.execute("select count(*) from rollcall.agent_sessions")
        with pytest.raises(AssertionError, match="lock timeout"):
            dbt("run", "--select", "agent_sessions", settle_minutes=11)
        assert deployed(centre) == before
        reader.execute("select 1")  # the reader was there all the time
    assert set(dbt("run", "--select", "agent_sessions", settle_minutes=11).values()) != {"UNCHANGED"}


@pytest.mark.slow
def test_dbt_closes_what_default_privileges_open_and_applies_row_security(
    centre: CallCentre, dbt: Dbt, analyst: str
) -> None:
    centre.rows("alter default privileges grant all on tables to public")
    dbt("run")
    held = "select has_table_privilege(%s, %s, %s)"
    for table in ("rollcall_ops.changes", "rollcall_ops.runs", "rollcall_ops.flags"):
        for privilege in ("insert", "update", "delete", "trigger", "select"):
            assert centre.rows(held, analyst, table, privilege) == [(False,)]
    assert centre.rows(held, analyst, "rollcall.agent_sessions", "select") == [(True,)]

    centre.rows("alter table public.agent_sessions enable row level security")
    assert dbt("run")["agent_sessions"] != "UNCHANGED"
    invokers = "select relname::text from pg_class where 'security_invoker=true' = any(reloptions) order by 1"
    assert centre.rows(invokers) == [(view,) for view in VIEWS_OF_ROWS]
    assert set(dbt(*RUN_RELATIONS).values()) == {"UNCHANGED"}
    with centre.workspace.database.snapshot() as snapshot:
        pending = pending_statements(snapshot, centre.workspace.project)
    assert not [statement for statement in pending if statement.kind in ("view", "table")]


# --- staging: what only the application's own columns can show ----------------------------------


def staged(centre: CallCentre, model: str) -> dict[str, dict[str, Any]]:
    """The rows of a staging model by key, instants as text in UTC."""
    with centre.workspace.database.snapshot() as snapshot:
        snapshot.connection.execute("set local time zone 'UTC'")
        rows = snapshot.rows(f"select to_jsonb(t) as row from ({centre.workspace.project.sql(model)}) as t")
    key = {"stg_call_sessions": "call_id", "stg_agent_sessions": "session_id"}[model]
    return {row["row"][key]: row["row"] for row in rows}


def test_an_unanswered_inbound_call_is_no_sign_of_life(centre: CallCentre) -> None:
    start, connect, end = "2026-03-01 10:00", "2026-03-01 10:01", "2026-03-01 10:05"
    calls = {
        "answered inbound": ("inbound", start, connect, end),
        "answered and going on": ("inbound", start, connect, None),
        "missed inbound": ("inbound", start, None, end),
        "outbound": ("outbound", start, None, end),
        "answered outbound": ("outbound", start, connect, end),
        "of no direction we know": ("sideways", start, None, end),
    }
    keys = {name: str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in calls}
    for name, values in calls.items():
        centre.rows(
            "insert into call_sessions (id, direction, started_at, connected_at, ended_at)"
            " values (%s, %s, %s, %s, %s)",
            keys[name],
            *values,
        )
    rows = staged(centre, "stg_call_sessions")
    assert {name: rows[key]["sign_of_life_at"] for name, key in keys.items()} == {
        "answered inbound": "2026-03-01T10:05:00+00:00",
        "answered and going on": "2026-03-01T10:01:00+00:00",
        "missed inbound": None,
        "outbound": "2026-03-01T10:00:00+00:00",
        "answered outbound": "2026-03-01T10:05:00+00:00",
        "of no direction we know": "2026-03-01T10:00:00+00:00",
    }


@pytest.mark.slow
def test_the_hour_that_autumn_repeats_is_read_carefully(database: str, tmp_path: Path) -> None:
    """The later reading for idleness, the earlier one for what lies in the future."""
    centre = call_centre(database, tmp_path, {"app_time_zone": "Europe/Berlin"}, scale=SCALE)
    readings = {
        "2026-10-25 01:59": ("2026-10-24T23:59:00+00:00", "2026-10-24T23:59:00+00:00"),
        "2026-10-25 02:30": ("2026-10-25T01:30:00+00:00", "2026-10-25T00:30:00+00:00"),
        "2026-10-25 03:00": ("2026-10-25T02:00:00+00:00", "2026-10-25T02:00:00+00:00"),
    }
    keys = {moment: str(uuid.uuid5(uuid.NAMESPACE_DNS, moment)) for moment in readings}
    for moment, key in keys.items():
        centre.rows(
            "insert into agent_sessions (id, agent_id, login_at, last_activity)"
            " values (%s, 1, '2026-10-24 12:00', %s)",
            key,
            moment,
        )
    rows = staged(centre, "stg_agent_sessions")
    assert {
        moment: (rows[key]["last_activity_at"], rows[key]["latest_possible_at"])
        for moment, key in keys.items()
    } == readings


# --- each rule in each of its homes ------------------------------------------------------------

FACTS = {  # what stands in the row of counts beside the rules
    *("judged_at", "current_at", "abandoned_before"),
    *("open_sessions", "working_sessions", "active_agents", "pending_changes"),
}
JUDGED_ON_THE_WHOLE = {"silent_feed", "no_active_agents"}  # no row violates them, so none has a flag


def rules_with_a_macro(centre: CallCentre) -> set[str]:
    return {path.stem for path in (ROOT / "macros/rules").glob("*.sql")}


def rules_described(centre: CallCentre) -> set[str]:
    return set(rule_sentences(ROOT))


def rules_described_where_they_are_columns(centre: CallCentre) -> set[str]:
    """By the rule's own sentence, and by no other text."""
    described = set()
    for path in (ROOT / "models/assessed").glob("*.yml"):
        for model in yaml.safe_load(path.read_text("utf-8"))["models"]:
            for column in model.get("columns", []):
                if f"{{{{ doc('{column['name']}') }}}}" in column.get("description", ""):
                    described.add(column["name"])
    return described & rules_with_a_macro(centre)


def rules_with_a_flag(centre: CallCentre) -> set[str]:
    models = ("assessed_sessions", "assessed_calls", "history_sessions", "history_calls")
    columns = set().union(*(columns_of(centre, model) for model in models))
    return columns & rules_with_a_macro(centre) | JUDGED_ON_THE_WHOLE


def rules_counted(centre: CallCentre) -> set[str]:
    return (columns_of(centre, "readiness_counts") | columns_of(centre, "history_counts")) - FACTS


def rules_whose_keys_are_named(centre: CallCentre) -> set[str]:
    text = "".join(centre.workspace.project.sql(model) for model in ("violations", "history_violations"))
    return {rule for rule in rules_with_a_macro(centre) if f"'{rule}'" in text} | JUDGED_ON_THE_WHOLE


def rules_expected(centre: CallCentre) -> set[str]:
    suites = (ROOT / f"expectations/{name}.json" for name in ("readiness", "history"))
    documents = [json.loads(path.read_text("utf-8")) for path in suites]
    return {rule["meta"]["rule"] for document in documents for rule in document["expectations"]}


def rules_with_unit_tests(centre: CallCentre) -> set[str]:
    """A file named after the rule, in which the rule is expected both kept and violated."""
    tested = set()
    for path in (ROOT / "models/assessed/unit_tests").glob("*.yml"):
        tests = yaml.safe_load(path.read_text("utf-8"))["unit_tests"]
        rows = [row for test in tests for row in test["expect"]["rows"]]
        if {bool(row[path.stem]) for row in rows if path.stem in row} == {False, True}:
            tested.add(path.stem)
    return tested


def rules_with_a_page(centre: CallCentre) -> set[str]:
    pages = {path.stem for path in (ROOT / "docs/rules").glob("*.md")}
    schema = json.loads((ROOT / "expectations/schema.json").read_text("utf-8"))
    return pages - {"README"} - {rule["meta"]["rule"] for rule in schema["expectations"]}


HOMES = (
    *(rules_described, rules_described_where_they_are_columns, rules_with_a_flag),
    *(rules_counted, rules_whose_keys_are_named),
    *(rules_expected, rules_with_unit_tests, rules_with_a_page),
)


def test_every_rule_is_in_each_of_its_homes(centre: CallCentre) -> None:
    rules = rules_with_a_macro(centre)
    differing = {home.__name__: sorted(found ^ rules) for home in HOMES if (found := home(centre)) != rules}
    assert not differing


def columns_of(centre: CallCentre, model: str) -> set[str]:
    query = f"select * from ({centre.workspace.project.sql(model)}) as t limit 0"
    with contextlib.closing(psycopg.connect(centre.url)) as connection:
        cursor = connection.execute(sql.SQL(query))
        assert cursor.description is not None
        return {column.name for column in cursor.description}
