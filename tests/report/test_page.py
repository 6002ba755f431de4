"""The page of a run: sound, accessible, harmless, and what it says first."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rollcall.report.html import render, write_report
from rollcall.report.junit import junit_xml
from rollcall.report.markdown import markdown_summary
from rollcall.report.outcome import RunOutcome
from rollcall.report.text import in_words
from rollcall.rules.verdict import checks_of, verdict_of
from rollcall.steps.clean.cleaning import CleaningResult
from rollcall.steps.migrate.migration import MigrationResult
from rollcall.steps.verify import Proof, Verification
from tests.support.outcomes import (
    AFTER,
    BEFORE,
    HOSTILE,
    JUDGED,
    OUTCOMES,
    RUN_ID,
    SUITES,
    assessment,
    completed,
    hostile,
    keys_of,
    migration_proof,
    outcome,
    unreadable,
    with_history,
)

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


def test_a_foreign_change_during_the_migration_is_said_and_named() -> None:
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
    assert "rollcall rules abandoned_session" in page


def test_every_chart_has_words_that_say_the_same() -> None:
    source = render(OUTCOMES["history"]())
    page = Page(source)
    drawings = page.all("svg")
    assert len(drawings) == source.count("<figcaption") + 4 > 7
    assert all(svg.get("aria-hidden") == "true" for svg in drawings)
    assert "21 judgements from 2026-11-21 16:00:00 UTC: 30 at first, at most 1,203, now 1,203." in page.text
    assert "Of 1,391 open sessions: 20 on a live call, 1,331 seen just now, 20 quiet" in page.text
    assert "60 of 1,391" in page.text
    assert "with a gap in which nothing is known: at most 25 of 81 agents" in page.text
    assert "that were shown available had left, at" in page.text
    assert "58 observed days from 2026-09-24 to 2026-11-22: agents were shown at work" in page.text
    assert "for 32.9 hours per 24 observed hours before the first clean-up (39 days), and 1.2" in page.text
    assert "Of 12,000 offered calls 86% were answered within 20 seconds; least of all from 07:00" in page.text
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
        "Present agents",
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


def test_a_check_without_an_evaluated_rule_is_not_judged() -> None:
    text = Page(render(unreadable())).text
    assert text.count("– not judged") == 3
    assert text.count("✓ passes") == 1, "the schema"
