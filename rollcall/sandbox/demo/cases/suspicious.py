"""Warnings and infos: sessions that are reported and left alone."""

from __future__ import annotations

from rollcall.sandbox.demo.case_builder import INSIDE, CaseBuilder, Rows, case


@case(usual=2)
def deactivated_at_work(builder: CaseBuilder) -> Rows:
    """The agent was deactivated within the hour, and is still present."""
    agent, seen = builder.agent(active=False), builder.ago(*INSIDE)
    yield builder.session(agent, builder.words.available, seen, rules=("session_of_inactive_agent",))


@case(usual=3)
def two_tabs(builder: CaseBuilder) -> Rows:
    """Two sessions of one agent, both in use."""
    agent = builder.agent()
    yield builder.session(
        agent,
        builder.words.available,
        builder.ago(*INSIDE),
        login=builder.ago(310, 390),
        rules=("duplicate_open_session",),
    )
    yield builder.session(agent, builder.words.available, builder.ago(*INSIDE), login=builder.ago(200, 300))


@case(usual=2)
def logged_in_again_and_talking(builder: CaseBuilder) -> Rows:
    """A silent older session of an agent with a live call: no session of the agent changes."""
    agent, started = builder.agent(), builder.ago(1, 40)
    call = builder.live_call(agent, started, builder.words.connected)
    yield call
    yield builder.session(
        agent,
        builder.words.available,
        builder.ago(200, 500),
        rules=("duplicate_open_session",),
        alive=False,
    )
    yield builder.session(agent, builder.words.on_call, started, login=builder.ago(110, 190), call=call)


@case(usual=4)
def page_reloaded(builder: CaseBuilder) -> Rows:
    """The beacon of a reload set `offline`: inside the window, so it stays."""
    agent, seen = builder.agent(), builder.ago(*INSIDE)
    yield builder.session(
        agent, builder.words.offline, seen, beats=False, device=False, rules=("open_but_offline",)
    )


@case(usual=3)
def available_while_talking(builder: CaseBuilder) -> Rows:
    """Refers to its connected call, but is `available`."""
    agent, started = builder.agent(), builder.ago(1, 40)
    call = builder.live_call(agent, started, builder.words.connected)
    yield call
    yield builder.session(
        agent, builder.words.available, started, call=call, rules=("live_call_not_on_call",)
    )


@case(usual=2, agents=2)
def on_a_colleagues_call(builder: CaseBuilder) -> Rows:
    """Two agents refer to one live call, which belongs to the first of them."""
    agent, colleague, started = builder.agent(), builder.agent(), builder.ago(1, 40)
    call = builder.live_call(agent, started, builder.words.connected)
    yield call
    yield builder.session(agent, builder.words.on_call, started, call=call, rules=("shared_call",))
    yield builder.session(
        colleague,
        builder.words.on_call,
        started,
        call=call,
        rules=("shared_call", "call_of_another_agent"),
    )


@case(usual=1, agents=2)
def sharing_an_unassigned_call(builder: CaseBuilder) -> Rows:
    """Two agents refer to one live call that is assigned to neither."""
    call = builder.live_call(None, builder.ago(1, 20), builder.words.connected)
    yield call
    for _ in range(2):
        yield builder.session(
            builder.agent(), builder.words.on_call, call.started_at, call=call, rules=("shared_call",)
        )


@case(usual=1)
def two_tabs_on_one_call(builder: CaseBuilder) -> Rows:
    """Both sessions of one agent refer to its live call."""
    agent, started = builder.agent(), builder.ago(1, 40)
    call = builder.live_call(agent, started, builder.words.connected)
    yield call
    yield builder.session(
        agent,
        builder.words.on_call,
        started,
        login=builder.ago(310, 390),
        call=call,
        rules=("duplicate_open_session", "shared_call"),
    )
    yield builder.session(
        agent,
        builder.words.on_call,
        started,
        login=builder.ago(200, 300),
        call=call,
        rules=("shared_call",),
    )


@case(usual=2, agents=2)
def taken_over_call(builder: CaseBuilder) -> Rows:
    """Refers to a live call that still belongs to a colleague, who does not refer to it."""
    agent, colleague, started = builder.agent(), builder.agent(), builder.ago(1, 40)
    call = builder.live_call(colleague, started, builder.words.connected)
    yield call
    yield builder.session(agent, builder.words.on_call, started, call=call, rules=("call_of_another_agent",))
    yield builder.session(colleague, builder.words.available, builder.ago(*INSIDE))


@case(usual=3, migrated_only=True)
def device_gone(builder: CaseBuilder) -> Rows:
    """`available`, with a disconnected device; inside the window."""
    agent, seen = builder.agent(), builder.ago(*INSIDE)
    yield builder.session(
        agent,
        builder.words.available,
        seen,
        beats=False,
        device=False,
        rules=("device_lost",) if builder.heartbeats else (),
    )


@case(usual=2, migrated_only=True)
def no_capacity(builder: CaseBuilder) -> Rows:
    """The capacity is 0, so that the agent can take no call."""
    yield builder.session(
        builder.agent(),
        builder.words.available,
        builder.ago(*INSIDE),
        capacity=0,
        rules=("invalid_capacity",),
    )


@case(usual=1, migrated_only=True)
def unknown_capacity(builder: CaseBuilder) -> Rows:
    """The capacity is null."""
    yield builder.session(
        builder.agent(),
        builder.words.available,
        builder.ago(*INSIDE),
        capacity=None,
        rules=("invalid_capacity",),
    )
