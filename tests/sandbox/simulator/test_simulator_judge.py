"""The simulator's judge, case by case."""

from __future__ import annotations

import pytest

from rollcall.sandbox.simulator.application import Write, Written
from rollcall.sandbox.simulator.judge import Judgement, judge
from rollcall.sandbox.simulator.observer import Change, Pass, Routing, State
from rollcall.sandbox.simulator.options import Thresholds
from rollcall.sandbox.simulator.truth import Truth

# --- the judge, case by case ----------------------------------------------------------------------
LIMITS = Thresholds(window=10, live_call_max=20, settle=1, presence=2)


AVAILABLE = State(True, "available", None)


CLOSED = State(False, "offline", None)


class Story:
    """A floor told moment by moment; each write is committed 10 ms after it was sent."""

    def __init__(self) -> None:
        self.now = 0.0
        self.truth = Truth(lambda: self.now)
        self.changes: list[Change] = []
        self.passes: list[Pass] = []
        self.routings: list[Routing] = []

    def write(self, key: str, *, is_open: bool = True) -> Write:
        row = Written(key, self.now, self.now, round(self.now * 100), is_open)
        return Write((row,), self.now, self.now + 0.01, retried=False)

    def at(self, moment: float) -> Story:
        self.now = moment
        return self

    def log_in(self, session: str = "s") -> None:
        write = self.write(session)
        self.truth.opened("a", write)
        self.truth.arrived(session, write.acked)

    def beat(self, session: str = "s") -> None:
        self.truth.wrote("a", self.write(session), "heartbeat", is_sign=True)

    def close_tab(self, session: str = "s") -> None:
        """Of an application with a row per agent: the status of the beacon closes the row."""
        self.truth.left(session, "tab closed")
        self.truth.wrote("a", self.write(session, is_open=False), "tab closed", is_sign=False)

    def observe(self, *, is_routable: bool, status: str = "available") -> None:
        """What the view says of the session."""
        self.routings.append(Routing("s", status, is_routable, self.now, self.now + 0.01))

    def call(self, key: str, *, is_outbound: bool) -> None:
        self.truth.call_started("a", self.write(key), is_outbound=is_outbound)

    def connect(self, key: str) -> None:
        self.truth.call_connected(key, self.write(key))

    def end(self, key: str) -> None:
        self.truth.call_ending(key)
        self.truth.call_ended(key, self.write(key))

    def change(self, before: State = AVAILABLE, after: State = CLOSED, session: str = "s") -> None:
        """By a run that judged 0.1 s before."""
        run_id = f"run at {self.now}"
        self.truth.log.add(round(self.now * 100) - 6, self.now - 0.06)  # another transaction
        self.changes.append(Change(session, before, after, self.now, round(self.now * 100), run_id))
        self.passes.append(Pass(run_id, self.now - 0.1, self.now + 0.1, 1, 1, 0))

    def clean_up(self) -> None:
        """A run that took 0.2 s and changed nothing."""
        self.passes.append(Pass(f"run at {self.now}", self.now - 0.1, self.now + 0.1, 0, 0, 0))

    def verdict(self, *, swept: bool = True, by_heartbeat: bool = False) -> Judgement:
        shut = {change.session for change in self.changes if change.closes}
        return judge(
            self.truth,
            self.changes,
            self.passes,
            LIMITS,
            open_at_end=self.truth.sessions.keys() - shut,
            ended=self.now,
            swept=swept,
            clock_error=0.001,
            available="available",
            routings=self.routings,
            by_heartbeat=by_heartbeat,
        )


@pytest.fixture
def story() -> Story:
    story = Story()
    story.at(100).log_in()
    return story


def words(judgement: Judgement) -> list[str]:
    return [finding.what for finding in (*judgement.wronged, *judgement.left_open, *judgement.misrouted)]


def test_closed_while_the_agent_is_there(story: Story) -> None:
    story.at(105).beat()
    story.at(112).change()
    assert words(story.verdict()) == ["closed under a living agent"]


def test_closed_too_soon_after_the_agent_left(story: Story) -> None:
    story.at(105).beat()
    story.at(106).truth.left("s", "crash")
    story.at(114.9).change()
    assert words(story.verdict()) == ["closed with a sign of life inside the window"]


def test_closed_in_time_after_the_agent_left(story: Story) -> None:
    story.at(105).truth.left("s", "crash")
    story.at(110.2).change()
    judgement = story.verdict()
    assert words(judgement) == []
    assert judgement.closed_dead == 1
    assert judgement.delays == pytest.approx([0.2])


def test_a_conversation_is_a_sign_of_life(story: Story) -> None:
    story.at(104).call("c", is_outbound=False)
    story.at(105).connect("c")
    story.at(106).end("c")
    story.truth.left("s", "crash")
    story.at(112).change()
    assert words(story.verdict()) == ["closed with a sign of life inside the window"]


def test_a_missed_call_is_none(story: Story) -> None:
    story.at(101).truth.left("s", "crash")
    story.at(105).call("c", is_outbound=False)
    story.at(106).end("c")
    story.at(112).change()
    assert words(story.verdict()) == []


def test_changed_while_it_rings(story: Story) -> None:
    story.at(101).truth.left("s", "crash")
    story.at(111.5).call("c", is_outbound=False)
    story.at(112.1).change()
    story.at(113).end("c")
    assert words(story.verdict()) == ["changed during a live call"]


def test_a_call_that_the_change_cannot_have_seen(story: Story) -> None:
    story.at(101).truth.left("s", "crash")
    story.at(112.05).call("c", is_outbound=False)
    story.at(112.1).change()
    story.at(113).end("c")
    judgement = story.verdict()
    assert words(judgement) == []
    assert judgement.overtaken == 1


def test_made_available_without_proof_of_presence(story: Story) -> None:
    story.at(103).change(before=State(True, "on_call", "c"), after=AVAILABLE)
    assert words(story.verdict()) == ["made available without proof of presence"]


def test_made_available_with_proof_of_presence(story: Story) -> None:
    story.at(103).beat()
    story.at(104).change(before=State(True, "on_call", "c"), after=AVAILABLE)
    judgement = story.verdict()
    assert words(judgement) == []
    assert judgement.mended == 1


def test_a_silent_simulator_proves_nothing(story: Story) -> None:
    story.at(112).change()
    judgement = story.verdict()
    assert words(judgement) == []
    assert [finding.what for finding in judgement.unproven] == ["closed under a silent agent"]


def test_left_open_by_a_clean_up(story: Story) -> None:
    story.at(101).truth.left("s", "crash")
    story.at(110.4).clean_up()
    story.at(112).now = 112
    assert words(story.verdict()) == ["left open by a whole clean-up"]


@pytest.mark.parametrize("moment", [109.9, 110.05], ids=["not due", "due only after it judged"])
def test_a_clean_up_before_it_was_due(story: Story, moment: float) -> None:
    story.at(101).truth.left("s", "crash")
    story.at(moment).clean_up()
    judgement = story.verdict()
    assert words(judgement) == []
    assert judgement.not_yet_due == 1


def test_a_clean_up_while_it_rings(story: Story) -> None:
    story.at(101).truth.left("s", "crash")
    story.at(111).call("c", is_outbound=False)
    story.at(112).clean_up()
    story.at(113).end("c")
    assert words(story.verdict()) == []


def test_a_clean_up_while_its_agent_returns(story: Story) -> None:
    story.at(101).truth.left("s", "crash")
    story.at(112).clean_up()
    story.at(112.05).log_in("another")
    assert words(story.verdict()) == []


def test_no_clean_up_ran(story: Story) -> None:
    story.at(101).truth.left("s", "crash")
    story.at(112)
    assert words(story.verdict(swept=False)) == ["left open: not cleaned"]


# --- a row per agent ------------------------------------------------------------------------------


def test_a_row_that_the_application_closed_is_not_left_open(story: Story) -> None:
    story.at(101).close_tab()
    story.at(112).clean_up()
    assert words(story.verdict()) == []


def test_a_row_that_the_end_of_a_call_opened_again_is_left_open(story: Story) -> None:
    story.at(101).call("c", is_outbound=False)
    story.at(101.5).close_tab()
    story.at(102).end("c")
    story.truth.wrote("a", story.write("s"), "freed", is_sign=False, call="c")
    story.at(113).clean_up()
    assert words(story.verdict()) == ["left open by a whole clean-up"]


# --- routing --------------------------------------------------------------------------------------


def test_an_abandoned_session_that_is_routable(story: Story) -> None:
    story.at(101).truth.left("s", "crash")
    story.at(110.1).observe(is_routable=True)
    story.at(110.2).change()
    assert words(story.verdict()) == ["routable, though abandoned"]


def test_a_session_that_is_routable_until_it_is_due(story: Story) -> None:
    story.at(101).truth.left("s", "crash")
    story.at(109.9).observe(is_routable=True)
    story.at(110.2).change()
    judgement = story.verdict()
    assert (words(judgement), judgement.routable) == ([], 1)


@pytest.mark.parametrize(
    ("status", "found"), [("available", ["present and available, and not routable"]), ("break", [])]
)
def test_a_present_agent_who_is_not_routable(story: Story, status: str, found: list[str]) -> None:
    story.at(105).observe(is_routable=False, status=status)
    assert words(story.verdict()) == found


# --- routing by heartbeat: the limit is two seconds --------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "found"), [(2.1, ["routable, though its agent left"]), (1.9, [])], ids=["late", "in time"]
)
def test_by_heartbeat_an_agent_who_left_is_routable(story: Story, seconds: float, found: list[str]) -> None:
    story.at(104.9).beat()
    story.at(105).truth.left("s", "crash")
    story.at(105 + seconds).observe(is_routable=True)
    assert words(story.verdict(swept=False, by_heartbeat=True)) == found


@pytest.mark.parametrize(
    ("age", "status", "found"),
    [
        (1.9, "available", ["present and free, and not routable"]),
        (2.1, "available", []),
        (1.9, "break", []),
    ],
)
def test_by_heartbeat_a_present_agent_is_not_routable(
    story: Story, age: float, status: str, found: list[str]
) -> None:
    story.at(105).beat()
    story.at(105 + age).observe(is_routable=False, status=status)
    assert words(story.verdict(by_heartbeat=True)) == found


def test_by_heartbeat_an_agent_with_a_call_need_not_be_routable(story: Story) -> None:
    story.at(105).beat()
    story.call("c", is_outbound=False)
    story.at(106).observe(is_routable=False)
    assert words(story.verdict(by_heartbeat=True)) == []
