"""Judge every change and every omission: pure functions of the ground truth.

The judge uses docs/domain.md and the truth, and none of Rollcall's SQL. Where the order of two events cannot
be known, it decides in favour of the change, so that every finding is certain.

- A write was visible to a change if its commit was known before the change's transaction began. A write to
  the session's own row was also visible if its commit was known before the change was recorded, because the
  row was locked.
- A present agent always shows life: by heartbeats, or by acting well within the window. A session may
  therefore never be closed while its agent is present. A close after the simulator itself wrote too late is
  counted separately, as unproven.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rollcall.sandbox.simulator.observer import Change, Pass, Routing, State
from rollcall.sandbox.simulator.options import Thresholds
from rollcall.sandbox.simulator.truth import CallTruth, SessionTruth, Sign, Truth, as_json

__all__ = ["Finding", "Judgement", "judge"]

ROUNDING = 0.001
"""The application's columns hold milliseconds."""
HISTORY_BEFORE, HISTORY_LINES = 5.0, 60


@dataclass(frozen=True)
class Finding:
    """A session that was treated wrongly, with its events."""

    what: str
    session: str
    agent: str
    at: float
    run_id: str | None
    detail: str
    history: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "session_id": self.session,
            "agent_id": self.agent,
            "at": self.at,
            "run_id": self.run_id,
            "detail": self.detail,
            "history": list(self.history),
        }


@dataclass
class Judgement:
    """The verdict on all changes and all omissions.

    Attributes:
        wronged: changes that no rule allows.
        left_open: dead sessions that a complete clean-up, or all of them, left open.
        misrouted: abandoned sessions that were routable, and present ones that were available and were not.
        routable: routable sessions in all observations of the view.
        closed_dead, mended: correct changes.
        delays: seconds from the instant a session was due until it was closed.
        exposures: the delays without the time in which a live or ringing call of its agent protected it.
        unproven: closed under a present agent whose signs of life the simulator wrote too late.
        overtaken: changed while a call began that the change cannot have seen.
        not_yet_due: dead sessions that are rightly still open.
    """

    wronged: list[Finding] = field(default_factory=list)
    left_open: list[Finding] = field(default_factory=list)
    unproven: list[Finding] = field(default_factory=list)
    misrouted: list[Finding] = field(default_factory=list)
    routable: int = 0
    closed_dead: int = 0
    mended: int = 0
    overtaken: int = 0
    not_yet_due: int = 0
    delays: list[float] = field(default_factory=list)
    exposures: list[float] = field(default_factory=list)


def judge(
    truth: Truth,
    changes: Sequence[Change],
    passes: Sequence[Pass],
    thresholds: Thresholds,
    *,
    open_at_end: Iterable[str],
    ended: float,
    swept: bool,
    clock_error: float,
    available: str,
    routings: Iterable[Routing] = (),
    by_heartbeat: bool = False,
) -> Judgement:
    """Judge all changes and omissions.

    Args:
        open_at_end: keys of the sessions that were open in the last observation, at `ended`.
        swept: whether a clean-up completed after the last event of the traffic.
        clock_error: seconds by which the two clocks may differ.
        available: the status that makes a session routable.
        routings: the observations of `rollcall.routable_agents`.
        by_heartbeat: whether the flag `route_by_heartbeat` was on.
    """
    court = _Court(truth, thresholds, clock_error, available, {found.run_id: found for found in passes})
    judge_routing = court.judge_routing_by_heartbeat if by_heartbeat else court.judge_routing
    for change in changes:
        court.judge_change(change)
    closings: dict[str, list[Change]] = {}
    for change in changes:
        if change.closes:
            closings.setdefault(change.session, []).append(change)
    still_open = set(open_at_end)
    for session in truth.sessions.values():
        court.judge_inaction(session, closings.get(session.key, []), passes)
        if session.key in still_open:
            court.judge_end(session, ended, swept=swept)
    for routing in routings:
        judge_routing(routing)
    return court.judgement


class _Court:
    def __init__(
        self,
        truth: Truth,
        thresholds: Thresholds,
        clock_error: float,
        available: str,
        passes: dict[str, Pass],
    ) -> None:
        self._truth = truth
        self._thresholds = thresholds
        self._error = clock_error
        self._available = available
        self._passes = passes
        self.judgement = Judgement()

    # --- changes ---------------------------------------------------------------------------------

    def judge_change(self, change: Change) -> None:
        session = self._truth.sessions[change.session]
        visible = self._truth.log.before(change.xid)
        wrong = self._during_a_call(change, session, visible)
        if wrong is None and change.closes:
            wrong = self._closed_too_early(change, session, visible)
        elif wrong is None:
            wrong = self._made_routable(change, session, visible)
        if wrong is not None:
            self.judgement.wronged.append(self._finding(*wrong, session, change))
        elif change.closes and not self._is_unproven(change, session, visible):
            self.judgement.closed_dead += 1
            due = self._due(session, change.latest)
            delay = max(0.0, change.latest - due)
            self.judgement.delays.append(delay)
            self.judgement.exposures.append(delay - self._protected(session, due, change.latest))
        elif not change.closes:
            self.judgement.mended += 1

    def _during_a_call(self, change: Change, session: SessionTruth, visible: float) -> tuple[str, str] | None:
        until = change.latest + self._error
        longest = self._thresholds.live_call_max - ROUNDING
        for call in self._calls_of(session):
            if call.is_surely_live(visible, until, longest):
                state = "on" if call.connected is not None and call.connected.acked <= visible else "rung by"
                return "changed during a live call", f"its agent was {state} call {call.key}"
            if visible < call.started.acked <= until and call.end_issued > until:
                self.judgement.overtaken += 1
        return None

    def _closed_too_early(
        self, change: Change, session: SessionTruth, visible: float
    ) -> tuple[str, str] | None:
        made_by = self._passes.get(change.run_id or "")
        cutoff = (made_by.judged if made_by else change.latest) - self._thresholds.window
        last = max(self._sure_signs(change, session, visible), key=lambda sign: sign.stamped, default=None)
        if last is None or last.stamped <= cutoff + ROUNDING:
            return None
        life = session.life_at(change.latest + self._error)
        inside = last.stamped - cutoff
        sign = (
            f"last sign of life ({last.by}) {change.latest - last.stamped:.3f} s before, "
            f"{inside:.3f} s inside the window"
        )
        if life is not None:
            return "closed under a living agent", sign
        return "closed with a sign of life inside the window", sign

    def _made_routable(self, change: Change, session: SessionTruth, visible: float) -> tuple[str, str] | None:
        """Find agents that became available without a proof of presence."""
        if change.after.status != self._available or change.before.status == self._available:
            return None
        age = change.latest - (self._due(session, change.latest) - self._thresholds.window)
        batch = change.latest - visible if visible > 0 else 0.0
        if age <= self._thresholds.presence + batch + self._error + ROUNDING:
            return None
        return "made available without proof of presence", f"no sign of life for {age:.3f} s"

    def _is_unproven(self, change: Change, session: SessionTruth, visible: float) -> bool:
        life = session.life_at(change.latest + self._error)
        if life is None or life.began > visible:
            return False
        last = max(self._sure_signs(change, session, visible), key=lambda sign: sign.stamped, default=None)
        age = change.latest - (last.stamped if last else session.login)
        detail = f"the simulator wrote no sign of life for {age:.3f} s"
        self.judgement.unproven.append(self._finding("closed under a silent agent", detail, session, change))
        return True

    def _sure_signs(self, change: Change, session: SessionTruth, visible: float) -> Iterator[Sign]:
        """The signs of life that were certainly visible to the change."""
        row_visible = visible
        if change.run_id is not None:
            row_visible = max(visible, change.latest - self._error)
        yield from (sign for sign in session.signs if sign.acked <= row_visible)
        if self._is_newest(session, row_visible):
            for call in self._calls_of(session):
                if call.agent == session.agent and call.purge_issued > change.latest + self._error:
                    yield from (sign for sign in call.evidence() if sign.acked <= visible)

    def _is_newest(self, session: SessionTruth, moment: float) -> bool:
        """Whether it is certainly the agent's newest session, for which the agent's calls count."""
        return all(
            other.login < session.login - ROUNDING or other.made > moment
            for key in self._truth.agents[session.agent]
            if (other := self._truth.sessions[key]) is not session
        )

    # --- omissions -------------------------------------------------------------------------------

    def judge_inaction(
        self, session: SessionTruth, closings: Sequence[Change], passes: Sequence[Pass]
    ) -> None:
        """Find sessions that a complete clean-up left open although they were due throughout."""
        for found in passes:
            if self._was_left(session, closings, found):
                detail = f"due since {found.judged - self._due(session, found.judged):.3f} s before the plan"
                self.judgement.left_open.append(
                    self._finding("left open by a whole clean-up", detail, session, found)
                )
                return

    def _was_left(self, session: SessionTruth, closings: Sequence[Change], found: Pass) -> bool:
        begin, end = found.judged - self._error, found.finished + self._error
        if session.made > begin - self._thresholds.window:
            return False
        if not self._was_open(session, closings, begin, end):
            return False
        if any(issued <= end and acked >= begin for issued, acked in session.touches):
            return False
        return self._is_abandoned(session, begin, end)

    def _is_abandoned(self, session: SessionTruth, begin: float, end: float) -> bool:
        """Whether the session was certainly due, without agent and call, from begin to end."""
        if session.was_lived_in(begin, end) or self._due(session, end) + ROUNDING >= begin:
            return False
        longest = self._thresholds.live_call_max + ROUNDING + self._error
        return not any(call.is_possibly_live(begin, end, longest) for call in self._calls_of(session))

    def _was_open(self, session: SessionTruth, closings: Sequence[Change], begin: float, end: float) -> bool:
        """Whether the session was certainly open from begin to end."""
        shuts = [(acked, issued) for issued, acked in session.closings]
        shuts += [(change.latest, self._truth.log.before(change.xid)) for change in closings]
        opened = max((done for done, acked in session.openings if acked <= begin), default=session.made)
        return not any(earliest <= end and latest >= opened for latest, earliest in shuts)

    def judge_end(self, session: SessionTruth, ended: float, *, swept: bool) -> None:
        """Find due sessions at the end that no complete clean-up had the chance to close."""
        if session.was_lived_in(ended, ended):
            return
        if self._due(session, ended) + ROUNDING + self._error >= ended or swept:
            self.judgement.not_yet_due += 1
            return
        longest = self._thresholds.live_call_max
        if any(call.is_possibly_live(ended, ended, longest) for call in self._calls_of(session)):
            self.judgement.not_yet_due += 1
            return
        age = ended - self._due(session, ended)
        self.judgement.left_open.append(
            self._finding("left open: not cleaned", f"due for {age:.3f} s", session, None)
        )

    # --- routing ---------------------------------------------------------------------------------

    def judge_routing(self, seen: Routing) -> None:
        """Find an abandoned session that is routable, and a present and available one that is not."""
        session = self._truth.sessions[seen.session]
        begin, end = seen.issued - self._error, seen.acked + self._error
        if seen.is_routable:
            self.judgement.routable += 1
            if self._is_abandoned(session, begin, end):
                detail = f"due since {begin - self._due(session, end):.3f} s"
                self._misrouted("routable, though abandoned", detail, seen)
        elif seen.status == self._available and self._is_present(session, begin, end):
            self._misrouted("present and available, and not routable", "", seen)

    def _misrouted(self, what: str, detail: str, seen: Routing) -> None:
        self.judgement.misrouted.append(self._finding(what, detail, self._truth.sessions[seen.session], seen))

    def _is_present(self, session: SessionTruth, begin: float, end: float) -> bool:
        """Whether the view certainly saw an agent with a sign of life inside the window."""
        life = session.life_at(begin)
        signs = (sign.stamped for sign in session.signs if sign.acked <= begin)
        is_fresh = max(signs, default=0.0) - ROUNDING > end - self._thresholds.window
        return life is not None and life.left > end and is_fresh and self._is_newest(session, end)

    def judge_routing_by_heartbeat(self, seen: Routing) -> None:
        """The same where a fresh heartbeat decides and not the status alone."""
        session = self._truth.sessions[seen.session]
        begin, end = seen.issued - self._error, seen.acked + self._error
        limit = begin - self._thresholds.presence - ROUNDING
        if seen.is_routable:
            self.judgement.routable += 1
            is_late = any(sign.issued <= end and sign.acked >= limit for sign in session.signs)
            if not is_late and not session.was_lived_in(limit, end):
                self._misrouted("routable, though its agent left", "no fresh heartbeat", seen)
        elif seen.status == self._available and self._is_free(session, begin, end):
            self._misrouted("present and free, and not routable", "", seen)

    def _is_free(self, session: SessionTruth, begin: float, end: float) -> bool:
        """Whether the view certainly saw a fresh heartbeat of an agent who is there and has no call."""
        life = session.life_at(begin)
        if life is None or life.left <= end or not self._is_newest(session, end):
            return False
        beats = [sign for sign in session.signs if sign.by == "heartbeat" and sign.acked <= begin]
        since = max(life.began, end - self._thresholds.presence) + ROUNDING
        longest = self._thresholds.live_call_max + ROUNDING
        is_busy = any(call.is_possibly_live(begin, end, longest) for call in self._calls_of(session))
        return not is_busy and any(beat.stamped > since for beat in beats)

    # --- both ------------------------------------------------------------------------------------

    def _due(self, session: SessionTruth, moment: float) -> float:
        """The latest instant at which the session became due, by every possible sign of life."""
        last = max((sign.stamped for sign in self._possible_signs(session, moment)), default=session.login)
        return last + self._thresholds.window

    def _possible_signs(self, session: SessionTruth, moment: float) -> Iterator[Sign]:
        yield from (sign for sign in session.signs if sign.issued <= moment)
        for call in self._calls_of(session):
            yield from (sign for sign in call.evidence() if sign.issued <= moment)

    def _protected(self, session: SessionTruth, since: float, until: float) -> float:
        """The seconds from `since` to `until` in which a live call protected the session."""
        spans = []
        for call in self._calls_of(session):
            ended = call.ended.acked if call.ended is not None else until
            expires = call.started.stamped + self._thresholds.live_call_max
            spans.append((max(since, call.started.issued), min(until, ended, expires)))
        total, reached = 0.0, since
        for begin, end in sorted(spans):
            if end > max(begin, reached):
                total += end - max(begin, reached)
                reached = end
        return total

    def _calls_of(self, session: SessionTruth) -> Iterator[CallTruth]:
        """The calls of the session's agent, and those that the session has referred to."""
        keys = dict.fromkeys([*self._truth.calls_of.get(session.agent, ()), *session.calls])
        return (self._truth.calls[key] for key in keys)

    def _finding(
        self, what: str, detail: str, session: SessionTruth, cause: Change | Pass | Routing | None
    ) -> Finding:
        at = session.login
        lines = [as_json(event) for event in session.history]
        if isinstance(cause, Change):
            at = cause.latest
            lines.append(
                {
                    "at": cause.latest,
                    "what": f"CHANGED: {_words(cause.before)} -> {_words(cause.after)} ({cause.remedy})",
                    "xid": cause.xid,
                    "visible": self._truth.log.before(cause.xid),
                    "rules": list(cause.rules),
                }
            )
            made_by = self._passes.get(cause.run_id or "")
            if made_by is not None:
                lines.append({"at": made_by.judged, "what": f"JUDGED by run {made_by.run_id}"})
        elif isinstance(cause, Pass):
            at = cause.finished
            lines.append({"at": cause.judged, "what": f"JUDGED by run {cause.run_id}"})
            lines.append({"at": cause.finished, "what": f"run {cause.run_id} FINISHED"})
        elif isinstance(cause, Routing):
            at = cause.acked
            lines.append({"at": cause.acked, "what": f"OBSERVED {cause.status}"})
        lines.sort(key=lambda line: line["at"])
        near = [line for line in lines if line["at"] <= at + HISTORY_BEFORE][-HISTORY_LINES:]
        return Finding(
            what, session.key, session.agent, at, getattr(cause, "run_id", None), detail, tuple(near)
        )


def _words(state: State) -> str:
    call = f", call {state.call}" if state.call else ""
    return f"{'open' if state.is_open else 'closed'} {state.status}{call}"
