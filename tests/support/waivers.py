"""A user's file of waivers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from rollcall.steps.assess.waivers import COLUMNS

NEXT_YEAR = (datetime.now(UTC) + timedelta(days=365)).date().isoformat()


def write(folder: Path, *lines: str) -> Path:
    path = folder / "waivers.csv"
    path.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n", "utf-8")
    return path


def line(rule: str, key: str = "", condition: str = "", until: str = NEXT_YEAR) -> str:
    return f'{rule},{key},{condition},"known, and accepted",j.doe,{until}'
