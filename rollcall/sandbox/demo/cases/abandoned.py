"""Critical: abandoned sessions, which cleaning closes."""

from __future__ import annotations

from rollcall.sandbox.demo.case_builder import IDLE, INSIDE, CaseBuilder, Rows, case

ABANDONED = ("abandoned_session",)
ABANDONED_ON_A_CALL = ("abandoned_session", "orphaned_call_reference", "invalid_on_call")


@case(usual=8, fresh=False)
def browser_crashed(builder: CaseBuilder) -> Rows:
    """Available, then silence."""
    agent, seen = builder.agent(), builder.ago(*IDLE)
    yield builder.session(
        agent, builder.words.available, seen, rules=ABANDONED, alive=False, expected="closed"
    )


@case(usual=4, fresh=False)
def crashed_after_a_call(builder: CaseBuilder) -> Rows:
    """Crashed on a call that has ended since; the call ends later than the last activity."""
    agent, ended = builder.agent(), builder.ago(*IDLE)
    call = builder.talk(agent, ended)
    yield call
    yield builder.session(
        agent,
        builder.words.on_call,
        call.started_at,
        call=call,
        calls=[call],
        rules=ABANDONED_ON_A_CALL,
        alive=False,
        expected="closed",
    )


@case(usual=3, fresh=False)
def crashed_and_call_purged(builder: CaseBuilder) -> Rows:
    """Crashed on a call so long ago that the purge has deleted it."""
    agent, seen = builder.agent(), builder.ago(8 * 1440, 20 * 1440)
    yield builder.session(
        agent,
        builder.words.on_call,
        seen,
        call=builder.purged_call(),
        rules=ABANDONED_ON_A_CALL,
        alive=False,
        expected="closed",
    )


@case(usual=3, fresh=False)
def crashed_on_a_zombie_call(builder: CaseBuilder) -> Rows:
    """Crashed on a call that was never ended."""
    agent, started = builder.agent(), builder.ago(260, 900)
    call = builder.zombie_call(agent, started)
    yield call
    yield builder.session(
        agent,
        builder.words.on_call,
        started,
        call=call,
        calls=[call],
        rules=ABANDONED_ON_A_CALL,
        alive=False,
        expected="closed",
    )


@case(usual=2, fresh=False)
def crashed_on_call_without_reference(builder: CaseBuilder) -> Rows:
    """`on_call`, refers to nothing, silent."""
    agent, seen = builder.agent(), builder.ago(*IDLE)
    yield builder.session(
        agent,
        builder.words.on_call,
        seen,
        rules=("abandoned_session", "invalid_on_call"),
        alive=False,
        expected="closed",
    )


@case(usual=4, fresh=False)
def left_during_a_break(builder: CaseBuilder) -> Rows:
    """Went on a break and never came back."""
    agent, seen = builder.agent(), builder.ago(*IDLE)
    yield builder.session(
        agent, builder.words.on_break, seen, rules=ABANDONED, alive=False, expected="closed"
    )


@case(usual=4, fresh=False)
def tab_closed(builder: CaseBuilder) -> Rows:
    """The beacon set `offline`, and the agent did not log out."""
    agent, seen = builder.agent(), builder.ago(*IDLE)
    yield builder.session(
        agent,
        builder.words.offline,
        seen,
        device=False,
        rules=("abandoned_session", "open_but_offline"),
        alive=False,
        expected="closed",
    )


@case(usual=3, fresh=False)
def tab_closed_during_a_call(builder: CaseBuilder) -> Rows:
    """The beacon set `offline` during a call and keeps the call reference."""
    agent, seen = builder.agent(), builder.ago(*IDLE)
    call = builder.talk(agent, seen)
    yield call
    yield builder.session(
        agent,
        builder.words.offline,
        call.started_at,
        call=call,
        calls=[call],
        device=False,
        rules=("abandoned_session", "orphaned_call_reference", "open_but_offline"),
        alive=False,
        expected="closed",
    )


@case(usual=2, fresh=False)
def ended_but_open(builder: CaseBuilder) -> Rows:
    """The other non-working status without `logout_at`."""
    agent, seen = builder.agent(), builder.ago(*IDLE)
    yield builder.session(
        agent,
        builder.words.ended,
        seen,
        device=False,
        rules=("abandoned_session", "open_but_offline"),
        alive=False,
        expected="closed",
    )


@case(usual=4, fresh=False)
def rung_ghost(builder: CaseBuilder) -> Rows:
    """Absent for hours while the router rings the agent: missed calls prove nothing."""
    agent, seen = builder.agent(), builder.ago(300, 600)
    last_talk = builder.talk(agent, seen)
    yield last_talk
    for minutes in range(20, 280, 25):
        yield builder.unanswered(agent, builder.ago(minutes, minutes + 20))
    yield builder.session(
        agent,
        builder.words.available,
        last_talk.started_at,
        calls=[last_talk],
        rules=ABANDONED,
        alive=False,
        expected="closed",
    )


@case(usual=3, fresh=False)
def deactivated_and_gone(builder: CaseBuilder) -> Rows:
    """The agent was deactivated while logged in, and is absent."""
    agent, seen = builder.agent(active=False), builder.ago(*IDLE)
    yield builder.session(
        agent,
        builder.words.available,
        seen,
        rules=("abandoned_session", "session_of_inactive_agent"),
        alive=False,
        expected="closed",
    )


@case(usual=5)
def logged_in_again(builder: CaseBuilder) -> Rows:
    """A second login beside a silent session: today's calls belong to the newer one only."""
    agent = builder.agent()
    left_at, seen = builder.ago(200, 500), builder.ago(5, 60)
    login = builder.ago(110, 190)
    yield builder.session(
        agent,
        builder.words.available,
        left_at,
        rules=("abandoned_session", "duplicate_open_session"),
        alive=False,
        expected="closed",
    )
    yield from builder.shift(agent, login, seen)
    yield builder.session(agent, builder.words.available, seen, login=login)


@case(usual=2)
def newest_tab_crashed(builder: CaseBuilder) -> Rows:
    """The agent works in an older tab, while the newer one is silent."""
    agent, login, seen = builder.agent(), builder.ago(400, 600), builder.ago(*INSIDE)
    yield builder.session(
        agent, builder.words.available, seen, login=login, rules=("duplicate_open_session",)
    )
    yield builder.session(
        agent,
        builder.words.available,
        builder.ago(200, 300),
        login=builder.ago(310, 390),
        rules=ABANDONED,
        alive=False,
        expected="closed",
    )
