"""The reports: what people and CI systems read, rendered for real from hostile names and keys."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psycopg
import pytest
from psycopg import sql

from rollcall.assess.assessment import assess
from rollcall.clean.cleaning import CleaningResult
from rollcall.demo import DefectCounts, Scale, Variant
from rollcall.errors import ConfigurationError
from rollcall.ledger.runs import open_run
from rollcall.migrate.catalog_state import CatalogueProof
from rollcall.migrate.migration import MigrationResult
from rollcall.migrate.proof import MigrationProof
from rollcall.migrate.table_contents import TableProof
from rollcall.plan.pending_work import Body, Plan
from rollcall.report import folder as report_folder
from rollcall.report.folder import ReportFailed, publish
from rollcall.report.html import render, write_report
from rollcall.report.junit import junit_xml
from rollcall.report.markdown import markdown_summary
from rollcall.report.outcome import RunOutcome
from rollcall.report.text import in_words, printable
from rollcall.rules.judging import Judgement, judge_counts
from rollcall.rules.results import Assessment, OpenSession, PastResult, Presence, RuleResult, Sample, Trend
from rollcall.rules.suites import read_suites
from rollcall.rules.verdict import checks_of, verdict_of
from rollcall.rules.waiver import Waiver, WaiverResult, WaiverState
from rollcall.schema.declared import Statement
from rollcall.servers.postgres import PostgresServer
from rollcall.verify import Proof, Verification
from tests.support.call_centre import CallCentre, call_centre
from tests.support.paths import ROOT

SUITES = read_suites(ROOT / "expectations")
JUDGED = ("schema", "readiness", "history")
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RUN_ID = "20261122T120000Z-1f2e"

HOSTILE = (
    "<script>alert(document.title='owned')</script>",
    "\"><img src=x onerror=alert(1)> ' {{ 7*7 }} {% raw %}",
    "\u202egnp.exe \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u2066",
    "☎️ 👩🏽‍💻 🇩🇪",
    "nul\x00bell\x07escape\x1b[31m\x85\ud800\ufffe line\nfeed",
    "| a | b |\n|---|---|\n`code` **bold** [x](https://evil.example/) @everyone #1 :tada: <b>",
    "]]> &amp; &lt; --> </style></title>",
    "long " + "x" * 5_000,
)
BEFORE = {
    "missing_column": 3,
    "missing_index": 4,
    "missing_own_object": 9,
    "abandoned_session": 1_203,
    "orphaned_call_reference": 40,
    "invalid_on_call": 12,
    "duplicate_open_session": 31,
    "zombie_call": 7,
    "live_call_not_on_call": 3,
    "open_but_offline": 212,
    "heartbeat_feed": 96,
    "reversed_call_times": 1,
}
AFTER = {name: BEFORE[name] for name in ("zombie_call", "live_call_not_on_call", "heartbeat_feed")}


# --- what a run came to -----------------------------------------------------------------------


def assessment(
    counts: dict[str, int],
    keys: tuple[str, ...] = (),
    database: str = "callcentre",
    **other: Any,
) -> Assessment:
    """A judgement with these counts; every violated rule that counts rows has the keys."""
    judgements = []
    for name in JUDGED:
        rules = tuple(
            RuleResult(
                name=rule.name,
                suite=name,
                check=rule.check,
                severity=rule.severity,
                violations=counts.get(rule.name, 0),
                tolerance=rule.tolerance,
                passed=counts.get(rule.name, 0) <= rule.tolerance,
                reason=rule.reason,
                remedy=rule.remedy,
                sample_keys=keys[: counts[rule.name]] if counts.get(rule.name, 0) > 1 else (),
            )
            for rule in SUITES[name].rules
        )
        judgements.append(Judgement(SUITES[name], rules, {}))
    rules = tuple(rule for judgement in judgements for rule in judgement)
    checks = checks_of(rules)
    values: dict[str, Any] = {
        "verdict": verdict_of(checks),
        "checks": checks,
        "rules": rules,
        "pending_statements": sum(counts.get(rule.name, 0) for rule in SUITES["schema"].rules),
        "pending_changes": counts.get("abandoned_session", 0),
        "judged_at": NOON,
        "cutoff": NOON - timedelta(hours=2),
        "snapshot_at": NOON,
        "server_version": "18.1",
        "database": database,
        "facts": {"open_sessions": 1_391, "working_sessions": 1_166, "active_agents": 187},
        "judgements": tuple(judgements),
    }
    return Assessment(**(values | other))


def values_of(key: str) -> dict[str, Any]:
    """What `--samples` might have read of a row whose every text is like its key."""
    return {"agent_id": "7", "status": f"status of {key}", "login_at": None, "idle_seconds": 7_200.0}


def with_history(judged: Assessment, keys: tuple[str, ...] = (), text: str = "") -> Assessment:
    """The same with a past: trends, charts, a floor and waivers, all of which may say `text`."""
    since = (NOON - timedelta(minutes=9), None, *[NOON - timedelta(days=2, hours=4)] * 10_000)
    rules = tuple(
        replace(
            rule,
            waived=min(2, rule.violations),
            waived_keys=keys[: min(2, rule.violations)],
            samples=tuple(Sample(key, values_of(key)) for key in keys[: min(3, rule.violations)]),
            trend=Trend(
                run_id=RUN_ID + text,
                stage="after",
                recorded_at=NOON - timedelta(hours=1),
                before=rule.violations + 3,
                new=1,
                persisting=max(0, rule.violations - 1),
                resolved=len(keys),
                is_exact=not rule.violations > 1_000,
                failing_since=NOON - timedelta(days=2) if rule.violations else None,
                new_keys=rule.sample_keys[:1],
                resolved_keys=keys,
                keys_since=since[: len(rule.sample_keys)],
            )
            if rule.violations
            else None,
        )
        for rule in judged.rules
    )
    past = tuple(
        PastResult(rule.name, NOON - timedelta(hours=day), (rule.violations * day) % 90, 0)
        for rule in rules
        if rule.violations
        for day in range(20, 0, -1)
    )
    states = ("talking", "present", "quiet", "abandoned")
    sessions = tuple(
        OpenSession(
            session_id=f"session {number}{text}",
            agent_id=f"{number}{text}",
            login_at=NOON - timedelta(hours=2 + number % 5 + (100 if number % 16 == 3 else 0)),
            last_seen_at=NOON - timedelta(minutes=(0, 2, 40, 130 + number * 20)[number % 4]),
            state=states[number % 4],
        )
        for number in range(80)
    )
    waiver = Waiver(
        2, "zombie_call", f"k{text}", None, None, f"known{text}", f"j.doe{text}", date(2027, 1, 31)
    )
    return replace(
        judged,
        rules=rules,
        past=past,
        presence=Presence(dict.fromkeys(states, 20) | {"present": 1_331}, sessions),
        waivers=(WaiverResult(waiver, WaiverState.ACTIVE, 1), WaiverResult(waiver, WaiverState.EXPIRED, 0)),
    )


def plan(statements: int = 3, repairs: int = 1_253, text: str = "") -> Plan:
    made = tuple(
        Statement(
            kind="column",
            object_name=f"public.agent_sessions.column_{number}{text}",
            sql="alter table …",
            reason=f"Live status control needs it{text}",
            lock="ACCESS EXCLUSIVE, for milliseconds, on the sessions table",
        )
        for number in range(statements)
    )
    body = Body()
    for number in range(repairs):
        change = {
            "line": "change",
            "session_id": number,
            "agent_id": number % 100,
            "rules": ["abandoned_session"] if number % 20 else ["invalid_on_call"],
            "remedy": "close" if number % 20 else "reset_status",
            "before": {},
            "after": {"status": "offline"},
            "evidence": {},
        }
        body.add(change)
    now = NOON.isoformat()
    header = {"database": "callcentre", "judged_at": now, "made_at": now, "expires_at": now}
    return Plan(header, body, made)


def keys_of(count: int) -> tuple[str, ...]:
    return tuple(f"3f2504e0-4f89-41d3-9a0c-{number:012d}" for number in range(count))


def outcome(**other: Any) -> RunOutcome:
    values: dict[str, Any] = {
        "run_id": None,
        "command": "assess",
        "database": "callcentre",
        "started_at": NOON,
        "finished_at": NOON + timedelta(seconds=14),
    }
    return RunOutcome(**(values | other))


def completed(skipped: list[dict[str, str]] | None = None, **other: Any) -> RunOutcome:
    """A run that migrated and cleaned, after which the database is ready."""
    left = skipped if skipped is not None else []
    changed = 1_253 - len(left)
    proof = Proof(RUN_ID, 1_253, changed, len(left), 0, 0, 2, keys_of(2))
    verification = Verification(
        assessment(AFTER, keys_of(7)), proof, 1, keys_of(1), migration=migration_proof()
    )
    values: dict[str, Any] = {
        "run_id": RUN_ID,
        "command": "run",
        "before": assessment(BEFORE, keys_of(20)),
        "plan": plan(),
        "migration": MigrationResult(RUN_ID, [f"public.agent_sessions.c{n}" for n in range(16)]),
        "cleaning": CleaningResult(RUN_ID, 1_253, changed, left),
        "verification": verification,
    }
    return outcome(**(values | other))


def migration_proof(
    unexpected: Sequence[str] = (), tables: Sequence[TableProof] | None = None
) -> MigrationProof:
    """What `verify` shows of a migration that ended by itself."""
    same = TableProof("public.agents", 200, 200, 0, True)
    large = TableProof("public.call_sessions", None, None, None, None)
    return MigrationProof(
        run_id=RUN_ID,
        executed=("public.agent_sessions.last_heartbeat",),
        catalogue=CatalogueProof(
            added=("column public.agent_sessions.last_heartbeat",),
            unexpected=tuple(unexpected),
            identical=76,
            tables=(same, large) if tables is None else tuple(tables),
        ),
        is_complete=True,
        changed_since=tuple(unexpected),
        before_at=NOON,
        after_at=NOON,
    )


def hostile() -> RunOutcome:
    """Every text that may come from the database is hostile."""
    name = "".join(HOSTILE[:4])
    after = assessment(BEFORE | {"unknown_session_status": 2}, HOSTILE, name, warnings=HOSTILE[:3])
    skipped = [{"session_id": text, "reason": f"because {text}"} for text in HOSTILE]
    proof = Proof(RUN_ID, 9, 1, 8, 1, 1, 3, HOSTILE)
    return completed(
        database=name,
        before=assessment(BEFORE, HOSTILE, name),
        plan=plan(text=HOSTILE[0]),
        migration=MigrationResult(
            RUN_ID,
            list(HOSTILE),
            [{"object": text, "reason": f"lock {text}"} for text in HOSTILE],
        ),
        cleaning=CleaningResult(RUN_ID, 9, 1, skipped),
        verification=Verification(
            after,
            proof,
            3,
            HOSTILE,
            migration=migration_proof(HOSTILE, [TableProof(text, 3, 3, 0, False) for text in HOSTILE]),
        ),
    )


OUTCOMES: dict[str, Callable[[], RunOutcome]] = {
    "hostile": hostile,
    "hostile_history": lambda: outcome(
        before=with_history(assessment(BEFORE, HOSTILE), HOSTILE, "".join(HOSTILE[:6]))
    ),
    "history": lambda: outcome(before=with_history(assessment(BEFORE, keys_of(20)), keys_of(4)), plan=plan()),
    "completed": completed,
    "needs_migration": lambda: outcome(before=assessment(BEFORE, keys_of(20)), plan=plan()),
    "not_ready": lambda: outcome(
        before=assessment({"no_active_agents": 1, "unknown_session_status": 4}, keys_of(4))
    ),
    "needs_cleanup": lambda: outcome(
        before=assessment({"abandoned_session": 5}, keys_of(5)), plan=plan(0, 5)
    ),
    "ready": lambda: outcome(before=assessment({}), plan=plan(0, 0)),
    "unreadable": lambda: outcome(
        before=assessment({"missing_select_privilege": 3}, facts={}, judgements=(), warnings=("!",))
    ),
    "not_judged": lambda: outcome(command="migrate", migration=MigrationResult(RUN_ID)),
}


@pytest.fixture(params=OUTCOMES)
def any_outcome(request: pytest.FixtureRequest) -> RunOutcome:
    return OUTCOMES[request.param]()


# --- the page ---------------------------------------------------------------------------------


class Page(HTMLParser):
    """Reads a page as a browser would, and notes what it would do and show."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.shown: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.shown.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.shown).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_a_page_loads_nothing_and_runs_nothing(any_outcome: RunOutcome) -> None:
    source = render(any_outcome, has_data_docs=True)
    page = Page(source)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "img", "iframe", "object", "embed", "form", "base", "video"}
    addresses = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("href", "src", "srcset", "action", "data", "poster", "background")
    ]
    assert all(a == "data-docs/index.html" or str(a).startswith("data:") for a in addresses)
    assert not [name for _, attributes in page.tags for name in attributes if name[:2] == "on"]
    style = re.findall(r"<style>(.*?)</style>", source, re.DOTALL)
    assert len(style) == 1
    assert "url(" not in style[0]
    assert "@import" not in style[0]


def test_a_page_is_sound_and_accessible(any_outcome: RunOutcome) -> None:
    source = render(any_outcome)
    page = Page(source)
    assert source.startswith("<!DOCTYPE html>")
    assert page.open == []
    assert page.all("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [str(attributes["id"]) for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = [attributes["aria-labelledby"] for attributes in page.all("section")]
    assert set(labelled) <= set(ids)
    assert all(attributes.get("scope") for attributes in page.all("th"))
    regions = [a for a in page.all("div") if a.get("class") == "scroll"]
    assert len(regions) == len(page.all("table"))
    assert all(region["tabindex"] == "0" and region["aria-label"] for region in regions)


def luminance(colour: str) -> float:
    """WCAG 2's relative luminance of a colour like #1c2127 or #fff."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, another: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(another)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("look", ["light", "dark", "print"])
def test_every_text_has_the_contrast_that_wcag_asks_for(look: str) -> None:
    light, dark, printed = re.findall(r":root \{(.*?)\}", render(OUTCOMES["ready"]()), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]+)", light))
    colours |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]+)", {"dark": dark, "print": printed}.get(look, "")))
    tones = ("good", "fair", "bad", "none")
    pairs = [
        *((text, ground) for text in ("ink", "soft", "link", *tones) for ground in ("page", "sheet")),
        *((text, f"{tone}-tint") for tone in tones for text in ("ink", "soft", tone)),
        ("bad", "good-tint"),  # the verdict before the run, in the box of the one after
        ("bad", "fair-tint"),
    ]
    poor = {pair: round(contrast(*map(colours.__getitem__, pair)), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in poor.items() if ratio < 4.5} == {}


def test_hostile_text_is_shown_as_it_is_and_does_nothing() -> None:
    source = render(hostile())
    source.encode()
    text = html.unescape(re.sub(r"<[^>]*>", "", source))
    assert HOSTILE[0] in text
    assert "{{ 7*7 }}" in text
    assert "[U+202E]gnp.exe שלום" in text
    assert HOSTILE[3] in text
    assert "nul␀bell␇escape␛[31m�" in text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", source)
    assert "x" * 301 not in source, "what is too long is cut"


def test_the_verdict_comes_first_then_what_decides_it() -> None:
    text = Page(render(OUTCOMES["needs_migration"]())).text
    order = [
        "NEEDS DATABASE MIGRATION",
        "What to do next",
        "1,391",
        "The five checks",
        "What is wrong",
        "Abandoned session 1,203 sessions",
        "clean closes it",
        "What a run would do",
        "Good to know",
        "Open but offline 212 sessions",
    ]
    found = [text.find(words) for words in order]
    assert -1 not in found, dict(zip(order, found, strict=True))
    assert found == sorted(found)


def test_a_run_shows_before_and_after_what_was_done_and_the_proof() -> None:
    skipped = [{"session_id": str(n), "reason": "showed life"} for n in range(3)]
    text = Page(render(completed(skipped))).text
    for words in (
        "Before this run: NEEDS DATABASE MIGRATION READY FOR PRODUCTION",
        "needed cleaning before",
        "16 statements executed on the schema",
        "1,250 of 1,253 planned sessions repaired. 3 left alone",
        "Abandoned session critical 1,203 0",
        "Showed life 3 sessions",
        "The proof holds: only what was planned was changed.",
        "The proof of the migration holds: only what is declared was added.",
        "1 declared object of the application's tables added, 76 exactly as before.",
        "Rows: public.agents 200 before, 200 after, and their digests are equal.",
        "Rows: public.call_sessions is too large to be counted.",
        "1,250 changed and 3 left alone: each one is accounted for.",
        "1 session can be repaired now",
        "took 14 s",
    ):
        assert words in text


def test_what_somebody_else_changed_while_we_migrated_is_said_and_named() -> None:
    run = completed()
    assert run.verification is not None
    proof = migration_proof(["column public.agents.theirs added", "index public.theirs added"])
    run = replace(run, verification=replace(run.verification, migration=proof))
    text = Page(render(run)).text
    assert "The proof of the migration does not hold" in text
    assert "Undeclared differences: 2 differences" in text
    assert "index public.theirs added" in text
    assert text.index("names what") < text.index("The five checks")
    assert "2 differences, like column public.agents.theirs added" in html.unescape(markdown_summary(run))


def test_a_proof_that_does_not_hold_is_said_first_of_all() -> None:
    run = completed()
    assert run.verification is not None
    proof = Proof(RUN_ID, 5, 3, 1, 1, 1, 0, ())
    text = Page(render(replace(run, verification=replace(run.verification, proof=proof)))).text
    assert "The proof does not hold" in text
    assert "they do not add up" in text
    assert text.index("its proof does not hold") < text.index("The five checks")


def test_not_ready_says_what_a_person_must_do() -> None:
    text = Page(render(OUTCOMES["not_ready"]())).text
    assert "NOT READY A person must act first." in text
    assert "No active agents: A person must activate an agent" in text
    assert "Unknown session status 4 sessions" in text


def test_a_second_run_says_that_it_changed_nothing() -> None:
    nothing = completed(
        before=assessment({}),
        migration=MigrationResult(RUN_ID),
        cleaning=CleaningResult(RUN_ID),
        verification=Verification(assessment({}), None, 0, ()),
    )
    text = Page(render(nothing)).text
    assert "no statement was executed" in text
    assert "none was changed" in text
    assert "Before this run" not in text


def test_a_run_that_was_not_verified_does_not_pass_off_an_old_verdict_as_new() -> None:
    text = Page(render(completed(verification=None))).text
    assert "judged before the run changed anything" in text
    assert "Judge the database again: rollcall verify" in text


def test_data_docs_are_linked_only_where_they_are(tmp_path: Path) -> None:
    assert "data-docs" not in write_report(tmp_path, completed()).read_text()
    (tmp_path / "data-docs").mkdir()
    (tmp_path / "data-docs" / "index.html").touch()
    assert 'href="data-docs/index.html"' in write_report(tmp_path, completed()).read_text()


def test_a_million_violations_and_skips_make_no_bigger_page() -> None:
    million = 1_000_000
    skipped = [{"session_id": f"{n:036d}", "reason": f"reason {n % 50}"} for n in range(million)]
    many = {rule.name: million for name in JUDGED for rule in SUITES[name].rules}
    run = completed(
        cleaning=CleaningResult(RUN_ID, million, 0, skipped),
        before=assessment(many, keys_of(10_000)),
        verification=Verification(
            assessment(many, keys_of(10_000)),
            Proof(RUN_ID, million, 0, million, 0, 0, million, keys_of(10_000)),
            million,
            keys_of(10_000),
        ),
        migration=MigrationResult(RUN_ID, list(keys_of(10_000))),
    )
    page = render(run)
    assert len(page) < 500_000
    assert "1,000,000" in page
    assert "600,000 sessions for other reasons" in page
    assert len(markdown_summary(run)) < 50_000
    cleaning = run.to_json()["cleaning"]
    assert cleaning["skipped_count"] == million
    assert len(json.dumps(cleaning)) < 200_000


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.96, "10 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (3_780, "1 h 3 min")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


# --- Markdown ---------------------------------------------------------------------------------


def tables(markdown: str) -> Iterator[list[str]]:
    for block in markdown.split("\n\n"):
        if block.startswith("|"):
            yield block.splitlines()


def test_markdown_says_verdict_checks_rules_and_what_to_do_next() -> None:
    summary = markdown_summary(completed())
    assert summary.startswith("## 🔴 NEEDS DATABASE MIGRATION → 🟢 READY FOR PRODUCTION\n")
    assert "| `sessions_clean` | 🟡 NEEDS_CLEANUP | ✅ PASS |" in summary
    assert "The proof holds" in summary
    assert "### What to do next" in summary
    summary = markdown_summary(OUTCOMES["needs_migration"]())
    assert "| <code>abandoned_session</code> | critical | 1,203 | – | The session is" in summary
    assert "<code>clean</code> closes it" in summary
    assert "| `schema_ready` | ❌ FAIL |" in summary


def test_markdown_tables_stay_whole(any_outcome: RunOutcome) -> None:
    summary = markdown_summary(any_outcome)
    summary.encode()
    found = list(tables(summary))
    assert bool(found) == (any_outcome.latest is not None)
    for lines in found:
        assert len({line.count("|") for line in lines}) == 1
        assert all(line.startswith("| ") and line.endswith(" |") for line in lines)


def test_markdown_makes_nothing_of_hostile_text() -> None:
    summary = markdown_summary(hostile())
    ours = r"</?code>|&#\d+;|^> |^#+ "
    assert not re.search(r"[<>&\[\]@#~$\\]", re.sub(ours, "", summary, flags=re.MULTILINE))
    assert "https://" not in summary
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", summary)


# --- JUnit ------------------------------------------------------------------------------------


def test_junit_fails_what_decides_and_shows_warnings_as_skipped() -> None:
    root = ElementTree.fromstring(junit_xml(assessment(BEFORE, keys_of(20))))
    assert root.tag == "testsuites"
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == [f"rollcall.{name}" for name in JUDGED]
    for name in JUDGED:
        suite = suites[f"rollcall.{name}"]
        cases = suite.findall("testcase")
        assert [case.get("name") for case in cases] == [rule.name for rule in SUITES[name].rules]
        for kind, tag in (("failures", "failure"), ("skipped", "skipped"), ("errors", "error")):
            assert int(suite.get(kind, "")) == len(suite.findall(f"testcase/{tag}"))
        assert int(suite.get("tests", "")) == len(cases)
        assert all(case.get("classname") and case.get("time") for case in cases)
    failed = {case.get("name") for case in root.iter("testcase") if case.find("failure") is not None}
    assert failed == {
        "missing_column",
        "missing_index",
        "missing_own_object",
        "abandoned_session",
        "orphaned_call_reference",
        "invalid_on_call",
    }
    assert int(root.get("failures", "")) == len(failed)
    case = root.find(".//testcase[@name='abandoned_session']/failure")
    assert case is not None
    assert str(case.get("message")).startswith("1,203 sessions: The session is still open")
    assert "`clean` closes it" in str(case.text)
    assert keys_of(20)[19] in str(case.text)
    skipped = root.find(".//testcase[@name='zombie_call']/skipped")
    assert skipped is not None
    assert str(skipped.get("message")).startswith("warning: 7 calls:")
    info = root.find(".//testcase[@name='heartbeat_feed']")
    assert info is not None
    assert [child.tag for child in info] == ["system-out"]


def test_what_is_waived_is_shown_as_such_and_fails_nothing() -> None:
    judged = with_history(assessment({"abandoned_session": 2, "zombie_call": 9}, keys_of(9)), keys_of(4))
    rules = tuple(replace(r, passed=r.failing <= 0) for r in judged.rules)
    judged = replace(judged, rules=rules, checks=checks_of(rules), verdict=verdict_of(checks_of(rules)))
    cases = {case.get("name"): case for case in ElementTree.fromstring(junit_xml(judged)).iter("testcase")}
    waived = cases["abandoned_session"].find("skipped")
    assert waived is not None
    assert str(waived.get("message")).startswith("waived: 2 sessions, 2 of them waived")
    warned = cases["zombie_call"].find("skipped")
    assert "9 calls, 2 of them waived" in str(warned.get("message") if warned is not None else "")
    assert "1 new, 8 persisting, 4 resolved" in "".join(cases["zombie_call"].itertext()).lower()

    summary = markdown_summary(outcome(before=judged))
    assert "| <code>zombie_call</code> | warning | 9 (2 waived) | 1 |" in summary
    assert "### Waived" in summary
    assert "(expired)" in summary

    page = Page(render(outcome(before=judged))).text
    assert "2 of them waived" in page
    assert "READY" in page
    assert "expired" in page


def test_what_is_new_and_what_persists_is_said_with_its_age() -> None:
    page = Page(render(OUTCOMES["history"]())).text
    assert "Compared with run 20261122T120000Z-1f2e , judged after its work" in page
    assert "1 new, 39 persisting, 4 resolved; failing since 2026-11-20 12:00:00 UTC." in page
    assert "Of the keys compared, 1 new" in page, "where there are more keys than were compared"
    assert f"{keys_of(1)[0]} new" in page
    assert f"{keys_of(3)[2]} for 2 d 4 h" in page
    assert "Which were resolved" in page
    assert "docs/rules/abandoned_session.md" in page


def test_every_chart_has_words_that_say_the_same() -> None:
    source = render(OUTCOMES["history"]())
    page = Page(source)
    drawings = page.all("svg")
    assert len(drawings) == source.count("<figcaption") + 1 > 5
    assert all(svg.get("aria-hidden") == "true" for svg in drawings)
    assert "21 judgements from 2026-11-21 16:00:00 UTC: 30 at first, at most 1,203, now 1,203." in page.text
    assert "Of 1,391 open sessions: 20 on a live call, 1,331 seen just now, 20 quiet" in page.text
    assert "60 of 1,391" in page.text
    rows = re.search(r"The same as a table.*?</table>", source, re.DOTALL)
    assert rows is not None
    assert rows.group().count("<tr>") == 61
    colours = re.findall(r"<svg.*?</svg>", source, re.DOTALL)
    assert not re.search(r'(?:fill|stroke)="#', "".join(colours)), "colours follow the theme"


def test_a_run_says_what_it_did_before_what_it_found_and_what_never_changed_is_folded_away() -> None:
    before = with_history(assessment(BEFORE, keys_of(20)), keys_of(4))
    after = with_history(assessment(AFTER, keys_of(7)), keys_of(2))
    level = tuple(replace(past, violations=7) if past.rule == "zombie_call" else past for past in after.past)
    run = completed(before=before, verification=Verification(replace(after, past=level), None, 0, ()))
    text = Page(render(run)).text
    order = [
        "What this run did",
        "Abandoned session critical 1,203 0",
        "Which are resolved",
        "New, persisting, resolved, as this run found it",
        "Abandoned session critical 1 1,202 4",
        "Who is really there",
        "Over the last runs",
        "The same every time (1)",
    ]
    found = [text.find(words) for words in order]
    assert -1 not in found, dict(zip(order, found, strict=True))
    assert found == sorted(found)
    moving, same = text.split("Over the last runs")[1].split("The same every time (1)")
    assert "Live call not on call" in moving
    assert "Zombie call" not in moving
    assert "Zombie call" in same


def test_junit_of_hostile_text_parses_and_keeps_it() -> None:
    latest = hostile().latest
    assert latest is not None
    source = junit_xml(latest)
    root = ElementTree.fromstring(source.encode())
    text = "".join(root.itertext())
    assert HOSTILE[0] in text
    assert "nul␀bell␇" in text
    assert "]]> &amp;" in text
    assert root.find("testsuite/properties/property[@name='database']") is not None


# --- the folder -------------------------------------------------------------------------------


def judged_by_gx() -> Assessment:
    counts = {rule.name: BEFORE.get(rule.name, 0) for rule in SUITES["readiness"].rules}
    judgement = judge_counts(SUITES["readiness"], counts, {"abandoned_session": HOSTILE})
    return replace(assessment(BEFORE), rules=judgement.rules, judgements=(judgement,))


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def without_docs(started: datetime = NOON, **other: Any) -> RunOutcome:
    """An outcome that is quick to publish."""
    judged = assessment(BEFORE, keys_of(3), judgements=())
    return outcome(before=judged, started_at=started, **other)


def test_a_run_leaves_a_whole_folder_behind(tmp_path: Path) -> None:
    run = outcome(run_id=RUN_ID, command="run", before=judged_by_gx(), plan=plan())
    index = publish(tmp_path / "reports", run)
    assert index == tmp_path / "reports" / RUN_ID / "index.html"
    assert names_in(index.parent) == [
        "data-docs",
        "index.html",
        "junit.xml",
        "result.json",
        "summary.md",
    ]
    assert (index.parent / "data-docs" / "index.html").is_file()
    assert 'href="data-docs/index.html"' in index.read_text()
    result = json.loads((index.parent / "result.json").read_text())
    assert result["verdict"] == "NEEDS_DATABASE_MIGRATION"
    assert result["plan"]["change_count"] == 1_253
    ElementTree.parse(index.parent / "junit.xml")
    latest = tmp_path / "reports" / "latest"
    assert latest.is_symlink()
    assert (latest / "index.html").samefile(index)
    assert not Path(os.readlink(latest)).is_absolute(), "the whole folder can be moved"
    assert names_in(tmp_path / "reports") == [RUN_ID, "latest"]


def test_every_publication_has_a_folder_of_its_own(tmp_path: Path) -> None:
    for _ in range(3):
        publish(tmp_path, without_docs())
    publish(tmp_path, without_docs(run_id="../../etc"))
    names = [f"20261122T120000Z{end}" for end in ("", "-2", "-3", "-4")]
    assert names_in(tmp_path) == [*names, "latest"]
    assert os.readlink(tmp_path / "latest") == names[-1]


def test_only_the_newest_folders_of_ours_are_kept(tmp_path: Path) -> None:
    mine = tmp_path / "20200101T000000Z"
    mine.mkdir()
    (mine / "notes.txt").touch()
    (tmp_path / "archive").mkdir()
    for day in range(5):
        publish(tmp_path, without_docs(NOON + timedelta(days=day)), keep=3)
    own = [f"202611{day}T120000Z" for day in (24, 25, 26)]
    assert names_in(tmp_path) == [mine.name, *own, "archive", "latest"]
    late = publish(tmp_path, without_docs(NOON - timedelta(days=9)), keep=1)
    assert late.is_file(), "a clock that goes backwards does not cost the report just made"
    assert names_in(tmp_path) == [mine.name, late.parent.name, "archive", "latest"]
    assert (tmp_path / "latest" / "index.html").samefile(late)
    with pytest.raises(ConfigurationError, match="Keep at least 1"):
        publish(tmp_path, without_docs(), keep=0)


def test_a_failure_leaves_nothing_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(folder: Path, outcome: RunOutcome) -> Path:
        raise OSError(28, "No space left on device")

    publish(tmp_path, without_docs())
    before = names_in(tmp_path)
    monkeypatch.setattr(report_folder, "write_report", fails)
    with pytest.raises(ReportFailed, match="No space left on device"):
        publish(tmp_path, without_docs(NOON + timedelta(days=1)))
    assert names_in(tmp_path) == before


def test_a_killed_run_leaves_nothing_that_looks_made_and_is_cleared_later(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "from tests.report import test_report as t; from rollcall.report import folder;"
        "folder.write_report = lambda *_: os.kill(os.getpid(), 9);"
        "folder.publish(Path(sys.argv[2]), t.without_docs())"
    )
    here = str(ROOT)
    done = subprocess.run([sys.executable, "-c", program, here, str(tmp_path)], check=False)
    assert done.returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".")
    publish(tmp_path, without_docs())
    assert left.exists(), "it might belong to a run that is still at work"
    old = time.time() - 2 * report_folder.UNFINISHED_SECONDS
    os.utime(left, (old, old))
    publish(tmp_path, without_docs())
    assert not left.exists()


def test_where_links_are_impossible_a_page_leads_to_the_latest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any, **__: Any) -> None:
        raise OSError("A required privilege is not held")

    monkeypatch.setattr(Path, "symlink_to", refuses)
    for day in range(2):
        index = publish(tmp_path, without_docs(NOON + timedelta(days=day)))
    page = (tmp_path / "latest" / "index.html").read_text()
    assert f"url=../{index.parent.name}/index.html" in page
    monkeypatch.undo()
    publish(tmp_path, without_docs(NOON + timedelta(days=2)))
    assert "20261124T120000Z" in (tmp_path / "latest" / "index.html").read_text()


def test_printable_is_legal_everywhere() -> None:
    everything = "".join(map(chr, range(0x110000)))
    made = printable(everything, 2_000_000)
    made.encode()
    ElementTree.fromstring(f"<a>{made.replace('&', '').replace('<', '')}</a>")
    assert printable("x" * 10, 5) == "xxxx…"


# --- in a browser -----------------------------------------------------------------------------

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


def browse(profile: Path, page: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Open a page in a fresh headless Chromium; what its console says is on stderr."""
    done = subprocess.run(
        [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", *flags, page.resolve().as_uri()],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "CONSOLE" not in done.stderr, done.stderr
    return done


@needs_chromium
@pytest.mark.parametrize("name", ["completed", "history", "hostile_history"])
def test_the_page_in_a_browser(tmp_path: Path, name: str) -> None:
    index = write_report(tmp_path / "report", OUTCOMES[name]())
    phone = tmp_path / "phone.html"  # no window is that narrow, but a frame is
    phone.write_text(
        '<body style="margin:0"><iframe src="report/index.html" width="390" height="4000"'
        ' style="border:0"></iframe>'
    )
    looks: dict[str, tuple[Path, str]] = {
        "wide": (index, "--window-size=1280,2600"),
        "phone": (phone, "--window-size=500,4000"),
        "dark": (index, "--window-size=1280,2600 --blink-settings=preferredColorScheme=0"),
    }
    for look, (page, flags) in looks.items():
        shot = tmp_path / f"{look}.png"
        browse(tmp_path / f"profile-{look}", page, *flags.split(), f"--screenshot={shot}")
        assert shot.read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "dark.png").read_bytes() != (tmp_path / "wide.png").read_bytes()


@needs_chromium
@pytest.mark.parametrize("name", ["completed", "history", "hostile_history"])
def test_nothing_is_wider_than_a_phone_and_nothing_runs(tmp_path: Path, name: str) -> None:
    page = render(OUTCOMES[name]()).replace("<details", "<details open")
    (tmp_path / "page.html").write_text(page)
    (tmp_path / "phone.html").write_text(
        '<iframe src="page.html" width="390" height="800" style="border:0"></iframe><p></p><script>'
        "onload = () => { const d = document.querySelector('iframe').contentDocument;"
        "document.querySelector('p').textContent ="
        " `${d.documentElement.scrollWidth} ${d.scripts.length} ${d.title}`; }</script>"
    )
    flags = ("--allow-file-access-from-files", "--dump-dom")
    dumped = browse(tmp_path / "profile", tmp_path / "phone.html", *flags).stdout
    found = re.search(r"<p>(\d+) (\d+) (.*?)</p>", dumped, re.DOTALL)
    assert found is not None
    assert (found[1], found[2]) == ("390", "0")
    assert found[3].endswith("Rollcall")


# --- from a hostile database to the browser -----------------------------------------------------

HOSTILE_NAME = "a\"b'<script>alert(1)</script>\u202e☎️ & %s {{ 7*7 }} | `x`"


def hostile_call_centre(server: PostgresServer, folder: Path) -> CallCentre:
    """A call centre in which whatever has a name, and every key of what is wrong, is hostile."""
    database = f"{HOSTILE_NAME[:30]}_{os.getpid()}"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
    names = {
        "app_schema": HOSTILE_NAME[:24],
        "sessions_table": f"s {HOSTILE_NAME[:24]}",
        "sessions_last_activity_column": f"l {HOSTILE_NAME[:24]}",
    }
    scale = Scale(agents=60, sessions=600, calls=2_000, days=10)
    centre = call_centre(server.conninfo(database), folder, names, Variant(keys="text"), scale=scale)
    table, key = centre.table("sessions_table"), centre.column("sessions_id_column")
    for position, text in enumerate(HOSTILE):
        legal = "".join(c for c in text if c != "\x00" and not "\ud800" <= c <= "\udfff")[:900]
        centre.rows(
            f"update {table} set {key} = %s || {key} where {key} in (select {key} from {table}"
            f" where logout_at is null and {key} ~ '^[0-9a-f]' order by {key} limit 9 offset {position})",
            legal,
        )
    return centre


@needs_chromium
def test_a_hostile_database_makes_nothing_misbehave(server: PostgresServer, tmp_path: Path) -> None:
    centre = hostile_call_centre(server, tmp_path)
    with open_run(centre.workspace, "test") as run:
        run.note_rules("before", assess(centre.workspace, history=True))
    judged = assess(centre.workspace, history=True, details=True)
    named = outcome(database=judged.database, before=judged, plan=centre.plan())
    folder = publish(tmp_path / "reports", named).parent

    assert any(HOSTILE[0] in key for rule in judged.rules for key in rule.sample_keys)
    ElementTree.parse(folder / "junit.xml")
    assert "<script" not in (folder / "summary.md").read_text("utf-8")
    json.loads((folder / "result.json").read_text("utf-8"))
    docs = sorted((folder / "data-docs").rglob("*.html"))
    assert len(docs) > 4
    for number, page in enumerate([folder / "index.html", *docs]):
        shown = browse(tmp_path / f"profile-{number}", page, "--dump-dom").stdout
        assert "<script" not in shown.lower(), page
        assert not re.search(r"<[^>]+\son\w+=", shown), page
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", shown), page
    results = next(page for page in docs if page.parts[-5] == "validations" and "readiness" in page.parts)
    for look, flags in {
        "wide": ("--window-size=1280,1600",),
        "phone": ("--window-size=500,1600",),
        "dark": ("--window-size=1280,1600", "--blink-settings=preferredColorScheme=0"),
    }.items():
        shot = tmp_path / f"docs-{look}.png"
        browse(tmp_path / f"profile-{look}", results, *flags, f"--screenshot={shot}")
        assert shot.read_bytes().startswith(b"\x89PNG")


# --- a million ----------------------------------------------------------------------------------

PEAK = """
import resource, sys
sys.argv[0] = "rollcall"
try:
    from rollcall.cli import main
    main()
finally:
    with open(sys.argv[-1] + ".peak", "w") as file:
        file.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
"""


@pytest.mark.slow
def test_a_million_failing_sessions_make_a_small_report_in_flat_memory(database: str, tmp_path: Path) -> None:
    """Counted exactly, in every form of report, and in no more memory than a thousand need."""
    centre = call_centre(
        database, tmp_path, defects=DefectCounts(), scale=Scale(agents=60, sessions=600, calls=2_000, days=10)
    )
    none = {rule.name: rule.violations for rule in assess(centre.workspace).rules}
    peaks = {}
    for count in (1_000, 1_000_000):
        centre.rows("delete from agent_sessions where status = 'break' and login_at < '2020-01-01'")
        centre.rows(
            "insert into agent_sessions (id, agent_id, status, login_at, last_activity)"
            " select gen_random_uuid(), 1 + n %% 50, 'break', '2019-01-01', '2019-01-01'"
            " from generate_series(1, %s) as n",
            count,
        )
        centre.rows("analyze agent_sessions")
        report, document = tmp_path / f"report-{count}", tmp_path / f"{count}.md"
        done = subprocess.run(
            [sys.executable, "-c", PEAK, "assess", "--report", str(report), "--markdown", str(document)],
            env={**os.environ, "ROLLCALL_DATABASE_URL": database, "ROLLCALL_STATE_DIR": str(tmp_path)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 11, done.stderr
        peaks[count] = int(Path(f"{document}.peak").read_text())
        found = json.loads((report / "latest" / "result.json").read_text("utf-8"))["before"]
        counts = {rule["name"]: rule["violations"] for rule in found["rules"]}
        abandoned = centre.rows(
            "select count(*) from agent_sessions as s where s.login_at < '2020-01-01' and not exists"
            " (select from call_sessions as c where c.agent_id = s.agent_id and c.ended_at is null)"
        )
        assert counts["abandoned_session"] == none["abandoned_session"] + abandoned[0][0]
        size = sum(path.stat().st_size for path in (report / "latest").rglob("*") if path.is_file())
        assert (report / "latest" / "index.html").stat().st_size < 2_000_000
        assert size < 4_000_000
    assert peaks[1_000_000] - peaks[1_000] < 50 * 1024, peaks
