"""One look at a fleet: judge its databases, compare with the scorecard before, write the new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rollcall.service.fleet.entries import Entry, Fleet
from rollcall.service.fleet.judging import ASSESS, CLEAN, Answer, judge
from rollcall.service.fleet.scorecard import Scorecard, Standing, merged, read_scorecard, standing_of

__all__ = ["keep", "look_at"]


def look_at(
    fleet: Fleet,
    folder: Path,
    state_directory: Path,
    *,
    only: set[str] | None = None,
    clean: bool = False,
    progress: Callable[[Standing], None] = lambda _: None,
) -> tuple[Scorecard, Path]:
    """Judge a fleet and write its scorecard.

    Args:
        folder: of the scorecard; the one before is there.
        state_directory: the state folder of every process.
        only: judge these databases; the others keep their standing.
        clean: run the unattended clean-up of each database before it is judged.
        progress: is called with each standing as it comes.

    Returns:
        The scorecard of the databases that were judged now, and the path of the page with all of them.

    Raises:
        ConfigurationError: `only` has an unknown name, or the folder cannot be written.
    """
    started_at = datetime.now(UTC)
    chosen = fleet.only(only) if only else fleet
    before = read_scorecard(folder)
    standings: list[Standing] = []

    def done(entry: Entry, answers: Mapping[str, Answer], attempts: int, seconds: float) -> None:
        standing = standing_of(entry, answers, attempts, seconds, before.get(entry.name))
        standings.append(standing)
        progress(standing)

    judge(chosen, (CLEAN, ASSESS) if clean else (ASSESS,), state_directory, whole=fleet, done=done)
    return keep(fleet, folder, started_at, standings, before)


def keep(
    fleet: Fleet,
    folder: Path,
    started_at: datetime,
    standings: Sequence[Standing],
    before: Mapping[str, Standing],
) -> tuple[Scorecard, Path]:
    """Write the scorecard of the whole file; gives that of these standings, and the path of the page.

    Raises:
        ConfigurationError: the folder cannot be written.
    """
    finished_at = datetime.now(UTC)
    names = [entry.name for entry in fleet.databases]
    page = Scorecard(started_at, finished_at, tuple(merged(standings, before, names))).write(folder)
    return Scorecard(started_at, finished_at, tuple(standings)), page
