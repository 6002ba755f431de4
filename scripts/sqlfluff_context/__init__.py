"""What a model sees when sqlfluff renders it: our vars, as dbt_project.yml has them.

sqlfluff emulates the rest of dbt itself, but makes every var the word ``item``, which a model that
loops over a list cannot use.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

_PROJECT = Path(__file__).resolve().parents[2] / "dbt_project.yml"
_VARS = yaml.safe_load(_PROJECT.read_text(encoding="utf-8"))["vars"]


def var(name: str, default: Any = None) -> Any:
    """The value of a var, as dbt's function of that name gives it."""
    return _VARS.get(name, default)
