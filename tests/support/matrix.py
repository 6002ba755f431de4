"""Which cases of a matrix the quick set runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def quick_first(cases: Iterable[Any], quick: int = 1) -> list[Any]:
    """The first `quick` cases belong to the quick set; the others are of medium length."""
    return [_case(case, () if number < quick else pytest.mark.medium) for number, case in enumerate(cases)]


def _case(case: Any, marks: Any) -> Any:
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=marks)
