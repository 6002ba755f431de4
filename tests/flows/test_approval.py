"""Approval in two short steps: a flow proposes a plan, and another one executes it once it is approved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.call_centre import CallCentre, call_centre
from tests.support.floor import Floor
from tests.support.receivers import Webhook, webhook


@pytest.fixture(scope="module")
def centre(databases: Callable[[], str], state: Path) -> CallCentre:
    """A damaged call centre that was never migrated."""
    return call_centre(databases(), state)


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as receiver:
        yield receiver


@pytest.fixture
def run(
    prefect: Any,
    hook: Webhook,
    state: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Any]:
    """Runs a flow with a channel for alerts; gives its last state."""
    (tmp_path / "rollcall.yml").write_text(
        "alerts: {channels: {team: {env: TEAM_URL}}, suppress_minutes: 0}\n"
    )
    monkeypatch.setenv("ROLLCALL_CONFIG", str(tmp_path))
    monkeypatch.setenv("ROLLCALL_STATE_DIR", str(state))
    monkeypatch.setenv("TEAM_URL", hook.url)

    def ended(flow: Any, centre: CallCentre | Floor, **parameters: str) -> Any:
        monkeypatch.setenv("ROLLCALL_DATABASE_URL", centre.url)
        return flow(**parameters, return_state=True)

    return ended


def is_migrated(centre: CallCentre) -> bool:
    return bool(centre.rows("select 1 from pg_class where relname = 'routable_agents'"))


@pytest.mark.medium
@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"plan_hash": "/etc/hostname", "approved_by": "Ada"}, "that is stored, by its hash"),
        ({"plan_hash": "0" * 64, "approved_by": " "}, "names no person"),
        ({"plan_hash": "0" * 64, "approved_by": "Ada"}, "no plan with the hash"),
    ],
)
def test_what_is_no_approval_of_a_stored_plan_is_refused(
    run: Callable[..., Any], floor: Floor, parameters: dict[str, str], reason: str
) -> None:
    from flows.apply_approved_plan import apply_approved_plan

    floor.session()
    before = floor.digest()
    ended = run(apply_approved_plan, floor, **parameters)
    assert ended.is_failed()
    assert reason in ended.message
    assert floor.digest() == before
    assert floor.rows("select 1 from rollcall_ops.runs") == []


@pytest.mark.medium
def test_a_plan_is_refused_after_its_expiry_or_a_drift_of_the_schema(
    run: Callable[..., Any], centre: CallCentre, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.apply_approved_plan import apply_approved_plan
    from flows.propose import propose

    with monkeypatch.context() as patch:
        patch.setenv("ROLLCALL_VARS", "{plan_expires_hours: 0.000001}")
        expired = run(propose, centre).message.split()[-1]
        ended = run(apply_approved_plan, centre, plan_hash=expired, approved_by="Ada")
    assert ended.is_failed()
    assert "the plan expired at" in ended.message
    fresh = run(propose, centre).message.split()[-1]
    centre.rows("alter table agent_sessions add column note text")
    try:
        ended = run(apply_approved_plan, centre, plan_hash=fresh, approved_by="Ada")
    finally:
        centre.rows("alter table agent_sessions drop column note")
    assert ended.is_failed()
    assert "the schema drifted" in ended.message
    assert not is_migrated(centre)
    assert any("The command run failed" in text for text in hook.texts)


@pytest.mark.medium
def test_a_proposed_plan_is_executed_by_its_hash_under_the_name_of_its_approver(
    run: Callable[..., Any], prefect: Any, centre: CallCentre, hook: Webhook
) -> None:
    from flows.apply_approved_plan import apply_approved_plan
    from flows.propose import propose

    before = centre.images()
    proposed = run(propose, centre)
    plan_hash = proposed.message.split()[-1]
    assert (proposed.is_completed(), proposed.name) == (True, "PLAN_WAITS")
    assert centre.images() == before
    assert not is_migrated(centre), "nothing is executed without an approval"
    assert any(f"rollcall run --plan {plan_hash}" in text for text in hook.texts)
    artifacts = prefect.request("POST", "/artifacts/filter", json={}).json()
    (summary,) = [
        item["data"]
        for item in artifacts
        if (item["key"] or "").startswith("plan-") and plan_hash in item["data"]
    ]
    assert "create index" in summary.lower()
    assert "abandoned_session" in summary

    ended = run(apply_approved_plan, centre, plan_hash=plan_hash, approved_by="Ada Lovelace")
    assert (ended.is_completed(), ended.name) == (True, "READY"), ended.message
    assert is_migrated(centre)
    ((approved_by, recorded),) = centre.rows(
        "select approved_by, plan_hash from rollcall_ops.runs where command = 'run'"
    )
    assert approved_by.startswith(f"Ada Lovelace (plan {plan_hash})")
    assert recorded == plan_hash
    assert any("No plan waits for approval" in text for text in hook.texts)

    nothing = run(propose, centre)
    assert (nothing.is_completed(), nothing.name) == (True, "NOTHING_PENDING")
