"""What blocks a readiness verdict; planted on request only."""

from __future__ import annotations

from rollcall.sandbox.demo.case_builder import IDLE, INSIDE, CaseBuilder, Rows, case


@case(usual=0)
def unknown_status(builder: CaseBuilder) -> Rows:
    """A status that the configuration does not know, of an agent at work."""
    yield builder.session(
        builder.agent(),
        builder.words.unknown_session_status,
        builder.ago(*INSIDE),
        rules=("unknown_session_status",),
    )


@case(usual=0, fresh=False)
def unknown_status_and_idle(builder: CaseBuilder) -> Rows:
    """An unknown status past the window: its meaning is unknown, so it is not closed."""
    yield builder.session(
        builder.agent(),
        builder.words.unknown_session_status,
        builder.ago(*IDLE),
        rules=("unknown_session_status",),
        alive=False,
    )


@case(usual=0, fresh=False)
def on_a_call_of_unknown_status(builder: CaseBuilder) -> Rows:
    """Refers to a call in a status that the configuration does not know: left alone."""
    agent, started = builder.agent(), builder.ago(140, 200)
    call = builder.live_call(agent, started, builder.words.unknown_call_status)
    call.rules = ("unknown_call_status",)
    yield call
    yield builder.session(agent, builder.words.on_call, started, call=call, alive=False)


@case(usual=0)
def active_in_the_future(builder: CaseBuilder) -> Rows:
    """Active in three hours: written with a wrong clock or in another time zone."""
    yield builder.session(
        builder.agent(),
        builder.words.available,
        builder.ahead(hours=3),
        login=builder.ago(20, 90),
        beats=False,
        rules=("activity_in_future",),
    )


@case(usual=0, fresh=False)
def of_an_unknown_agent(builder: CaseBuilder) -> Rows:
    """Its agent does not exist (the foreign key is left out then)."""
    yield builder.session(
        builder.unknown_agent(),
        builder.words.available,
        builder.ago(*IDLE),
        rules=("unknown_agent",),
        alive=False,
    )
