"""The Markdown summary of a run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rollcall.report.markdown import markdown_summary
from rollcall.report.outcome import RunOutcome
from tests.support.outcomes import OUTCOMES, completed, hostile, unreadable

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


def test_a_check_of_which_nothing_was_evaluated_does_not_pass() -> None:
    summary = markdown_summary(unreadable())
    assert "| `sessions_clean` | – NOT_JUDGED |" in summary
    assert "| `data_trustworthy` | ❌ FAIL |" in summary


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


def test_markdown_says_where_the_whole_report_is() -> None:
    address = markdown_summary(completed(), "https://reports.example/a b/index.html")
    assert "<https://reports.example/a%20b/index.html>" in address
    path = markdown_summary(completed(), "/var/lib/rollcall/reports/[x](y)/index.html")
    assert "[x](y)" not in path
    assert "on the machine of the run" in path
    assert "The whole report" not in markdown_summary(completed())
