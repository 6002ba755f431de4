"""Which news of a run becomes an alert: values in, alerts out, without Prefect and without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from rollcall.alerts import Alert, alerts_of, breaker_alert
from rollcall.errors import EvaluationError
from rollcall.report.outcome import RunOutcome
from rollcall.rules.results import Assessment, Verdict
from rollcall.verify import Proof, Verification

RUN_ID = "20261121T120000Z-1f2e"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def past(*verdicts: str | None) -> list[dict[str, Any]]:
    """Past runs, newest first."""
    return [{"run_id": f"20261120T12000{n}Z-1f2e", "verdict": verdict} for n, verdict in enumerate(verdicts)]


def judged(verdict: Verdict, *, rows_missing: int = 0) -> RunOutcome:
    assessment = Assessment(
        verdict=verdict,
        checks={},
        rules=(),
        pending_statements=0,
        pending_changes=0,
        judged_at=NOON,
        cutoff=NOON,
        snapshot_at=NOON,
        server_version="18.1",
        database="centre",
        warnings=(),
    )
    proof = Proof(RUN_ID, 1, 1, 0, 0, rows_missing, 0, ())
    verification = Verification(assessment, proof, 0, ())
    return RunOutcome(RUN_ID, "clean", "centre", NOON, NOON, verification=verification)


def test_a_new_verdict_is_an_alert_with_a_sentence() -> None:
    changed = alerts_of(judged(Verdict.NOT_READY), past("READY", "NOT_READY"))
    assert changed == (
        Alert(
            "rollcall.verdict.changed",
            "centre",
            {"from": "READY", "to": "NOT_READY"},
            "the verdict of centre changed from READY to NOT_READY",
        ),
    )


@pytest.mark.parametrize("runs", [[], past("READY"), past(None, "READY"), past(None)])
def test_no_news_is_no_alert(runs: list[dict[str, Any]]) -> None:
    assert alerts_of(judged(Verdict.READY), runs) == ()


def test_the_run_itself_is_not_its_past() -> None:
    own = {"run_id": RUN_ID, "verdict": "NOT_READY"}
    assert alerts_of(judged(Verdict.READY), [own, *past("READY")]) == ()
    assert len(alerts_of(judged(Verdict.READY), [own, *past("NOT_READY")])) == 1


def test_a_proof_that_does_not_hold_is_an_alert_each_time() -> None:
    (failed,) = alerts_of(judged(Verdict.READY, rows_missing=1), past("READY"))
    assert (failed.event, failed.payload["run"], failed.text) == ("rollcall.proof.failed", RUN_ID, "")
    assert f"`rollcall verify --run {RUN_ID}` shows what differs" in failed.payload["reason"]


def test_a_tripped_breaker_is_an_alert() -> None:
    stopped = RunOutcome(RUN_ID, "clean", "centre", NOON, NOON)
    assert breaker_alert(stopped, "the feed is silent").payload == {
        "run": RUN_ID,
        "reason": "the feed is silent",
    }


def test_alerts_need_a_judgement() -> None:
    with pytest.raises(EvaluationError, match="judged nothing"):
        alerts_of(replace(judged(Verdict.READY), verification=None), [])
