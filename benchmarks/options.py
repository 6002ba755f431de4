"""What the command line of the benchmarks can set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
    """Attributes:
    sessions: of the call centres of `assess` and `steady`, with twice as many calls.
    changes: rows that `clean`, `beside` and `memory` repair.
    agents: who send heartbeats in `hot`.
    rows: sessions of the table that `migrate` migrates.
    failures: failing sessions of `report`, at most.
    pairs: how often each pair is measured.
    explain: a folder for the plans of `assess`, or none.
    """

    sessions: int = 1_000_000
    changes: int = 100_000
    agents: int = 10_000
    rows: int = 5_000_000
    failures: int = 1_000_000
    pairs: int = 3
    explain: Path | None = None
