"""The context for models in sqlfluff: the vars of dbt_project.yml.

sqlfluff emulates the other functions of dbt, but replaces every var with the word ``item``, which a model
that loops over a list cannot use.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

_PROJECT = Path(__file__).resolve().parents[2] / "dbt_project.yml"
_VARS = yaml.safe_load(_PROJECT.read_text(encoding="utf-8"))["vars"]


def var(name: str, default: Any = None) -> Any:
    """The value of a var, like dbt's function of the same name."""
    return _VARS.get(name, default)
