"""Every sort of open session that the demo plants: one function each, which yields its rows.

A session says itself which rules it breaks (`rules`), whether its agent is really there (`alive`)
and what cleaning must do with it (`expected`); a call says which rules break on it. To add a
defect, add a function. Times are minutes before now, and keep fifteen minutes and more from each
threshold: 120 for `abandoned_after_hours`, 240 for `live_call_max_hours`, 10 for `settle_minutes`.
"""

from __future__ import annotations

from collections.abc import Iterator

from rollcall.demo.floor import Floor, case
from rollcall.demo.rows import Call, Session

Rows = Iterator[Session | Call]

INSIDE = (26, 100)
"""Quiet, but inside the window."""
IDLE = (140, 900)
"""Past the window."""

ABANDONED = ("abandoned_session",)
ORPHANED = ("orphaned_call_reference",)
STUCK = ("invalid_on_call",)
STUCK_ON_A_CALL = ("orphaned_call_reference", "invalid_on_call")
ABANDONED_ON_A_CALL = ("abandoned_session", "orphaned_call_reference", "invalid_on_call")


# --- agents who are there, and sound ------------------------------------------------------------


@case(usual=20, host=True)
def waiting(floor: Floor) -> Rows:
    """Available, with a shift's calls behind it."""
    agent, seen = floor.agent(), floor.ago(4, 90)
    login = floor.before(seen, 60, 300)
    yield from floor.shift(agent, login, seen)
    yield floor.session(agent, floor.words.available, seen, login=login)


@case(usual=10, host=True)
def on_a_break(floor: Floor) -> Rows:
    """On a break."""
    agent, seen = floor.agent(), floor.ago(2, 45)
    login = floor.before(seen, 60, 300)
    yield from floor.shift(agent, login, seen)
    yield floor.session(agent, floor.words.on_break, seen, login=login)


@case(usual=16)
def talking(floor: Floor) -> Rows:
    """On a connected call."""
    agent, started = floor.agent(), floor.ago(1, 40)
    call = floor.live_call(agent, started, floor.words.connected, outbound=True)
    yield call
    yield floor.session(agent, floor.words.on_call, started, call=call)


# --- critical: abandoned ------------------------------------------------------------------------


@case(usual=8, fresh=False)
def browser_crashed(floor: Floor) -> Rows:
    """Available, then silence."""
    agent, seen = floor.agent(), floor.ago(*IDLE)
    yield floor.session(agent, floor.words.available, seen, rules=ABANDONED, alive=False, expected="closed")


@case(usual=4, fresh=False)
def crashed_after_a_call(floor: Floor) -> Rows:
    """Crashed on a call that has ended since; the call ends later than the last activity."""
    agent, ended = floor.agent(), floor.ago(*IDLE)
    call = floor.talk(agent, ended)
    yield call
    yield floor.session(
        agent,
        floor.words.on_call,
        call.started_at,
        call=call,
        calls=[call],
        rules=ABANDONED_ON_A_CALL,
        alive=False,
        expected="closed",
    )


@case(usual=3, fresh=False)
def crashed_and_call_purged(floor: Floor) -> Rows:
    """Crashed on a call so long ago that the purge has deleted it."""
    agent, seen = floor.agent(), floor.ago(8 * 1440, 20 * 1440)
    yield floor.session(
        agent,
        floor.words.on_call,
        seen,
        call=floor.purged_call(),
        rules=ABANDONED_ON_A_CALL,
        alive=False,
        expected="closed",
    )


@case(usual=3, fresh=False)
def crashed_on_a_zombie_call(floor: Floor) -> Rows:
    """Crashed on a call that was never ended."""
    agent, started = floor.agent(), floor.ago(260, 900)
    call = floor.zombie_call(agent, started)
    yield call
    yield floor.session(
        agent,
        floor.words.on_call,
        started,
        call=call,
        calls=[call],
        rules=ABANDONED_ON_A_CALL,
        alive=False,
        expected="closed",
    )


@case(usual=2, fresh=False)
def crashed_on_call_without_reference(floor: Floor) -> Rows:
    """`on_call`, refers to nothing, silent."""
    agent, seen = floor.agent(), floor.ago(*IDLE)
    yield floor.session(
        agent,
        floor.words.on_call,
        seen,
        rules=("abandoned_session", "invalid_on_call"),
        alive=False,
        expected="closed",
    )


@case(usual=4, fresh=False)
def left_during_a_break(floor: Floor) -> Rows:
    """Went on a break and never came back."""
    agent, seen = floor.agent(), floor.ago(*IDLE)
    yield floor.session(agent, floor.words.on_break, seen, rules=ABANDONED, alive=False, expected="closed")


@case(usual=4, fresh=False)
def tab_closed(floor: Floor) -> Rows:
    """The beacon set `offline`, and the agent did not log out."""
    agent, seen = floor.agent(), floor.ago(*IDLE)
    yield floor.session(
        agent,
        floor.words.offline,
        seen,
        device=False,
        rules=("abandoned_session", "open_but_offline"),
        alive=False,
        expected="closed",
    )


@case(usual=3, fresh=False)
def tab_closed_during_a_call(floor: Floor) -> Rows:
    """As above; the beacon keeps the call reference."""
    agent, seen = floor.agent(), floor.ago(*IDLE)
    call = floor.talk(agent, seen)
    yield call
    yield floor.session(
        agent,
        floor.words.offline,
        call.started_at,
        call=call,
        calls=[call],
        device=False,
        rules=("abandoned_session", "orphaned_call_reference", "open_but_offline"),
        alive=False,
        expected="closed",
    )


@case(usual=2, fresh=False)
def ended_but_open(floor: Floor) -> Rows:
    """The other not-working status without `logout_at`."""
    agent, seen = floor.agent(), floor.ago(*IDLE)
    yield floor.session(
        agent,
        floor.words.ended,
        seen,
        device=False,
        rules=("abandoned_session", "open_but_offline"),
        alive=False,
        expected="closed",
    )


@case(usual=4, fresh=False)
def rung_ghost(floor: Floor) -> Rows:
    """Gone for hours while the router rings it: missed calls prove nothing."""
    agent, seen = floor.agent(), floor.ago(300, 600)
    last_talk = floor.talk(agent, seen)
    yield last_talk
    for minutes in range(20, 280, 25):
        yield floor.unanswered(agent, floor.ago(minutes, minutes + 20))
    yield floor.session(
        agent,
        floor.words.available,
        last_talk.started_at,
        calls=[last_talk],
        rules=ABANDONED,
        alive=False,
        expected="closed",
    )


@case(usual=3, fresh=False)
def deactivated_and_gone(floor: Floor) -> Rows:
    """Its agent was deactivated while logged in, and is gone."""
    agent, seen = floor.agent(active=False), floor.ago(*IDLE)
    yield floor.session(
        agent,
        floor.words.available,
        seen,
        rules=("abandoned_session", "session_of_inactive_agent"),
        alive=False,
        expected="closed",
    )


@case(usual=5)
def logged_in_again(floor: Floor) -> Rows:
    """A second log-in beside a silent session: today's calls belong to the newer one only."""
    agent = floor.agent()
    left_at, seen = floor.ago(200, 500), floor.ago(5, 60)
    login = floor.ago(110, 190)
    yield floor.session(
        agent,
        floor.words.available,
        left_at,
        rules=("abandoned_session", "duplicate_open_session"),
        alive=False,
        expected="closed",
    )
    yield from floor.shift(agent, login, seen)
    yield floor.session(agent, floor.words.available, seen, login=login)


@case(usual=2)
def newest_tab_crashed(floor: Floor) -> Rows:
    """Works on in an older tab, while the newer one is silent."""
    agent, login, seen = floor.agent(), floor.ago(400, 600), floor.ago(*INSIDE)
    yield floor.session(agent, floor.words.available, seen, login=login, rules=("duplicate_open_session",))
    yield floor.session(
        agent,
        floor.words.available,
        floor.ago(200, 300),
        login=floor.ago(310, 390),
        rules=ABANDONED,
        alive=False,
        expected="closed",
    )


# --- critical: a living session with a broken reference or status ------------------------------


@case(usual=4)
def still_refers_to_an_ended_call(floor: Floor) -> Rows:
    """Available, and refers to the call before."""
    agent, seen = floor.agent(), floor.ago(*INSIDE)
    call = floor.talk(agent, seen)
    yield call
    yield floor.session(
        agent, floor.words.available, seen, call=call, rules=ORPHANED, expected="reference_cleared"
    )


@case(usual=3)
def still_refers_to_a_purged_call(floor: Floor) -> Rows:
    """On a break, and refers to a call that no longer exists."""
    agent, seen = floor.agent(), floor.ago(*INSIDE)
    yield floor.session(
        agent,
        floor.words.on_break,
        seen,
        call=floor.purged_call(),
        rules=ORPHANED,
        expected="reference_cleared",
    )


@case(usual=2)
def refers_to_an_ended_call_still_live(floor: Floor) -> Rows:
    """The call has ended, though its status says otherwise: over."""
    agent, seen = floor.agent(), floor.ago(*INSIDE)
    call = floor.talk(agent, seen)
    call.status, call.rules = floor.words.connected, ("ended_call_still_live",)
    yield call
    yield floor.session(
        agent, floor.words.available, seen, call=call, rules=ORPHANED, expected="reference_cleared"
    )


@case(usual=2)
def refers_to_a_zombie_call(floor: Floor) -> Rows:
    """The call was never ended, but is too old to be live."""
    agent, seen = floor.agent(), floor.ago(*INSIDE)
    call = floor.zombie_call(agent, floor.ago(260, 400))
    yield call
    yield floor.session(
        agent,
        floor.words.on_break,
        seen,
        login=call.started_at,
        call=call,
        rules=ORPHANED,
        expected="reference_cleared",
    )


@case(usual=4)
def stuck_on_call(floor: Floor) -> Rows:
    """`on_call` without any call; there to be seen where heartbeats say so."""
    agent, seen = floor.agent(), floor.ago(*INSIDE)
    yield floor.session(agent, floor.words.on_call, seen, rules=STUCK, expected="status_reset")


@case(usual=4)
def stuck_on_an_ended_call(floor: Floor) -> Rows:
    """`on_call`, and the call is over."""
    agent, seen = floor.agent(), floor.ago(*INSIDE)
    call = floor.talk(agent, seen)
    yield call
    yield floor.session(
        agent, floor.words.on_call, seen, call=call, rules=STUCK_ON_A_CALL, expected="status_reset"
    )


@case(usual=2)
def stuck_on_a_zombie_call(floor: Floor) -> Rows:
    """`on_call`, and the call started too long ago to be live."""
    agent, seen = floor.agent(), floor.ago(*INSIDE)
    call = floor.zombie_call(agent, floor.ago(260, 400))
    yield call
    yield floor.session(
        agent,
        floor.words.on_call,
        seen,
        login=call.started_at,
        call=call,
        rules=STUCK_ON_A_CALL,
        expected="status_reset",
    )


@case(usual=3, migrated_only=True)
def stuck_on_call_without_heartbeat(floor: Floor) -> Rows:
    """`on_call` without any call, inside the window, but its device is not heard any more."""
    agent, seen = floor.agent(), floor.ago(*INSIDE)
    yield floor.session(agent, floor.words.on_call, seen, beats=False, rules=STUCK, expected="status_reset")


# --- warnings and infos -------------------------------------------------------------------------


@case(usual=2)
def deactivated_at_work(floor: Floor) -> Rows:
    """Its agent was deactivated within the hour, and is still there."""
    agent, seen = floor.agent(active=False), floor.ago(*INSIDE)
    yield floor.session(agent, floor.words.available, seen, rules=("session_of_inactive_agent",))


@case(usual=3)
def two_tabs(floor: Floor) -> Rows:
    """Two sessions of one agent, both in use."""
    agent = floor.agent()
    yield floor.session(
        agent,
        floor.words.available,
        floor.ago(*INSIDE),
        login=floor.ago(310, 390),
        rules=("duplicate_open_session",),
    )
    yield floor.session(agent, floor.words.available, floor.ago(*INSIDE), login=floor.ago(200, 300))


@case(usual=2)
def logged_in_again_and_talking(floor: Floor) -> Rows:
    """A silent older session of an agent who has a live call: nothing of theirs is changed."""
    agent, started = floor.agent(), floor.ago(1, 40)
    call = floor.live_call(agent, started, floor.words.connected)
    yield call
    yield floor.session(
        agent,
        floor.words.available,
        floor.ago(200, 500),
        rules=("duplicate_open_session",),
        alive=False,
    )
    yield floor.session(agent, floor.words.on_call, started, login=floor.ago(110, 190), call=call)


@case(usual=4)
def page_reloaded(floor: Floor) -> Rows:
    """The beacon of a reload set `offline`: inside the window, so it stays."""
    agent, seen = floor.agent(), floor.ago(*INSIDE)
    yield floor.session(
        agent, floor.words.offline, seen, beats=False, device=False, rules=("open_but_offline",)
    )


@case(usual=3)
def available_while_talking(floor: Floor) -> Rows:
    """Refers to its connected call, but is `available`."""
    agent, started = floor.agent(), floor.ago(1, 40)
    call = floor.live_call(agent, started, floor.words.connected)
    yield call
    yield floor.session(agent, floor.words.available, started, call=call, rules=("live_call_not_on_call",))


@case(usual=2, agents=2)
def on_a_colleagues_call(floor: Floor) -> Rows:
    """Two agents refer to one live call, which belongs to the first of them."""
    agent, colleague, started = floor.agent(), floor.agent(), floor.ago(1, 40)
    call = floor.live_call(agent, started, floor.words.connected)
    yield call
    yield floor.session(agent, floor.words.on_call, started, call=call, rules=("shared_call",))
    yield floor.session(
        colleague,
        floor.words.on_call,
        started,
        call=call,
        rules=("shared_call", "call_of_another_agent"),
    )


@case(usual=1, agents=2)
def sharing_a_call_of_nobody(floor: Floor) -> Rows:
    """Two agents refer to one live call that is assigned to neither."""
    call = floor.live_call(None, floor.ago(1, 20), floor.words.connected)
    yield call
    for _ in range(2):
        yield floor.session(
            floor.agent(), floor.words.on_call, call.started_at, call=call, rules=("shared_call",)
        )


@case(usual=1)
def two_tabs_on_one_call(floor: Floor) -> Rows:
    """Both sessions of one agent refer to its live call."""
    agent, started = floor.agent(), floor.ago(1, 40)
    call = floor.live_call(agent, started, floor.words.connected)
    yield call
    yield floor.session(
        agent,
        floor.words.on_call,
        started,
        login=floor.ago(310, 390),
        call=call,
        rules=("duplicate_open_session", "shared_call"),
    )
    yield floor.session(
        agent,
        floor.words.on_call,
        started,
        login=floor.ago(200, 300),
        call=call,
        rules=("shared_call",),
    )


@case(usual=2, agents=2)
def taken_over_call(floor: Floor) -> Rows:
    """Refers to a live call that still belongs to a colleague, who does not refer to it."""
    agent, colleague, started = floor.agent(), floor.agent(), floor.ago(1, 40)
    call = floor.live_call(colleague, started, floor.words.connected)
    yield call
    yield floor.session(agent, floor.words.on_call, started, call=call, rules=("call_of_another_agent",))
    yield floor.session(colleague, floor.words.available, floor.ago(*INSIDE))


@case(usual=3, migrated_only=True)
def device_gone(floor: Floor) -> Rows:
    """`available`, but its device is not connected any more; inside the window."""
    agent, seen = floor.agent(), floor.ago(*INSIDE)
    yield floor.session(
        agent,
        floor.words.available,
        seen,
        beats=False,
        device=False,
        rules=("device_lost",) if floor.heartbeats else (),
    )


@case(usual=2, migrated_only=True)
def no_capacity(floor: Floor) -> Rows:
    """May take no call at all: the capacity is 0."""
    yield floor.session(
        floor.agent(),
        floor.words.available,
        floor.ago(*INSIDE),
        capacity=0,
        rules=("invalid_capacity",),
    )


@case(usual=1, migrated_only=True)
def unknown_capacity(floor: Floor) -> Rows:
    """The capacity is null."""
    yield floor.session(
        floor.agent(),
        floor.words.available,
        floor.ago(*INSIDE),
        capacity=None,
        rules=("invalid_capacity",),
    )


# --- more agents who are there, and sound: each would fall to a careless clean-up ---------------


@case(usual=2, fresh=False)
def on_a_long_call(floor: Floor) -> Rows:
    """Talking for so long that only the live call keeps the session from looking abandoned."""
    agent, started = floor.agent(), floor.ago(140, 210)
    call = floor.live_call(agent, started, floor.words.connected)
    yield call
    yield floor.session(agent, floor.words.on_call, started, call=call)


@case(usual=4)
def dialling(floor: Floor) -> Rows:
    """An outbound call that is not connected yet."""
    agent, started = floor.agent(), floor.ago(0.1, 1)
    status = floor.rng.choice([floor.words.initiated, floor.words.connecting])
    call = floor.live_call(agent, started, status, outbound=True)
    yield call
    yield floor.session(agent, floor.words.on_call, started, call=call)


@case(usual=4)
def being_rung(floor: Floor) -> Rows:
    """An inbound call rings; the session is untouched until it is answered."""
    agent = floor.agent()
    yield floor.live_call(agent, floor.ago(0.1, 0.5), floor.words.ringing)
    yield floor.session(agent, floor.words.available, floor.ago(*INSIDE))


@case(usual=2, fresh=False)
def ghost_being_rung(floor: Floor) -> Rows:
    """Gone for hours, and rung this minute: not to be changed while the call is live."""
    agent = floor.agent()
    yield floor.live_call(agent, floor.ago(0.1, 0.5), floor.words.ringing)
    yield floor.session(agent, floor.words.available, floor.ago(*IDLE), alive=False)


@case(usual=3)
def talking_without_reference(floor: Floor) -> Rows:
    """`on_call`, and the call is found by its agent only."""
    agent, started = floor.agent(), floor.ago(1, 40)
    yield floor.live_call(agent, started, floor.words.connected)
    yield floor.session(agent, floor.words.on_call, started)


@case(usual=2)
def tab_hidden_while_talking(floor: Floor) -> Rows:
    """Hiding the tab made a break of it and cleared the reference, while the call goes on."""
    agent, started = floor.agent(), floor.ago(5, 40)
    yield floor.live_call(agent, started, floor.words.connected)
    yield floor.session(agent, floor.words.on_break, floor.ago(1, 4), login=floor.ago(60, 200))


@case(usual=2)
def ended_call_and_talking_again(floor: Floor) -> Rows:
    """Refers to an ended call, but has a live one: nothing is changed in the middle of a call."""
    agent, started = floor.agent(), floor.ago(26, 60)
    before = floor.talk(agent, floor.before(started, 15, 20))
    yield before
    yield floor.live_call(agent, started, floor.words.connected)
    yield floor.session(agent, floor.words.on_call, before.started_at, call=before)


@case(usual=4)
def just_logged_in(floor: Floor) -> Rows:
    """Logged in a moment ago, no call yet."""
    login = floor.ago(0.2, 3)
    yield floor.session(floor.agent(), floor.words.available, login, login=login)


@case(usual=5, host=True)
def idle_for_long(floor: Floor) -> Rows:
    """Nothing for an hour and a half, but inside the window."""
    yield floor.session(floor.agent(), floor.words.available, floor.ago(90, 102))


@case(usual=4, fresh=False)
def alive_by_inbound_call(floor: Floor) -> Rows:
    """Its own columns are hours old; an answered call proves that the agent is there."""
    agent = floor.agent()
    yield floor.talk(agent, floor.ago(*INSIDE))
    yield floor.session(agent, floor.words.available, floor.ago(200, 400))


@case(usual=3, fresh=False)
def alive_by_outbound_attempt(floor: Floor) -> Rows:
    """Its own columns are hours old; it dialled without an answer."""
    agent = floor.agent()
    yield floor.unanswered(agent, floor.ago(*INSIDE), outbound=True)
    yield floor.session(agent, floor.words.on_break, floor.ago(200, 400))


# --- blocking: on request only --------------------------------------------------------------------


@case(usual=0)
def unknown_status(floor: Floor) -> Rows:
    """A status that the configuration does not know, of an agent at work."""
    yield floor.session(
        floor.agent(),
        floor.words.unknown_session_status,
        floor.ago(*INSIDE),
        rules=("unknown_session_status",),
    )


@case(usual=0, fresh=False)
def unknown_status_and_idle(floor: Floor) -> Rows:
    """The same past the window: not guessed at, so not closed."""
    yield floor.session(
        floor.agent(),
        floor.words.unknown_session_status,
        floor.ago(*IDLE),
        rules=("unknown_session_status",),
        alive=False,
    )


@case(usual=0, fresh=False)
def on_a_call_of_unknown_status(floor: Floor) -> Rows:
    """Refers to a call in a status that the configuration does not know: left alone."""
    agent, started = floor.agent(), floor.ago(140, 200)
    call = floor.live_call(agent, started, floor.words.unknown_call_status)
    call.rules = ("unknown_call_status",)
    yield call
    yield floor.session(agent, floor.words.on_call, started, call=call, alive=False)


@case(usual=0)
def active_in_the_future(floor: Floor) -> Rows:
    """Active in three hours: written with a wrong clock or in another time zone."""
    yield floor.session(
        floor.agent(),
        floor.words.available,
        floor.ahead(hours=3),
        login=floor.ago(20, 90),
        beats=False,
        rules=("activity_in_future",),
    )


@case(usual=0, fresh=False)
def of_an_unknown_agent(floor: Floor) -> Rows:
    """Its agent does not exist (the foreign key is left out then)."""
    yield floor.session(
        floor.unknown_agent(),
        floor.words.available,
        floor.ago(*IDLE),
        rules=("unknown_agent",),
        alive=False,
    )
