"""A memory for the slowest half of dbt's compilation, which the tests repeat a hundred times."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

__all__ = ["remember_injections"]

_MARK = "__injected_by_a_test__"


def remember_injections() -> None:
    """Let dbt parse the SQL of a model once in this process, however often the model is compiled.

    `inject_ctes_into_sql` depends on its arguments alone, and where it injects on the model's SQL alone.
    """
    import dbt.compilation as dbt
    from dbt.artifacts.resources.v1.components import InjectedCTE

    inject = dbt.inject_ctes_into_sql

    @cache
    def at_the_mark(sql: str) -> str:
        return str(inject(sql, [InjectedCTE("mark", _MARK)]))

    def inject_at_once(sql: str, ctes: Sequence[Any]) -> str:
        return at_the_mark(sql).replace(_MARK, ", ".join(cte.sql for cte in ctes)) if ctes else sql

    dbt.inject_ctes_into_sql = inject_at_once
