"""Sound sessions that a careless clean-up would change."""

from __future__ import annotations

from rollcall.sandbox.demo.case_builder import IDLE, INSIDE, CaseBuilder, Rows, case


@case(usual=2, fresh=False)
def on_a_long_call(builder: CaseBuilder) -> Rows:
    """In a call for so long that only the live call proves presence."""
    agent, started = builder.agent(), builder.ago(140, 210)
    call = builder.live_call(agent, started, builder.words.connected)
    yield call
    yield builder.session(agent, builder.words.on_call, started, call=call)


@case(usual=4)
def dialling(builder: CaseBuilder) -> Rows:
    """An outbound call that is not connected yet."""
    agent, started = builder.agent(), builder.ago(0.1, 1)
    status = builder.rng.choice([builder.words.initiated, builder.words.connecting])
    call = builder.live_call(agent, started, status, outbound=True)
    yield call
    yield builder.session(agent, builder.words.on_call, started, call=call)


@case(usual=4)
def being_rung(builder: CaseBuilder) -> Rows:
    """An inbound call rings; the session is untouched until it is answered."""
    agent = builder.agent()
    yield builder.live_call(agent, builder.ago(0.1, 0.5), builder.words.ringing)
    yield builder.session(agent, builder.words.available, builder.ago(*INSIDE))


@case(usual=2, fresh=False)
def ghost_being_rung(builder: CaseBuilder) -> Rows:
    """Absent for hours, and rung this minute: not changed while the call is live."""
    agent = builder.agent()
    yield builder.live_call(agent, builder.ago(0.1, 0.5), builder.words.ringing)
    yield builder.session(agent, builder.words.available, builder.ago(*IDLE), alive=False)


@case(usual=3)
def talking_without_reference(builder: CaseBuilder) -> Rows:
    """`on_call`, with a call that is found by its agent only."""
    agent, started = builder.agent(), builder.ago(1, 40)
    yield builder.live_call(agent, started, builder.words.connected)
    yield builder.session(agent, builder.words.on_call, started)


@case(usual=2)
def tab_hidden_while_talking(builder: CaseBuilder) -> Rows:
    """Hiding the tab set a break and cleared the reference, while the call continues."""
    agent, started = builder.agent(), builder.ago(5, 40)
    yield builder.live_call(agent, started, builder.words.connected)
    yield builder.session(agent, builder.words.on_break, builder.ago(1, 4), login=builder.ago(60, 200))


@case(usual=2)
def ended_call_and_talking_again(builder: CaseBuilder) -> Rows:
    """Refers to an ended call, but has a live one: nothing changes during a call."""
    agent, started = builder.agent(), builder.ago(26, 60)
    before = builder.talk(agent, builder.before(started, 15, 20))
    yield before
    yield builder.live_call(agent, started, builder.words.connected)
    yield builder.session(agent, builder.words.on_call, before.started_at, call=before)


@case(usual=4)
def just_logged_in(builder: CaseBuilder) -> Rows:
    """Logged in a moment ago, without a call yet."""
    login = builder.ago(0.2, 3)
    yield builder.session(builder.agent(), builder.words.available, login, login=login)


@case(usual=5, host=True)
def idle_for_long(builder: CaseBuilder) -> Rows:
    """Silent for an hour and a half, but inside the window."""
    yield builder.session(builder.agent(), builder.words.available, builder.ago(90, 102))


@case(usual=4, fresh=False)
def alive_by_inbound_call(builder: CaseBuilder) -> Rows:
    """Its own columns are hours old; an answered call proves the agent's presence."""
    agent = builder.agent()
    yield builder.talk(agent, builder.ago(*INSIDE))
    yield builder.session(agent, builder.words.available, builder.ago(200, 400))


@case(usual=3, fresh=False)
def alive_by_outbound_attempt(builder: CaseBuilder) -> Rows:
    """Its own columns are hours old; an unanswered outbound call proves presence."""
    agent = builder.agent()
    yield builder.unanswered(agent, builder.ago(*INSIDE), outbound=True)
    yield builder.session(agent, builder.words.on_break, builder.ago(200, 400))
