"""Rules of a user's own: as the page shows them, in a folder of theirs, judged with the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollcall.errors import ConfigurationError, EvaluationError, RollcallError
from rollcall.report.folder import publish
from rollcall.report.outcome import RunOutcome
from rollcall.rules.results import Assessment, RuleResult, Verdict
from rollcall.sandbox.demo import DefectCounts, Scale
from rollcall.servers.postgres import PostgresServer
from rollcall.steps.assess.assessment import assess
from tests.support.call_centre import CallCentre, call_centre
from tests.support.paths import ROOT
from tests.support.postgres import fresh_database
from tests.support.waivers import line, write

PAGE = (ROOT / "docs/adding-rules.md").read_text("utf-8")
QUERY = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)[0]
SUITE = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
SCALE = Scale(agents=60, sessions=600, calls=2_000, days=10)
LOST, ZONELESS = "call_without_customer", "customer_without_time_zone"


class Crm:
    """A sound call centre of an application that has customers too, and rules for them."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self.write(QUERY, SUITE)
        write(folder)
        overrides = {"own_rules_folder": str(folder), "waivers_file": str(folder / "waivers.csv")}
        self.centre: CallCentre = call_centre(url, folder, overrides, defects=DefectCounts(), scale=SCALE)
        self.centre.rows("create table customers (id integer primary key, time_zone text)")
        self.centre.rows("alter table call_sessions add customer_id integer")
        self.centre.rows(
            "insert into customers select n, case when n > 5 then 'UTC' end from generate_series(1, 9) n"
        )
        self.centre.run()

    def write(self, query: str, suite: dict[str, Any]) -> None:
        (self.folder / "crm.sql").write_text(query, "utf-8")
        (self.folder / "crm.json").write_text(json.dumps(suite), "utf-8")

    def assess(self) -> Assessment:
        return assess(self.centre.workspace, details=True)


@pytest.fixture(scope="module")
def shared(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crm]:
    with fresh_database(server) as url:
        yield Crm(url, tmp_path_factory.mktemp("crm"))


@pytest.fixture
def crm(shared: Crm) -> Crm:
    shared.write(QUERY, SUITE)
    write(shared.folder)
    shared.centre.rows("update call_sessions set customer_id = null")
    return shared


def rule(assessment: Assessment, name: str) -> RuleResult:
    return next(found for found in assessment.rules if found.name == name)


@pytest.mark.medium
def test_they_are_judged_with_the_rest_exactly(crm: Crm) -> None:
    before = crm.assess()
    assert before.verdict is Verdict.READY
    assert rule(before, LOST).violations == 0
    warned = rule(before, ZONELESS)
    assert (warned.violations, warned.tolerance, warned.passed) == (5, 2, False)
    assert warned.sample_keys == ("1", "2", "3", "4", "5")

    crm.centre.rows("update call_sessions set customer_id = 77")
    after = crm.assess()
    assert after.verdict is Verdict.NOT_READY
    ((calls,),) = crm.centre.rows("select count(*) from call_sessions")
    lost = rule(after, LOST)
    assert lost.violations == calls > len(lost.keys) == 1_000
    assert len(lost.sample_keys) == 20


@pytest.mark.medium
def test_they_are_in_every_report(crm: Crm, tmp_path: Path) -> None:
    assessment = crm.assess()
    outcome = RunOutcome(
        None, "assess", assessment.database, assessment.judged_at, assessment.judged_at, before=assessment
    )
    folder = publish(tmp_path, outcome).parent
    for name in ("index.html", "junit.xml", "summary.md", "result.json"):
        text = (folder / name).read_text("utf-8")
        assert "customer_without_time_zone" in text or "Customer without time zone" in text, name
    pages = [path.read_text("utf-8") for path in (folder / "data-docs").rglob("*.html")]
    assert any("The time at which this customer may be called is unknown" in page for page in pages)


@pytest.mark.medium
def test_they_can_be_waived(crm: Crm) -> None:
    write(crm.folder, line(ZONELESS, "1"), line(ZONELESS, "2"), line(ZONELESS, "3"))
    found = rule(crm.assess(), ZONELESS)
    assert (found.violations, found.waived, found.passed) == (5, 3, True)


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("select 'call_without_custmer' as rule, '1' as key", "gives a rule call_without_custmer"),
        ("select 'call_without_customer' as rule, null as key", "without a key"),
        ("select 'call_without_customer' as rule", "key does not exist"),
        ("select * from custmers", "could not be evaluated"),
        (
            "delete from customers returning 'call_without_customer' as rule, id as key",
            "could not be evaluated",
        ),
        ("select 'x' as rule, 'y' as key; drop table customers", "could not be evaluated"),
    ],
)
def test_a_query_that_is_wrong_is_an_error_and_no_pass(crm: Crm, query: str, part: str) -> None:
    crm.write(query, SUITE)
    with pytest.raises(EvaluationError) as caught:
        crm.assess()
    assert part in str(caught.value)
    assert crm.centre.rows("select count(*) from customers") == [(9,)]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"rule": "zombie_call"}, "Rollcall has a rule zombie_call"),
        ({"severity": "critical"}, "is critical"),
        ({"check": "sessions_clean"}, "belongs to sessions_clean"),
        ({"severity": "blokcing"}, "blokcing"),
    ],
)
def test_a_suite_that_is_wrong_is_refused(crm: Crm, change: dict[str, str], part: str) -> None:
    suite = json.loads(json.dumps(SUITE))
    meta = suite["expectations"][0]["meta"]
    meta.update(change)
    suite["expectations"][0]["kwargs"]["column"] = meta["rule"]
    crm.write(QUERY, suite)
    with pytest.raises(ConfigurationError) as caught:
        crm.assess()
    assert part in str(caught.value)


def test_a_query_must_be_there_and_so_must_the_folder(crm: Crm) -> None:
    (crm.folder / "crm.sql").unlink()
    with pytest.raises(RollcallError, match="no query beside it"):
        crm.assess()
    settings = crm.centre.workspace.settings
    before = settings.variables["own_rules_folder"]
    settings.variables["own_rules_folder"] = "/nowhere/at/all"
    try:
        with pytest.raises(ConfigurationError, match="there is no folder"):
            crm.assess()
    finally:
        settings.variables["own_rules_folder"] = before
