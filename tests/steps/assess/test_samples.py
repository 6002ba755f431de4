"""`--samples`: values of the application's data are shown where they are asked for, and nowhere else."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest

from rollcall.ledger.runs import open_run
from rollcall.sandbox.demo import Scale
from rollcall.steps.assess.assessment import assess
from tests.support.call_centre import CallCentre, call_centre
from tests.support.command import rollcall

SCALE = Scale(agents=60, sessions=600, calls=2_000, days=10)
VALUE = "Zyxwvut <i>personal</i>"  # a status that the application knows and Rollcall does not


@pytest.fixture
def centre(database: str, tmp_path: Path) -> CallCentre:
    """A damaged call centre in which five sessions and a call have a status of their own."""
    made = call_centre(database, tmp_path, scale=SCALE)
    made.rows(
        "update agent_sessions set status = %s where id in"
        " (select id from agent_sessions where logout_at is null order by id limit 5)",
        VALUE,
    )
    made.rows(
        "update call_sessions set status = %s where id ="
        " (select id from call_sessions where ended_at is null order by id limit 1)",
        VALUE,
    )
    return made


def judged(centre: CallCentre, folder: Path, *options: str) -> dict[str, str]:
    """What `assess` says and writes, by where."""
    folder.mkdir()
    done = rollcall(
        *("assess", "--history", "--report", str(folder / "report")),
        *("--junit", str(folder / "j.xml"), "--markdown", str(folder / "m.md"), *options),
        url=centre.url,
        state=centre.workspace.settings.state_directory,
    )
    assert done.returncode == 12, done.stderr
    files = [path for path in folder.rglob("*") if path.is_file() and "latest" not in path.parts]
    found = {str(path.relative_to(folder)): path.read_text("utf-8") for path in files}
    return {Path(name).name if "data-docs" not in name else name: text for name, text in found.items()} | {
        "terminal": " ".join(done.stdout.split())
    }


@pytest.mark.medium
def test_no_value_is_anywhere_unless_asked_for(centre: CallCentre, tmp_path: Path) -> None:
    said = judged(centre, tmp_path / "without")
    assert len(said) > 8
    for where, text in said.items():
        assert "Zyxwvut" not in html.unescape(text), where
    assert "What a run would do" in said["index.html"]
    assert "samples" not in json.dumps(assess(centre.workspace).to_json())


@pytest.mark.medium
def test_values_are_shown_on_request_and_kept_nowhere(centre: CallCentre, tmp_path: Path) -> None:
    said = judged(centre, tmp_path / "with", "--samples", "3")
    holding = {where for where, text in said.items() if "Zyxwvut" in html.unescape(text)}
    assert holding == {"terminal", "index.html", "result.json"}
    assert "status Zyxwvut <i>personal</i>" in said["terminal"]
    assert html.escape(VALUE) in said["index.html"]
    assert "<i>" not in said["index.html"]
    assert "made with <code>--samples</code>" in said["index.html"]

    with open_run(centre.workspace, "test") as run:
        run.note_rules("before", assess(centre.workspace, samples=3))
    kept = centre.rows("select string_agg(to_jsonb(r)::text, '') from rollcall_ops.rule_results as r")
    assert "Zyxwvut" not in kept[0][0]


def test_samples_are_bounded_and_say_what_the_rules_looked_at(centre: CallCentre) -> None:
    rules = {
        rule["name"]: rule for rule in assess(centre.workspace, history=True, samples=3).to_json()["rules"]
    }
    unknown = rules["unknown_session_status"]
    assert [sample["key"] for sample in unknown["samples"]] == unknown["sample_keys"][:3]
    assert {sample["status"] for sample in unknown["samples"]} == {VALUE}
    assert [sample["status"] for sample in rules["unknown_call_status"]["samples"]] == [VALUE]
    for sample in rules["abandoned_session"]["samples"]:
        assert sample["idle_seconds"] > 2 * 3_600
        assert sample["logout_at"] is None
    for sample in rules["reversed_session_times"]["samples"]:
        assert sample["logout_at"] < sample["login_at"]
    for sample in rules["zombie_call"]["samples"]:
        assert sample["age_seconds"] > 4 * 3_600
    for name, rule in rules.items():
        assert len(rule.get("samples", ())) <= 3, name
        assert bool(rule.get("samples")) <= bool(rule["violations"]), name
    assert "samples" not in rules["missing_column"], "an object of the schema has no row"
