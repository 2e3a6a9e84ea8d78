"""Ten times a branch's usual load for five minutes: people are answered before campaigns go on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from live_branch import KFID
from short_wire import ADD
from year import COMPLAINT, Span, Year

pytestmark = [pytest.mark.slow]

NEW_YEAR = date(2027, 1, 5)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
A_CALL = timedelta(seconds=0.25)
"""One call after the other, as a single thread would: 1,200 in the five minutes."""
_SCHEDULERS = "/cgi-bin/externalcontact/get_groupmsg_"
"""Results are asked for beside all that, in the scheduler's own thread."""
MEMBERS, ASKING, ADDING = 20, 150, 50
_WAITING = """
SELECT count(*) FROM outbox WHERE state = 'ready' AND not_before <= :now
  AND kind IN ('SendWelcome', 'AnswerKf', 'SendCard')
"""


class Rush(Year):
    """Everybody's birthday is the same day, and a call takes its time."""

    def _birthday(self, number: int) -> tuple[str, int, int, int] | None:
        return ("公历", 1950 + number % 50, NEW_YEAR.month, NEW_YEAR.day)

    def a_call_takes_time(self) -> None:
        """Meanwhile the world goes on."""

        def before(path: str) -> None:
            if path.startswith(_SCHEDULERS):
                return
            if path == ADD:
                self.kept_waiting.append(self._people_waiting())
            self.clock.moment += A_CALL
            self.life._happen(self.clock.now())

        self.kept_waiting: list[int] = []
        self.platform.before = before

    def _people_waiting(self) -> int:
        db = self.life.bot.database.read()
        now = int(self.clock.now().timestamp() * 1000)
        return int(db.value(_WAITING, now=now))

    def rush(self) -> None:
        """Customers complain and strangers become friends, evenly mixed over five minutes."""
        begins = self._on(NEW_YEAR, 9)
        draw = random.Random(self.seed)
        asking = list(self.people)[:ASKING]
        for who in asking:
            self.life.at(begins + self._some(draw), lambda who=who: self._complain(who))  # type: ignore[misc]  # defaults bind the loop's value
        for number in range(ADDING):
            member = self.members[number % len(self.members)]
            self.life.at(begins + self._some(draw), lambda member=member: self._add(member))  # type: ignore[misc]  # as above

    @staticmethod
    def _some(draw: random.Random) -> timedelta:
        return timedelta(seconds=draw.uniform(0, 300))

    def _complain(self, who: str) -> None:
        self.world.kf_say(who, KFID, COMPLAINT)

    def _add(self, member: str) -> None:
        self.world.add_friend(str(self.world.add_customer("新朋友")), member)

    def waits(self, said: str, channel: str) -> list[float]:
        """Seconds, in whole ones, from what each customer did to what the bot said."""
        begun = {each["external_userid"]: each["at"] for each in self._history(said)}
        answers = self.world.delivered(channel=channel)
        return [_seconds(begun[each["external_userid"]], each["at"]) for each in answers]

    def _history(self, kind: str) -> list[dict[str, str]]:
        return [each for each in self.world.history if each["kind"] == kind]


def _seconds(begun: str, done: str) -> float:
    return (datetime.fromisoformat(done) - datetime.fromisoformat(begun)).total_seconds()


@pytest.fixture
def rush(tmp_path: Path) -> Iterator[Rush]:
    span = Span(NEW_YEAR - timedelta(days=1), 2, 300, MEMBERS, off=NEVER, on=NEVER)
    found = Rush(tmp_path, span, 20270105)
    found._settle_in()
    yield found
    found.life.close()


def test_people_are_answered_before_campaigns_at_ten_times_the_load(rush: Rush) -> None:
    rush.life.lost = 0.0
    rush.life.run(rush._on(NEW_YEAR, 8))  # before the greetings
    rush.a_call_takes_time()
    rush.rush()
    rush.life.run(rush._on(NEW_YEAR, 9.5))
    answered, welcomed = rush.waits("kf_said", "kf"), rush.waits("friend_added", "welcome")
    assert (len(answered), len(welcomed)) == (ASKING, ADDING)
    assert max(answered + welcomed) <= 20
    assert len(rush.kept_waiting) > MEMBERS
    assert set(rush.kept_waiting) == {0}
