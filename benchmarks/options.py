"""The options of the benchmarks' command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
    """The options of the benchmarks.

    Attributes:
        sessions: of the call centres of `assess`, `peers`, `views`, `steady` and `calls`, with twice
            as many calls, and of `analysts` and `history`, with five times as many.
        changes: rows that `clean`, `beside` and `memory` repair.
        agents: agents that send heartbeats in `hot`.
        rows: sessions of the table that `migrate` migrates.
        failures: maximum of failing sessions in `report`.
        pairs: number of measurements of each pair.
        explain: a folder for the plans of `assess`, or None.
    """

    sessions: int = 1_000_000
    changes: int = 100_000
    agents: int = 10_000
    rows: int = 5_000_000
    failures: int = 1_000_000
    pairs: int = 3
    explain: Path | None = None
