"""The policy: compare what a run found with what was told, and decide what is sent.

A function of values: findings, states, settings and an instant. A verdict becomes an alert only after it has
lasted for some judgements; anything else at once. The same is not said twice, except as a reminder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rollcall.rules.results import Verdict
from rollcall.service.alerts.values import Change, Finding, News, State
from rollcall.settings.alerts import AlertSettings, Channel, Kind, Level

__all__ = ["Decision", "decide"]

VERDICTS = [verdict.value for verdict in Verdict]  # from the best to the worst
WELL = Verdict.READY.value
CLAIM_MARGIN = timedelta(seconds=30)  # between the deadline of a delivery and the record of its result


@dataclass(frozen=True)
class Decision:
    """What is sent, and what has to be remembered before it is sent.

    Attributes:
        states: the states to write.
        news: what is new in this run.
        parcels: what each channel gets, with what an earlier run could not deliver.
        sent: the keys that this run delivers; another run may be delivering others.
    """

    states: tuple[State, ...]
    news: tuple[News, ...]
    parcels: Mapping[str, tuple[News, ...]]
    sent: frozenset[str]


def decide(
    states: Mapping[str, State], findings: Iterable[Finding], settings: AlertSettings, now: datetime
) -> Decision:
    """Decide what is sent.

    Args:
        states: what is remembered, by key.
        findings: what this run found; an alert without a finding stays as it is.
        now: aware.
    """
    after = dict(states)
    news: list[News] = []
    for finding in findings:
        state = states.get(finding.key) or State(
            finding.key, finding.kind, finding.level, first_seen=now, last_seen=now
        )
        judge = _judge_verdict if finding.kind is Kind.VERDICT else _judge_condition
        judged, found = judge(state, finding, settings, now)
        if found is not None:
            judged = _claimed(judged, found, settings, now)
            news.append(found)
        if finding.key in states or judged.value is not None or judged.pending:
            after[finding.key] = judged
    told = {item.key for item in news}
    for is_due in (_is_to_be_tried_again, _goes_with_others):
        channels = {name for key in told for name in after[key].undelivered}
        again = [
            state
            for state in after.values()
            if state.key not in told and _is_free(state, now) and is_due(state, channels)
        ]
        told.update(state.key for state in again)
        after.update({state.key: _tried_again(state, settings, now) for state in again})
    changed = tuple(state for key, state in after.items() if states.get(key) != state)
    return Decision(changed, tuple(news), _parcels(after, told, settings), frozenset(told))


def _judge_verdict(
    state: State, finding: Finding, settings: AlertSettings, now: datetime
) -> tuple[State, News | None]:
    """Tell a verdict once it is better, or worse, than the told one for some judgements in a row.

    Of the verdicts in that time the one nearest to the told one counts, because that much has lasted.
    """
    told, value = state.told or WELL, finding.value or WELL
    seen = replace(state, value=None if value == WELL else value, last_seen=now)
    if value == told:
        seen = replace(seen, pending=0, pending_value=None, pending_since=None)
        return seen, _reminder(seen, finding, settings, now)
    if state.pending_value is not None and _is_worse(state.pending_value, told) == _is_worse(value, told):
        nearest = min(state.pending_value, value, key=lambda one: abs(_distance(one, told)))
        seen = replace(seen, pending=state.pending + 1, pending_value=nearest)
    else:
        began = state.first_seen if state.is_active else now
        seen = replace(seen, first_seen=began, pending=1, pending_value=value, pending_since=now)
    since, target = seen.pending_since or now, seen.pending_value or value
    lasts = seen.pending >= settings.lasting_judgements
    if not lasts or now - since < timedelta(minutes=settings.lasting_minutes):
        return seen, None
    change = Change.WORSE if _is_worse(target, told) else Change.RESOLVED if target == WELL else Change.BETTER
    found = News(
        Kind.VERDICT,
        finding.key,
        change,
        settings.severities.get(Kind.VERDICT, max(_level(told), _level(target), key=lambda one: one.rank)),
        f"The verdict changed from {told} to {target}.",
        finding.next_step,
        told,
        target,
        finding.run_id,
        finding.counts,
        finding.owner,
    )
    if _is_held(found, state, settings, now):
        return seen, None
    more = target != value  # the next change has begun already
    return replace(
        seen,
        told=None if target == WELL else target,
        pending=int(more),
        pending_value=value if more else None,
        pending_since=now if more else None,
    ), found


def _judge_condition(
    state: State, finding: Finding, settings: AlertSettings, now: datetime
) -> tuple[State, News | None]:
    """Tell a condition at once when it begins, changes or ends."""
    level = settings.severities.get(finding.kind, finding.level)
    seen = replace(state, last_seen=now)
    if finding.is_over and state.told is None:
        found = _news(finding, Change.NEW, level, None)
        is_known = finding.value is None or finding.value == state.value
        if is_known or _is_held(found, state, settings, now):
            return seen, None
        return replace(seen, first_seen=now, value=finding.value), found
    ended = finding.value is None or finding.is_over
    if ended and state.told is None:
        return replace(seen, value=None), None
    if ended:
        found = replace(_news(finding, Change.RESOLVED, state.severity, state.told), text=finding.resolved)
        if _is_held(found, state, settings, now):
            return replace(seen, value=None), None
        return replace(seen, value=finding.value, told=None), found
    began = state.first_seen if state.value else now
    seen = replace(seen, first_seen=began, value=finding.value)
    if finding.value == state.told:
        return seen, _reminder(seen, finding, settings, now)
    found = _news(finding, Change.NEW, level, state.told)
    if _is_held(found, state, settings, now):
        return seen, None
    return replace(seen, told=finding.value), found


def _news(finding: Finding, change: Change, level: Level, before: str | None) -> News:
    return News(
        finding.kind,
        finding.key,
        change,
        level,
        finding.text,
        "" if change is Change.RESOLVED else finding.next_step,
        before,
        finding.value,
        finding.run_id,
        finding.counts,
        finding.owner,
    )


def _reminder(state: State, finding: Finding, settings: AlertSettings, now: datetime) -> News | None:
    """The news that a told alert lasts, once it is due; None otherwise."""
    if state.told is None or state.sent_at is None:
        return None
    if now - state.sent_at < timedelta(hours=settings.remind_hours):
        return None
    if state.severity is not Level.CRITICAL and settings.is_quiet(now):
        return None
    return _news(finding, Change.REMINDER, state.severity, state.told)


def _is_held(news: News, state: State, settings: AlertSettings, now: datetime) -> bool:
    """Whether a message waits: for the end of the quiet hours, or because one was sent just now."""
    if news.level is not Level.CRITICAL and settings.is_quiet(now):
        return True
    is_recent = state.sent_at is not None and now - state.sent_at < settings.suppressed_for
    return is_recent and news.level.rank <= state.severity.rank


def _claimed(state: State, news: News, settings: AlertSettings, now: datetime) -> State:
    """The state while this run delivers the news; recorded beforehand, so that only one run sends it."""
    channels = tuple(name for name, channel in settings.channels.items() if _takes(channel, news))
    return replace(
        state,
        severity=news.level,
        message=news.to_json(),
        sent_at=now,
        resolved_at=now if state.told is None else None,
        undelivered=channels,
        attempts=1,
        claimed_until=_claim(settings, now) if channels else None,
    )


def _tried_again(state: State, settings: AlertSettings, now: datetime) -> State:
    return replace(state, attempts=state.attempts + 1, claimed_until=_claim(settings, now))


def _claim(settings: AlertSettings, now: datetime) -> datetime:
    return now + timedelta(seconds=settings.deadline_seconds) + CLAIM_MARGIN


def _is_free(state: State, now: datetime) -> bool:
    """Whether no run is delivering it at this moment."""
    return state.claimed_until is None or state.claimed_until <= now


def _is_to_be_tried_again(state: State, channels: set[str]) -> bool:
    """Whether only one attempt was made to deliver it."""
    return bool(state.undelivered) and state.attempts == 1


def _goes_with_others(state: State, channels: set[str]) -> bool:
    """Whether a channel that has not got it gets a message anyway."""
    return not channels.isdisjoint(state.undelivered)


def _parcels(
    states: Mapping[str, State], told: set[str], settings: AlertSettings
) -> dict[str, tuple[News, ...]]:
    """What each channel gets."""
    owed = [state for state in states.values() if state.key in told and state.message]
    parcels = {
        name: _sorted(
            News.from_json(state.message) for state in owed if state.message and name in state.undelivered
        )
        for name in settings.channels
    }
    return {name: news for name, news in parcels.items() if news}


def _sorted(news: Iterable[News]) -> tuple[News, ...]:
    """The most severe first, and what is over last."""
    return tuple(sorted(news, key=lambda item: (item.change.is_good, -item.level.rank, item.key)))


def _takes(channel: Channel, news: News) -> bool:
    is_for_it = channel.owner is None or channel.owner in news.owners
    return is_for_it and news.level.rank >= channel.severity.rank


def _distance(verdict: str, told: str) -> int:
    return VERDICTS.index(verdict) - VERDICTS.index(told)


def _is_worse(verdict: str, told: str) -> bool:
    return _distance(verdict, told) > 0


def _level(verdict: str) -> Level:
    if verdict == WELL:
        return Level.INFO
    return Level.CRITICAL if verdict == Verdict.NOT_READY.value else Level.WARNING
