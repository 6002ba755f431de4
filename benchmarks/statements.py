"""The statements of the benchmarks: `sql/BENCHMARK.sql`, each after a line `-- name: …`."""

from __future__ import annotations

from pathlib import Path

__all__ = ["statements_of"]

FOLDER = Path(__file__).with_name("sql")


def statements_of(benchmark: str) -> dict[str, str]:
    """Each statement of a benchmark by its name."""
    text = (FOLDER / f"{benchmark}.sql").read_text("utf-8")
    blocks = (block.partition("\n") for block in text.split("-- name: ")[1:])
    return {name: statement.strip() for name, _, statement in blocks}
