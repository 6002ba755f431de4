"""Recognise a known application by its tables and columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rollcall.settings.variables import read_yaml_file
from rollcall.steps.init.relations import Relation

__all__ = ["Recognised", "recognise"]


@dataclass(frozen=True)
class Recognised:
    """A preset that fits a schema of the database."""

    preset: str
    schema: str
    columns: int


def recognise(relations: Sequence[Relation], folders: Sequence[Path]) -> list[Recognised]:
    """The presets whose tables and columns all exist in one schema, the most specific first.

    Args:
        folders: of presets; an earlier folder precedes.
    """
    found: dict[tuple[str, str], Recognised] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.yml")):
            for recognised in _matches(path, relations):
                found.setdefault((recognised.preset, recognised.schema), recognised)
    return sorted(found.values(), key=lambda item: (-item.columns, item.schema, item.preset))


def _matches(path: Path, relations: Sequence[Relation]) -> Iterator[Recognised]:
    wanted = read_yaml_file(path).get("recognised_by")
    if not isinstance(wanted, dict) or not wanted:
        return
    by_schema: dict[str, dict[str, Relation]] = defaultdict(dict)
    for relation in relations:
        by_schema[relation.schema][relation.name] = relation
    for schema, present in by_schema.items():
        if all(
            table in present and set(columns or ()) <= present[table].columns.keys()
            for table, columns in wanted.items()
        ):
            yield Recognised(path.stem, schema, sum(len(columns or ()) for columns in wanted.values()))
