"""Tasks that nobody confirms: reminders within limits, then the deputy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from bot import outbox
from bot.actions import RemindMassSend, TellStaff
from bot.clock import SHANGHAI, Clock
from bot.errands.ways import way_of
from bot.errors import Refused, Retry, Uncertain
from bot.model import MsgId, UserId
from bot.rulebook import Rulebook
from bot.store import nudges, pushes
from bot.store.db import Database, Db, Row
from bot.wecom import WeComClient
from scheduler.chase import Step, next_step
from scheduler.voice import moment_words

log = structlog.get_logger()
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Chaser:
    """Reminds employees of tasks, and tells the deputy when that does not help."""

    database: Database
    clock: Clock
    rules: Rulebook
    wecom: WeComClient

    def chase(self, db: Db) -> int:
        """Put the reminders that are due on their way; how many people are told.

        In branch hours only; tasks that are about to be called back are left alone.
        """
        now = self.clock.now()
        if not self.rules.calendar.is_branch_time(now):
            return 0
        waiting = nudges.waiting(db, self._ms(now))
        return sum(self._chase(db, row, now) for row in waiting)

    def _chase(self, db: Db, row: Row, now: datetime) -> int:
        told = nudges.lately(db, row["userid"], self._ms(now - _DAY), self._ms(now))
        deputy = nudges.deputy_of(db, row["userid"])
        step = next_step(
            self.rules.thresholds.chase,
            since=_moment(row["since"]),
            reminders=[_moment(at) for at, to in told if to == row["userid"]],
            deputy_told=any(to != row["userid"] for _, to in told),
            active=bool(row["active"]),
            now=now,
        )
        if step is Step.WAIT or (step is Step.DEPUTY and deputy is None):
            return 0
        number = nudges.keep(
            db,
            row["userid"],
            row["userid"] if step is Step.REMIND else str(deputy),
            row["tasks"],
            self._ms(now),
        )
        if step is Step.REMIND:
            reminders = sum(to == row["userid"] for _, to in told)
            left = self.rules.thresholds.chase.a_day - reminders - 1
            self._remind(db, row, number, now, left)
        else:
            assert deputy is not None
            words = {"assignee": row["name"] or row["userid"], **self._values(row, now)}
            self._tell(db, deputy, "staff_tasks_deputy", words, number, now)
        return 1

    def _remind(self, db: Db, row: Row, number: int, now: datetime, left: int) -> None:
        since = moment_words(_moment(row["since"]), now)
        values = self._values(row, now) | {"starts": since, "left": left}
        self._tell(db, UserId(row["userid"]), "staff_tasks_waiting", values, number, now)
        for task_id in nudges.tasks_of(db, row["userid"], self._ms(now)):
            outbox.add(
                db, RemindMassSend(task_id, f"nudge-{number}"), self._ms(now), self._soon(now)
            )

    def _tell(
        self,
        db: Db,
        userid: UserId,
        words: str,
        values: dict[str, str | int],
        number: int,
        now: datetime,
    ) -> None:
        errand = TellStaff(userid, words, values, None, f"nudge-{number}")
        outbox.add(db, errand, self._ms(now), self._soon(now))

    def _values(self, row: Row, now: datetime) -> dict[str, str | int]:
        until = _moment(row["until"]) - timedelta(seconds=1)
        place = self.rules.where_to_tap(row["tasks"], row["moments"])
        return {"count": row["tasks"], "deadline": moment_words(until, now), "place": place}

    def remind(self, errand: RemindMassSend) -> None:
        """WeCom's own reminder; one that may have gone out is not repeated."""
        task = pushes.task(self.database.read(), errand.task_id)
        if task is None or task["status"] != "accepted":
            return
        try:
            way_of(self.wecom, task, self.rules.label).remind(MsgId(task["wecom_msgid"]))
        except (Retry, Refused, Uncertain) as trouble:
            # The app's own message goes out anyway; a second try could be one too many.
            log.info("not reminded by WeCom", task=task["id"], reason=type(trouble).__name__)

    def _soon(self, now: datetime) -> int:
        """A reminder that could not go out today is of no use at night."""
        closes = datetime.combine(
            now.astimezone(SHANGHAI).date(), self.rules.thresholds.branch_hours[1], SHANGHAI
        )
        return self._ms(closes)

    @staticmethod
    def _ms(moment: datetime) -> int:
        return int(moment.timestamp() * 1000)


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
