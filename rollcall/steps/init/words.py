"""The names and words of `words.yml`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from rollcall.steps.init.relations import plain

__all__ = ["first_word", "meaning_of", "weight_of", "words"]


@cache
def words() -> dict[str, Any]:
    """The document, by section."""
    text = Path(__file__).with_name("words.yml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def weight_of(part: str, table: str) -> int:
    """How likely a table of this name is the part: the sum of the weights of what its name contains."""
    name = plain(table)
    return sum(int(weight) for word, weight in words()["tables"][part].items() if word in name)


def meaning_of(section: str, value: str) -> str | None:
    """The var whose words contain the value; None for an unknown value."""
    lists: dict[str, list[str]] = words()[section]
    return next((var for var, known in lists.items() if plain(value) in known), None)


def first_word(known: Iterable[str], values: Iterable[str]) -> str | None:
    """The value that comes first in the order of the known words."""
    by_word = {plain(value): value for value in values}
    return next((by_word[word] for word in known if word in by_word), None)
