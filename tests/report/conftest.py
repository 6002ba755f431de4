"""Fixtures of the reports."""

from __future__ import annotations

import pytest

from rollcall.report.outcome import RunOutcome
from tests.support.outcomes import OUTCOMES


@pytest.fixture(params=OUTCOMES)
def any_outcome(request: pytest.FixtureRequest) -> RunOutcome:
    return OUTCOMES[request.param]()
