"""The descriptions of the views' columns, and the terms that they use."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
import yaml

from scripts.reference_pages import glossary
from tests.support.paths import ROOT
from tests.support.views import VIEWS

NUMBERS = ("bigint", "integer", "numeric")
MODELS = yaml.safe_load((ROOT / "models/cleaned/_cleaned.yml").read_text("utf-8"))["models"]
COLUMNS = {(model["name"], column["name"]): column for model in MODELS for column in model["columns"]}
OF_THE_FIELD = (
    *("abandoned_call", "after_call_work", "average_handling_time", "average_speed_of_answer"),
    *("occupancy", "offered_call", "service_level"),
)


def unit_of(name: str) -> str:
    """How the description of a number says its unit."""
    if "seconds" in name or name == "average_speed_of_answer":
        return r"\bseconds\b"
    return r"[Tt]he share of" if name in ("occupancy", "service_level") else r"^How many\b|, how many\b"


def described(column: dict[str, Any]) -> str:
    terms = glossary()
    return re.sub(r"{{ doc\('(\w+)'\) }}", lambda match: terms[match[1]], column["description"])


@pytest.mark.parametrize("view", VIEWS)
def test_every_column_is_described_and_every_number_with_its_unit(view: str) -> None:
    columns = {name: column for (model, name), column in COLUMNS.items() if model == view}
    assert columns
    for name, column in columns.items():
        text = described(column)
        assert text.strip(), name
        is_key = "type_of" in column.get("config", {}).get("meta", {})
        if column["data_type"] in NUMBERS and not is_key:
            assert re.search(unit_of(name), text, re.IGNORECASE), f"{view}.{name}: {text}"


def test_each_term_is_defined_once_and_a_term_of_the_field_with_its_source() -> None:
    text = (ROOT / "models/glossary.md").read_text("utf-8")
    terms = Counter(re.findall(r"{% docs (\w+) %}", text))
    assert {name for name, times in terms.items() if times > 1} == set()
    assert [name for name in OF_THE_FIELD if "ICMI" not in glossary()[name]] == []
