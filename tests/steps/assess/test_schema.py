"""The schema suite: `assess` counts what the dbt model counts, from changes that it reads once."""

from __future__ import annotations

from pathlib import Path

from rollcall.sandbox.demo import Scale
from rollcall.schema.declared import declared_changes
from rollcall.steps.assess.assessment import assess
from tests.support.call_centre import CallCentre, call_centre

OF_ROLLCALL = ("missing_own_object", "conflicting_own_object")  # Rollcall adds its relations to these
STEPS = (
    ("select 1", {"missing_column": 6, "missing_index": 5}),
    ("create index rollcall_calls_of_agent on call_sessions (status)", {"conflicting_index": 1}),
    ("alter table agent_sessions add last_heartbeat text", {"conflicting_column": 1}),
    ("alter table agent_sessions add max_concurrent_calls integer default 1", {"conflicting_column": 1}),
)


def counted(centre: CallCentre) -> dict[str, int]:
    """The row of the model `schema_counts`."""
    project = centre.workspace.project
    with centre.workspace.database.snapshot() as snapshot:
        declared_changes(snapshot, project)  # names the indexes that differ from their declaration
        return dict(snapshot.row(project.sql("schema_counts")))


def test_assess_counts_what_the_model_counts(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path, scale=Scale(agents=10, sessions=20, calls=20))
    for change, expected in STEPS:
        centre.rows(change)
        by_model = counted(centre)
        violations = {rule.name: rule.violations for rule in assess(centre.workspace).rules}
        differing = {
            name: (violations[name], count)
            for name, count in by_model.items()
            if name not in OF_ROLLCALL and violations[name] != count
        }
        assert differing == {}
        assert expected.items() <= violations.items(), change
