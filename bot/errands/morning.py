"""The list of the day: one message an employee and branch day, whatever crashes.

Its words are kept before it is sent, so that a repeat is the same to the byte and WeCom's
duplicate check drops it; when that check would not know it any more, it is not repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bot import outbox
from bot.actions import SendMorning
from bot.clock import SHANGHAI, Clock, today
from bot.errands.agenda import Agenda
from bot.links import DayLinks
from bot.model import UserId
from bot.outbox import Effect
from bot.rulebook import Rulebook
from bot.store import agenda, journal, sight
from bot.store.db import Database, Db
from bot.vault import Vault
from bot.wecom import WeComClient, text_message
from scheduler import morning
from scheduler.morning import Matter
from scheduler.voice import day_words

_CHECK = 14_400
"""Seconds for which WeCom knows a message again, the most it offers."""
_CHECKED = timedelta(seconds=_CHECK - 300)
_MOST_BYTES = 2048
_AT_ONCE = 20
"""Each takes 0.2 s in a branch of 50,000 customers, the lease lasts ten seconds."""
_WAIT = timedelta(minutes=10)
"""The day's sends become tasks around the same time: they are waited for so long."""
_PLAIN = str.maketrans({"<": "〈", ">": "〉"})


@dataclass(frozen=True, slots=True)
class Draft:
    """One employee's list in words."""

    userid: str
    day: date
    text: str
    matters: int


@dataclass(frozen=True)
class Morning:
    """Makes the lists of a day and sends them."""

    database: Database
    vault: Vault
    clock: Clock
    rules: Rulebook
    wecom: WeComClient
    agenda: Agenda
    links: DayLinks

    # -- making

    def drafts(self) -> Iterator[Draft]:
        """Lists that are due and not made yet, some at a time: the scheduler's lease is short.

        They are put together from a look at the store, so that nobody waits for that to write.
        """
        db, day = self.database.read(), today(self.clock)
        if not self.is_time(db):
            return
        for userid in agenda.receivers(db, day, _AT_ONCE):
            viewer = sight.viewer(db, userid)
            if viewer is not None:
                matters = self.agenda.matters(db, viewer)
                yield Draft(userid, day, self.text(userid, day, matters), len(matters))

    def keep(self, db: Db, draft: Draft) -> int:
        """Keep the words of a list and put it on its way; 0 when there is one already."""
        now, day = self._now(), draft.day
        sealed = self.vault.seal_text(draft.text)
        assert sealed is not None
        if not agenda.keep_list(db, draft.userid, day, sealed, draft.matters, now):
            return 0
        errand = SendMorning(UserId(draft.userid), day.isoformat())
        return int(outbox.add(db, errand, now, self._ms(self._until(day))))

    def is_time(self, db: Db) -> bool:
        """The lists of this branch day are made now."""
        now = self.clock.now().astimezone(SHANGHAI)
        day, hours = now.date(), self.rules.thresholds.morning
        if not self.rules.calendar.is_workday(day) or not hours.at <= now.time() < hours.until:
            return False
        begins = datetime.combine(day, hours.at, SHANGHAI)
        return now >= begins + _WAIT or agenda.planning_settled(db, self._now())

    def text(self, userid: str, day: date, matters: Sequence[Matter]) -> str:
        """The message: ten items of three lines at most, each a link where there is room."""
        message, link = self.rules.messages["morning"], self.links.of(userid, day)
        foot = self.rules.renderer.render_part(message, "foot", {"link": link})
        room = _MOST_BYTES - len(foot.encode()) - 1
        values = {"day": day_words(day, day)}
        plain = [_item(number, each) for number, each in enumerate(matters, 1)]
        linked = [item | {"link": f"{link}#m{item['count']}"} for item in plain]
        texts = [
            self.rules.renderer.render_items(message, items, values, room, morning.MOST)
            for items in (linked, plain)
        ]
        # Links cost bytes: they give way when an item would.
        best = max(texts, key=lambda text: text.count("\n→ "))
        return f"{best}\n{foot}"

    # -- sending

    def send(self, errand: SendMorning) -> Effect | None:
        """Send a list that was made; nothing when it is too late, or when it may be there."""
        row = agenda.day_list(self.database.read(), errand.userid, errand.day)
        now = self.clock.now()
        if row is None or row["sent_at"] or now >= self._until(date.fromisoformat(errand.day)):
            return None
        if row["called_at"] and self._ms(now - _CHECKED) > row["called_at"]:
            return None
        self.database.write(
            lambda db: agenda.mark_called(db, errand.userid, errand.day, self._now())
        )
        self.wecom.message_send(
            text_message(self.vault.open_text(row["text_sealed"])),
            users=[errand.userid],
            duplicate_check_seconds=_CHECK,
        )
        return lambda db: self._sent(db, errand)

    def _sent(self, db: Db, errand: SendMorning) -> None:
        now = self._now()
        agenda.mark_sent(db, errand.userid, errand.day, now)
        journal.note(db, "staff_told", now, userid=errand.userid, words="morning")

    def _until(self, day: date) -> datetime:
        return datetime.combine(day, self.rules.thresholds.morning.until, SHANGHAI)

    @staticmethod
    def _ms(moment: datetime) -> int:
        return int(moment.timestamp() * 1000)

    def _now(self) -> int:
        return self._ms(self.clock.now())


def _item(number: int, matter: Matter) -> dict[str, str | int]:
    """Names come from strangers: they make no link of their own."""
    return {
        "count": number,
        "fact": matter.fact.translate(_PLAIN),
        "why": matter.why.translate(_PLAIN),
        "todo": matter.todo.translate(_PLAIN),
    }
