"""The data docs: every rule is in them, and no value of a row."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from rollcall.report.data_docs import build_data_docs
from rollcall.rules.judging import judge_counts, judge_table
from rollcall.rules.suites import Suite
from tests.support.suites import GOOD_SESSIONS, connector, execute, none_violated

# --- data docs --------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page shows, links to and loads."""

    LOADS = frozenset({"script", "link", "img", "iframe", "object", "embed", "source", "video"})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = ""
        self.links: list[str] = []
        self.loads: list[str] = []
        self.styles = ""
        self._in_style = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        values = dict(attrs)
        if tag in self.LOADS or values.get("src"):
            self.loads.append(self.get_starttag_text() or tag)
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))
        self.styles += values.get("style") or ""

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.styles += data
        else:
            self.text += data


@pytest.fixture
def docs(suites: dict[str, Suite], database: str, tmp_path: Path) -> Path:
    """Data docs of a run in which rules of both kinds failed."""
    execute(
        database,
        GOOD_SESSIONS,
        "update rollcall.agent_sessions set status = 'SECRET', duration_seconds = -4711",
    )
    readiness = none_violated(suites["readiness"], abandoned_session=3141)
    counted = judge_counts(suites["readiness"], readiness, {"abandoned_session": ["<key>"]})
    rows = judge_table(suites["cleaned_sessions"], connector(database), "rollcall", "agent_sessions")
    index = build_data_docs(tmp_path / "site", [counted, rows], run_name="<i>run</i>")
    assert index == tmp_path / "site" / "index.html"
    return tmp_path / "site"


def test_data_docs_show_every_rule_and_lead_to_it(suites: dict[str, Suite], docs: Path) -> None:
    index = Page(docs / "index.html")
    pages = {link.split("/")[-1]: docs / link for link in index.links if "validations" in link}
    assert set(pages) == {"readiness.html", "cleaned_sessions.html"}
    readiness = Page(pages["readiness.html"])
    assert "3141" in readiness.text
    assert "3141" not in index.text
    remedy = suites["readiness"].rule("abandoned_session").remedy
    assert "`clean`" in remedy
    assert remedy.replace("`", "") in readiness.text, "what is code is shown as code"
    for rule in suites["readiness"].rules:
        assert rule.name in readiness.text
        assert rule.reason in readiness.text
    for rule in suites["cleaned_sessions"].rules:
        assert rule.reason in Page(docs / "expectations" / "cleaned_sessions.html").text


def test_data_docs_stand_a_run_whose_id_reads_like_a_moment(suites: dict[str, Suite], tmp_path: Path) -> None:
    """One run in ten: GX took the end of its id for an offset to UTC of more than a day."""
    judgement = judge_counts(suites["readiness"], none_violated(suites["readiness"]), {})
    index = build_data_docs(tmp_path / "site", [judgement], run_name="20260301T120000Z-9917")
    assert "20260301T120000Z-9917" in Page(index).text
    assert all((tmp_path / "site" / link).exists() for link in Page(index).links)


def test_data_docs_load_nothing_and_every_link_ends_at_a_file(docs: Path) -> None:
    pages = sorted(docs.rglob("*.html"))
    assert len(pages) == 5
    assert sorted(path for path in docs.rglob("*") if path.is_file()) == pages
    for path in pages:
        page = Page(path)
        assert page.loads == []
        assert "url(" not in page.styles
        assert "@import" not in page.styles
        assert "http" not in page.styles
        for link in page.links:
            if link.startswith("http"):
                continue  # followed only when a person clicks it
            target = (path.parent / link.split("#")[0]).resolve() if link[0] != "#" else path
            assert target in pages, f"{path}: {link}"


def test_data_docs_hold_counts_but_no_value_of_a_row_and_no_markup_from_outside(
    docs: Path,
) -> None:
    for path in docs.rglob("*.html"):
        raw = path.read_text(encoding="utf-8")
        assert "SECRET" not in raw
        assert "4711" not in raw
        assert "<key>" not in raw
        assert "<i>run</i>" not in raw
