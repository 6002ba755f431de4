"""Output of `rollcall fleet`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from rollcall.console.terminal import table_of, write
from rollcall.report.text import in_words, printable

if TYPE_CHECKING:
    from rollcall.service.fleet.scorecard import Scorecard, Standing

__all__ = ["show_scorecard", "show_standing"]

COLOURS = {"good": "green", "fair": "yellow", "bad": "red", "none": "magenta"}
RULES_SHOWN = 2
LONGEST_BLOCKER = 90
LONGEST_PROBLEM = 200  # its end says why: refused, no password, no such database


def show_standing(standing: Standing) -> None:
    """Show one database as it is done."""
    colour = COLOURS[standing.tone]
    write(
        f"{escape(standing.name)}: [{colour}]{standing.title}[/] after {in_words(standing.seconds)}",
        soft_wrap=True,
    )


def show_scorecard(scorecard: Scorecard, page: Path) -> None:
    """Show all databases, the worst first, and where the page is."""
    write()
    table = table_of("database", "verdict", "blocked by", "owner", "trend")
    for standing in scorecard.in_order:
        longest = LONGEST_PROBLEM if standing.verdict is None else LONGEST_BLOCKER
        blocker = printable(standing.blocker(RULES_SHOWN), longest)
        verdict = f"[{COLOURS[standing.tone]}]{standing.title}[/]"
        cells = (escape(standing.name), verdict, escape(blocker), escape(printable(standing.owner)))
        table.add_row(*cells, standing.trend)
    write(table)
    write()
    ready = scorecard.counts["READY"]
    write(f"{ready} of {len(scorecard.standings)} ready")
    write(f"scorecard: {escape(str(page))}", soft_wrap=True)
