"""What is news: values in, a decision out, without a database and without a receiver."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollcall.service.alerts.policy import Decision, decide
from rollcall.service.alerts.values import Change, Finding, RuleCount, State
from rollcall.settings.alerts import AlertSettings, Kind, Level, read_alert_settings

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Story:
    """Runs one after another, with what was remembered between them."""

    def __init__(self, **block: Any) -> None:
        channels = {"team": {"env": "TEAM"}}
        self.settings, problems = read_alert_settings({"channels": channels, **block})
        assert problems == []
        self.states: dict[str, State] = {}

    def run(self, minute: float, *findings: Finding, undelivered: tuple[str, ...] = ()) -> Decision:
        """A run at 12:00 and some minutes, whose delivery fails for some channels."""
        decision = decide(self.states, findings, self.settings, NOON + timedelta(minutes=minute))
        for state in decision.states:
            failed = tuple(name for name in state.undelivered if name in undelivered)
            is_done = state.key in decision.sent
            self.states[state.key] = (
                replace(state, undelivered=failed, claimed_until=None) if is_done else state
            )
        return decision

    def told(self, minute: float, *findings: Finding, undelivered: tuple[str, ...] = ()) -> list[Any]:
        """The changes in what the channel `team` gets."""
        parcels = self.run(minute, *findings, undelivered=undelivered).parcels
        return [(item.change, item.value) for item in parcels.get("team", ())]


def verdict(value: str, *counts: RuleCount) -> Finding:
    return Finding(Kind.VERDICT, "verdict", value, Level.WARNING, counts=counts)


def breaker(value: str | None) -> Finding:
    return Finding(Kind.BREAKER, "breaker", value, Level.CRITICAL, "tripped", "passes again")


def plan(value: str | None) -> Finding:
    return Finding(Kind.PLAN, "plan", value, Level.INFO, "waits", "waits no more")


READY, CLEANUP, MIGRATION, NOT_READY = (
    verdict(name) for name in ("READY", "NEEDS_SESSION_CLEANUP", "NEEDS_DATABASE_MIGRATION", "NOT_READY")
)


def test_a_bad_verdict_that_lasts_is_told_once_and_so_is_its_end() -> None:
    """The first verdict of all too."""
    story = Story()
    assert story.told(0, NOT_READY) == []
    assert story.told(5, NOT_READY) == [(Change.WORSE, "NOT_READY")]
    assert [story.told(minute, NOT_READY) for minute in (10, 15, 20)] == [[], [], []]
    assert story.told(25, READY) == []
    assert story.told(30, READY) == [(Change.RESOLVED, "READY")]
    assert [story.told(minute, READY) for minute in (35, 40)] == [[], []]


def test_a_good_first_verdict_is_no_news() -> None:
    story = Story()
    assert [story.told(minute, READY) for minute in (0, 5, 10)] == [[], [], []]


def test_what_needs_cleaning_between_two_clean_ups_is_no_news() -> None:
    story = Story()
    minutes = [(0, READY), (2, CLEANUP), (3, CLEANUP), (5, READY), (7, CLEANUP), (10, READY), (12, CLEANUP)]
    assert [story.told(minute, finding) for minute, finding in minutes] == [[]] * len(minutes)


def test_of_changing_verdicts_so_much_is_told_as_has_lasted() -> None:
    story = Story(suppress_minutes=0)
    assert story.told(0, NOT_READY) == []
    assert story.told(5, CLEANUP) == [(Change.WORSE, "NEEDS_SESSION_CLEANUP")]
    assert story.told(10, NOT_READY) == []
    assert story.told(15, NOT_READY) == [(Change.WORSE, "NOT_READY")]
    assert story.told(20, CLEANUP) == []
    assert story.told(25, READY) == [(Change.BETTER, "NEEDS_SESSION_CLEANUP")]


def test_another_setting_tells_the_first_bad_verdict() -> None:
    assert Story(lasting_judgements=1, lasting_minutes=0).told(0, CLEANUP) == [
        (Change.WORSE, "NEEDS_SESSION_CLEANUP")
    ]


def test_a_breaker_is_told_at_once_and_again_only_as_a_reminder() -> None:
    story = Story(remind_hours=2)
    assert story.told(0, breaker("tripped")) == [(Change.NEW, "tripped")]
    assert [story.told(minute, breaker("tripped")) for minute in (5, 60, 119)] == [[], [], []]
    assert story.told(120, breaker("tripped")) == [(Change.REMINDER, "tripped")]
    assert story.told(125, breaker("tripped")) == []
    assert story.told(150, breaker(None)) == [(Change.RESOLVED, None)]
    assert story.told(155, breaker(None)) == []


def test_what_comes_back_within_the_suppression_interval_waits_for_its_end() -> None:
    story = Story(suppress_minutes=15)
    assert story.told(0, breaker("tripped")) == [(Change.NEW, "tripped")]
    assert story.told(20, breaker(None)) == [(Change.RESOLVED, None)]
    assert story.told(25, breaker("tripped")) == []
    assert story.told(30, breaker(None)) == [], "what was not told is not resolved"
    assert story.told(31, breaker("tripped")) == []
    assert story.told(36, breaker("tripped")) == [(Change.NEW, "tripped")]


def test_a_worse_verdict_does_not_wait_for_the_suppression_interval() -> None:
    story = Story(suppress_minutes=60, lasting_judgements=1, lasting_minutes=0)
    assert story.told(0, CLEANUP) == [(Change.WORSE, "NEEDS_SESSION_CLEANUP")]
    assert story.told(5, NOT_READY) == [(Change.WORSE, "NOT_READY")]
    assert story.told(10, CLEANUP) == []


def test_in_quiet_hours_only_critical_alerts_are_sent() -> None:
    story = Story(quiet_hours="12:00-13:00", time_zone="UTC")
    assert story.told(0, plan("a")) == []
    assert story.told(30, plan("a"), breaker("tripped")) == [(Change.NEW, "tripped")]
    assert story.told(60, plan("a")) == [(Change.NEW, "a")]


@pytest.mark.parametrize(("hour", "quiet"), [(21, False), (22, True), (3, True), (6, False)])
def test_quiet_hours_pass_midnight_in_their_time_zone(hour: int, quiet: bool) -> None:
    settings = AlertSettings(quiet_hours="22:00-06:00", time_zone="Asia/Tokyo")
    moment = datetime(2026, 11, 21, hour, 30, tzinfo=UTC) - timedelta(hours=9)
    assert settings.is_quiet(moment) is quiet


def test_an_undelivered_alert_is_tried_again_once_and_then_goes_with_the_next() -> None:
    story = Story()
    assert story.told(0, breaker("tripped"), undelivered=("team",)) == [(Change.NEW, "tripped")]
    assert story.told(5, breaker("tripped"), undelivered=("team",)) == [(Change.NEW, "tripped")]
    assert story.told(10, breaker("tripped")) == []
    assert story.states["breaker"].undelivered == ("team",)
    assert story.told(15, breaker("tripped"), plan("a")) == [(Change.NEW, "tripped"), (Change.NEW, "a")]
    assert story.told(20, breaker("tripped"), plan("a")) == []


def test_only_the_channel_that_has_not_got_it_is_tried_again() -> None:
    story = Story(channels={"team": {"env": "TEAM"}, "lead": {"env": "LEAD"}})
    assert set(story.run(0, breaker("tripped"), undelivered=("lead",)).parcels) == {"team", "lead"}
    assert set(story.run(5, breaker("tripped")).parcels) == {"lead"}
    assert story.run(10, breaker("tripped")).parcels == {}


def test_what_another_run_is_delivering_is_not_sent_twice() -> None:
    """And what a killed run has not delivered is sent by the next one."""
    story = Story()
    first = decide({}, [breaker("tripped")], story.settings, NOON)
    states = {state.key: state for state in first.states}
    beside = decide(states, [breaker("tripped")], story.settings, NOON + timedelta(seconds=1))
    assert (beside.news, beside.parcels, beside.sent) == ((), {}, frozenset())
    later = decide(states, [breaker("tripped")], story.settings, NOON + timedelta(minutes=5))
    assert [item.key for item in later.parcels["team"]] == ["breaker"]


def test_a_channel_gets_its_severity_and_its_owner_only() -> None:
    story = Story(
        channels={
            "all": {"env": "A"},
            "pager": {"env": "B", "severity": "critical"},
            "telephony": {"env": "C", "owner": "telephony"},
        },
        lasting_judgements=1,
        lasting_minutes=0,
    )
    count = RuleCount("abandoned_session", "critical", 3, "telephony")
    parcels = story.run(0, verdict("NEEDS_SESSION_CLEANUP", count), breaker("tripped")).parcels
    got = {name: {item.key for item in news} for name, news in parcels.items()}
    assert got == {"all": {"verdict", "breaker"}, "pager": {"breaker"}, "telephony": {"verdict"}}


def test_a_change_that_is_over_already_is_told_once() -> None:
    story = Story()
    missed = Finding(Kind.MISSED, "missed clean", "10:00", Level.CRITICAL, "missed", "back", is_over=True)
    assert story.told(0, missed) == [(Change.NEW, "10:00")]
    assert story.told(5, missed) == []
    assert story.told(10, replace(missed, value=None)) == []
    assert story.told(60, replace(missed, value="12:30")) == [(Change.NEW, "12:30")]
