"""Agents at work, with nothing wrong."""

from __future__ import annotations

from rollcall.sandbox.demo.case_builder import CaseBuilder, Rows, case


@case(usual=20, host=True)
def waiting(builder: CaseBuilder) -> Rows:
    """Available, with a shift's calls behind it."""
    agent, seen = builder.agent(), builder.ago(4, 90)
    login = builder.before(seen, 60, 300)
    yield from builder.shift(agent, login, seen)
    yield builder.session(agent, builder.words.available, seen, login=login)


@case(usual=10, host=True)
def on_a_break(builder: CaseBuilder) -> Rows:
    """On a break."""
    agent, seen = builder.agent(), builder.ago(2, 45)
    login = builder.before(seen, 60, 300)
    yield from builder.shift(agent, login, seen)
    yield builder.session(agent, builder.words.on_break, seen, login=login)


@case(usual=16)
def talking(builder: CaseBuilder) -> Rows:
    """On a connected call."""
    agent, started = builder.agent(), builder.ago(1, 40)
    call = builder.live_call(agent, started, builder.words.connected, outbound=True)
    yield call
    yield builder.session(agent, builder.words.on_call, started, call=call)
