"""The contracts of the views, and what dbt's documentation shows of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from rollcall.ledger.runs import open_run
from rollcall.sandbox.demo import Scale, Variant
from rollcall.steps.migrate.migration import migrate
from tests.support.call_centre import CallCentre, call_centre
from tests.support.dbt_command import RUN_RELATIONS, Dbt
from tests.support.paths import ROOT
from tests.support.views import VIEWS

SCALE = Scale(agents=60, sessions=600, calls=2_000, days=10)
LIVE_CALL = """\
      - name: live_call_id
        data_type: uuid
        config: {meta: {type_of: [sessions_call_id_column, calls_id_column]}}
        description: "Key of the session's live call, if any. {{ doc('live_call') }}"
"""
DURATION = "duration_seconds\n        data_type: {}"
COLUMNS = (
    "select a.attname::text, a.atttypid::regtype::text from pg_attribute as a"
    " where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped"
)


def migrated(database: str, state: Path, variant: Variant | None = None) -> CallCentre:
    centre = call_centre(database, state, variant=variant, scale=SCALE)
    with open_run(centre.workspace, "migrate") as run:
        assert migrate(centre.workspace, run, centre.plan().statements).skipped == []
    return centre


def contracts(dbt: Dbt) -> dict[str, dict[str, str]]:
    """By model of the schema `rollcall`, the type of each column of an enforced contract."""
    return {
        node["name"]: {name: column["data_type"] for name, column in node["columns"].items()}
        for node in dbt.artifact("manifest")["nodes"].values()
        if node["resource_type"] == "model"
        and node["schema"] == "rollcall"
        and node["config"]["contract"]["enforced"]
    }


def copied_project(folder: Path, found: str, replaced: str) -> Path:
    """A copy of the dbt project with another text in the contracts of the views."""
    for part in ("models", "macros", "analyses", "seeds", "tests/dbt"):
        shutil.copytree(ROOT / part, folder / part)
    for file in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(ROOT / file, folder / file)
    file = folder / "models" / "cleaned" / "_cleaned.yml"
    text = file.read_text("utf-8")
    assert found in text
    file.write_text(text.replace(found, replaced, 1), "utf-8")
    return folder


@pytest.mark.medium
def test_a_contract_names_exactly_the_columns_that_rollcall_deploys(database: str, tmp_path: Path) -> None:
    centre = migrated(database, tmp_path)
    dbt = Dbt(database, tmp_path)
    dbt("parse")
    declared = contracts(dbt)
    assert declared.keys() >= set(VIEWS)
    for name, columns in declared.items():
        spelled: dict[str, Any] = {
            column: centre.rows("select %s::regtype::text", kind)[0][0] for column, kind in columns.items()
        }
        assert spelled == dict(centre.rows(COLUMNS, f"rollcall.{name}")), name


@pytest.mark.slow
@pytest.mark.parametrize(
    "variant",
    [Variant(keys="bigint", agent_keys="text"), Variant(keys="text", agent_keys="uuid", status="enum")],
    ids=["bigint and text", "text and uuid"],
)
def test_a_key_has_the_type_of_the_application(database: str, tmp_path: Path, variant: Variant) -> None:
    migrated(database, tmp_path, variant)
    assert set(Dbt(database, tmp_path)(*RUN_RELATIONS).values()) == {"UNCHANGED"}


@pytest.mark.medium
@pytest.mark.parametrize(
    ("found", "replaced", "difference"),
    [
        (DURATION.format("bigint"), DURATION.format("integer"), "declared integer, deployed bigint"),
        (LIVE_CALL, "", "live_call_id: declared nowhere"),
    ],
    ids=["another type", "a column that it lacks"],
)
def test_dbt_deploys_no_view_that_breaks_its_contract(
    database: str, tmp_path: Path, found: str, replaced: str, difference: str
) -> None:
    centre = migrated(database, tmp_path)
    comment = "select obj_description('rollcall.agent_sessions'::regclass)"
    before = centre.rows(comment)
    dbt = Dbt(database, tmp_path, project=copied_project(tmp_path / "project", found, replaced))
    with pytest.raises(AssertionError, match=f"not those of its contract .*{difference}"):
        dbt("run", "--select", "agent_sessions", settle_minutes=11)
    assert centre.rows(comment) == before


@pytest.mark.medium
def test_each_view_has_a_group_and_an_exposure_and_a_line_in_the_overview(
    database: str, tmp_path: Path
) -> None:
    dbt = Dbt(database, tmp_path)
    dbt("parse")
    manifest = dbt.artifact("manifest")
    views = {key: node for key, node in manifest["nodes"].items() if node["name"] in VIEWS}
    assert len(views) == len(VIEWS)
    assert {(node["group"], node["access"]) for node in views.values()} == {("analysts", "public")}
    used = {key for exposure in manifest["exposures"].values() for key in exposure["depends_on"]["nodes"]}
    assert views.keys() <= used
    overview = manifest["docs"]["doc.rollcall.__rollcall__"]["block_contents"]
    for name in VIEWS:
        assert f"[{name}](#!/model/model.rollcall.{name})" in overview
        assert f"model.rollcall.{name}" in manifest["nodes"]


@pytest.mark.slow
def test_the_views_build_in_a_schema_of_the_target_by_their_tag(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path, scale=SCALE)
    dbt = Dbt(database, tmp_path, {"deployed_by_rollcall": False})
    built = dbt("build", "--select", "+tag:analysts", "--exclude-resource-type", "unit_test")
    assert built.keys() >= set(VIEWS) | {"no_row_is_lost_or_doubled"}
    assert dbt("build", "--select", "cleaned", "--exclude-resource-type", "unit_test").keys() >= set(VIEWS)
    schemas = "select distinct schemaname::text from pg_views where viewname = 'agent_sessions'"
    assert centre.rows(schemas) == [("dbt_postgres_rollcall",)]
