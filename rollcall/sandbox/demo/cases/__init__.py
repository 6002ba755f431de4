"""Every kind of open session that the demo plants: one function each, which yields its rows.

A session states the rules that it breaks (`rules`), whether its agent is present (`alive`) and
what cleaning must do with it (`expected`); a call states the rules that it breaks. To add a
defect, add a function. Times are minutes before now, and stay at least fifteen minutes away from
each threshold: 120 for `abandoned_after_hours`, 240 for `live_call_max_hours`, 10 for
`settle_minutes`.
"""

from __future__ import annotations

from rollcall.sandbox.demo.case_builder import CaseKind
from rollcall.sandbox.demo.cases import abandoned, blocking, broken, spared, suspicious, working

__all__ = ["CASES"]

CASES: dict[str, CaseKind] = {
    kind.name: kind
    for group in (working, abandoned, broken, suspicious, spared, blocking)
    for kind in vars(group).values()
    if isinstance(kind, CaseKind)
}
"""Every kind of open session, in the order in which the demo plants them."""
