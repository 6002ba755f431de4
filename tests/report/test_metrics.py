"""`rollcall metrics`: what Prometheus reads is what the database holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rollcall.sandbox.demo import Scale
from tests.support.call_centre import CallCentre, call_centre
from tests.support.command import rollcall

TINY = Scale(agents=40, sessions=200, calls=400, days=10)
Samples = dict[tuple[str, str], float]


def samples(text: str) -> Samples:
    """The values by the metric and its last label, which is empty without further labels."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if name != "database"}
            key = labels.get("rule") or "".join(labels.values())
            found[sample.name, key] = sample.value
    return found


def metrics(centre: CallCentre, state: Path, *arguments: str) -> str:
    done = rollcall("metrics", *arguments, url=centre.url, state=state)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.medium
def test_they_say_what_the_database_holds_before_and_after_a_run(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path, scale=TINY)
    before = samples(metrics(centre, tmp_path))
    open_sessions = centre.rows("select count(*) from agent_sessions where logout_at is null")[0][0]
    assert before["rollcall_open_sessions", ""] == open_sessions
    for rule, violations in centre.planted.violations.items():
        assert before.get(("rollcall_rule_violations", rule), violations) == violations
    assert before["rollcall_rule_violations", "abandoned_session"] > 0
    assert before["rollcall_verdict", "NEEDS_DATABASE_MIGRATION"] == 1
    assert before["rollcall_verdict", "READY"] == 0
    states = [value for (name, _), value in before.items() if name == "rollcall_sessions_by_state"]
    assert sum(states) == open_sessions
    assert ("rollcall_routable_agents", "") not in before
    assert not [name for name, _ in before if name.startswith("rollcall_last_run")]

    _, _, cleaning, _ = centre.run()
    after = samples(metrics(centre, tmp_path))
    routable = centre.rows("select count(*) from rollcall.routable_agents")[0][0]
    assert after["rollcall_routable_agents", ""] == routable > 0
    assert after["rollcall_last_run_changed_sessions", "run"] == cleaning.changed > 0
    assert after["rollcall_last_run_failed", "run"] == 0
    assert after["rollcall_last_run_duration_seconds", "run"] > 0
    assert after["rollcall_rule_violations", "abandoned_session"] == 0


def test_a_file_is_replaced_when_it_is_whole_and_stays_when_nothing_was_judged(
    database: str, tmp_path: Path
) -> None:
    centre = call_centre(database, tmp_path, scale=TINY)
    file = tmp_path / "metrics" / "rollcall.prom"
    assert metrics(centre, tmp_path, "--textfile", str(file)) == ""
    text = file.read_text("utf-8")
    assert ("rollcall_open_sessions", "") in samples(text)
    assert file.stat().st_mode & 0o777 == 0o644

    nowhere = "postgresql://127.0.0.1:9/calls"
    done = rollcall("metrics", "--textfile", str(file), url=nowhere, state=tmp_path)
    assert done.returncode == 1
    assert file.read_text("utf-8") == text
    assert [path.name for path in file.parent.iterdir()] == [file.name]
