"""The queries of docs/analysts.md, each found by a phrase that no other one has."""

from __future__ import annotations

import re
from typing import Any

from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "analysts.md").read_text("utf-8")
QUERIES = re.findall(r"^```sql\n(.+?)^```", PAGE, re.MULTILINE | re.DOTALL)


def answer(database: Any, phrase: str) -> list[Any]:
    """The rows of the one query that has this phrase. database: has `rows`."""
    (query,) = (query for query in QUERIES if phrase in query)
    return list(database.rows(query.replace("%", "%%")))
