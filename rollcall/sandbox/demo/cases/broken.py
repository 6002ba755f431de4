"""Critical: sessions in use with a broken reference or status, which cleaning repairs."""

from __future__ import annotations

from rollcall.sandbox.demo.case_builder import INSIDE, CaseBuilder, Rows, case

ORPHANED = ("orphaned_call_reference",)
STUCK = ("invalid_on_call",)
STUCK_ON_A_CALL = ("orphaned_call_reference", "invalid_on_call")


@case(usual=4)
def still_refers_to_an_ended_call(builder: CaseBuilder) -> Rows:
    """Available, and refers to the call before."""
    agent, seen = builder.agent(), builder.ago(*INSIDE)
    call = builder.talk(agent, seen)
    yield call
    yield builder.session(
        agent, builder.words.available, seen, call=call, rules=ORPHANED, expected="reference_cleared"
    )


@case(usual=3)
def still_refers_to_a_purged_call(builder: CaseBuilder) -> Rows:
    """On a break, and refers to a call that no longer exists."""
    agent, seen = builder.agent(), builder.ago(*INSIDE)
    yield builder.session(
        agent,
        builder.words.on_break,
        seen,
        call=builder.purged_call(),
        rules=ORPHANED,
        expected="reference_cleared",
    )


@case(usual=2)
def refers_to_an_ended_call_still_live(builder: CaseBuilder) -> Rows:
    """The call has an end, although its status is live: it counts as over."""
    agent, seen = builder.agent(), builder.ago(*INSIDE)
    call = builder.talk(agent, seen)
    call.status, call.rules = builder.words.connected, ("ended_call_still_live",)
    yield call
    yield builder.session(
        agent, builder.words.available, seen, call=call, rules=ORPHANED, expected="reference_cleared"
    )


@case(usual=2)
def refers_to_a_zombie_call(builder: CaseBuilder) -> Rows:
    """The call was never ended, but is too old to be live."""
    agent, seen = builder.agent(), builder.ago(*INSIDE)
    call = builder.zombie_call(agent, builder.ago(260, 400))
    yield call
    yield builder.session(
        agent,
        builder.words.on_break,
        seen,
        login=call.started_at,
        call=call,
        rules=ORPHANED,
        expected="reference_cleared",
    )


@case(usual=4)
def stuck_on_call(builder: CaseBuilder) -> Rows:
    """`on_call` without any call; present where heartbeats prove it."""
    agent, seen = builder.agent(), builder.ago(*INSIDE)
    yield builder.session(agent, builder.words.on_call, seen, rules=STUCK, expected="status_reset")


@case(usual=4)
def stuck_on_an_ended_call(builder: CaseBuilder) -> Rows:
    """`on_call`, and the call is over."""
    agent, seen = builder.agent(), builder.ago(*INSIDE)
    call = builder.talk(agent, seen)
    yield call
    yield builder.session(
        agent, builder.words.on_call, seen, call=call, rules=STUCK_ON_A_CALL, expected="status_reset"
    )


@case(usual=2)
def stuck_on_a_zombie_call(builder: CaseBuilder) -> Rows:
    """`on_call`, and the call started too long ago to be live."""
    agent, seen = builder.agent(), builder.ago(*INSIDE)
    call = builder.zombie_call(agent, builder.ago(260, 400))
    yield call
    yield builder.session(
        agent,
        builder.words.on_call,
        seen,
        login=call.started_at,
        call=call,
        rules=STUCK_ON_A_CALL,
        expected="status_reset",
    )


@case(usual=3, migrated_only=True)
def stuck_on_call_without_heartbeat(builder: CaseBuilder) -> Rows:
    """`on_call` without any call, inside the window, without fresh heartbeats."""
    agent, seen = builder.agent(), builder.ago(*INSIDE)
    yield builder.session(
        agent, builder.words.on_call, seen, beats=False, rules=STUCK, expected="status_reset"
    )
