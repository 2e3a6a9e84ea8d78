"""Mass sends under random histories; the oracle is what WeCom accepted, not our tables."""

# the names carry the ids of the invariants

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from backends import every_store
from branch_world import Branch, build_branch
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock import SHANGHAI, FixedClock
from bot.errors import Retry, Uncertain
from bot.outbox import Outbox
from bot.rulebook import Rulebook
from bot.vault import Vault

PEOPLE = [("wm_a", "lin"), ("wm_b", "lin"), ("wm_c", "lin"), ("wm_d", "zhou")]
STEPS = st.one_of(
    st.sampled_from([(name, 0) for name in ("release", "work", "poll", "reconcile", "expire")]),
    st.tuples(st.just("refuse"), st.integers(0, len(PEOPLE) - 1)),
    st.tuples(st.just("tap"), st.integers(0, 5)),
    st.tuples(st.just("minutes"), st.integers(1, 6)),
    st.tuples(st.just("trouble"), st.integers(0, 11)),
)
BEGINNINGS: list[list[tuple[str, int]]] = [
    [],
    [("release", 0)],
    [("release", 0), ("work", 0)],
    *([("trouble", n), ("release", 0), ("work", 0)] for n in (0, 1, 5, 8, 9)),
]
CALLS = ["create", "create", "cancel", "results"]
LEFT = {"planned", "held", "ready", "tasked", "confirmed", "dropped", "expired", "failed"}


class Killed(BaseException):
    """The process dies here."""


class Trial:
    """A branch that lives through a history, and what must hold all along."""

    def __init__(self, branch: Branch) -> None:
        self.branch = branch
        self.sent_before_refusal: dict[str, int] = {}
        branch.wecom.lag = timedelta(minutes=4)
        for who, sender in PEOPLE:
            branch.meet(who, sender=sender, birthday=(11, 24))
        branch.plan()

    def sends(self, who: str) -> int:
        return sum(each.sent.get(who) == 1 for each in self.branch.wecom.tasks)

    def live(self, history: list[tuple[str, int]]) -> None:
        for name, number in history:
            try:
                self._step(name, number)
            except Killed:
                self._restart()
            self._check()
        self.branch.wecom.before = self.branch.wecom.after = lambda _call: None
        self._restart()
        self.branch.settle(16)
        self._check()

    def _step(self, name: str, number: int) -> None:
        branch = self.branch
        if name == "refuse":
            who = PEOPLE[number][0]
            self.sent_before_refusal.setdefault(who, self.sends(who))
            branch.refuse(who)
        elif name == "tap":
            if number < len(branch.wecom.tasks):
                branch.wecom.tap(branch.wecom.tasks[number].msgid)
        elif name == "minutes":
            branch.later(minutes=number)
        elif name == "trouble":
            self._plan_trouble(number)
        elif name == "work":
            branch.work()
        else:
            getattr(branch.mass, name)()

    def _plan_trouble(self, number: int) -> None:
        """Once, before or after one kind of call: a limit, a lost answer, or death."""
        call = CALLS[number % 4]
        trouble = [Retry("限流", 5.0), Uncertain("超时"), Killed()][number // 4]
        if call == "results" and isinstance(trouble, Uncertain):
            trouble = Retry("超时", 1.0)  # a read that failed did nothing
        after = number % 2 == 1 and not isinstance(trouble, Retry)
        left: list[BaseException] = [trouble]

        def hook(name: str) -> None:
            if name == call and left:
                raise left.pop()

        setattr(self.branch.wecom, "after" if after else "before", hook)

    def _restart(self) -> None:
        self.branch.box = Outbox(self.branch.store, self.branch.clock, self.branch.box._perform)
        self.branch.box.resume()

    def _check(self) -> None:
        for who, _ in PEOPLE:
            assert self.branch.wecom.open_tasks_with(who) <= 1, "I2: two tasks could reach them"
            assert self.sends(who) <= 1, "I2: sent twice"
        statuses = self.branch.statuses()
        assert set(statuses) == {who for who, _ in PEOPLE}, "I3: somebody is unaccounted for"
        assert set(statuses.values()) <= LEFT

    def check_end(self) -> None:
        """After everything settled our tables say what WeCom's record says."""
        statuses = self.branch.statuses()
        for who, _ in PEOPLE:
            sent = self.sends(who)
            assert (statuses[who] == "confirmed") == (sent == 1)
            if who in self.sent_before_refusal:
                open_unsent = self.branch.wecom.open_tasks_with(who) - sent
                assert open_unsent == 0, "C3: a member could still send to somebody who refused"
            elif not sent:
                assert statuses[who] in {"tasked", "held"}
                assert self.branch.wecom.open_tasks_with(who) == (statuses[who] == "tasked")


@settings(max_examples=60)
@given(st.sampled_from(BEGINNINGS), st.lists(STEPS, min_size=3, max_size=14))
def test_I2_I3_C3_whatever_happens_nobody_is_asked_twice_forgotten_or_sent_to_after_a_refusal(
    tmp_path_factory: pytest.TempPathFactory,
    rules: Rulebook,
    beginning: list[tuple[str, int]],
    history: list[tuple[str, int]],
) -> None:
    for store in every_store(tmp_path_factory, beginning, history):
        clock = FixedClock(datetime(2026, 11, 24, 10, 0, tzinfo=SHANGHAI))
        vault = Vault("made-up-secret-of-the-tests")
        trial = Trial(build_branch(store, vault, clock, rules))
        trial.live([*beginning, *history])
        trial.check_end()
