"""The morning's word in a branch's internal group: numbers and employees, nobody's customers.

WeCom cannot tell whether a robot has said something. So the day is written down before the call,
and what may have been said is not said again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import structlog

from bot import outbox
from bot.actions import TellStaff
from bot.clock import SHANGHAI, today
from bot.errands.morning import Morning
from bot.errors import Invalid, Refused, Retry, Uncertain
from bot.store import duty, journal, robots, talk
from bot.store.db import Db, Row
from scheduler.morning import named, reach
from scheduler.voice import day_words

log = structlog.get_logger()
_GONE = frozenset({93000, 93004, 93008})
_NAMES = 10
_AT_ONCE = 10
"""The others come with the next ring: each call may take some seconds."""


@dataclass(frozen=True)
class GroupWord:
    """Says a branch's morning in its internal group, once a branch day."""

    morning: Morning

    def say(self, check: Callable[[Db], object]) -> int:
        """Tell the branches that are due; how many groups were told.

        ``check`` raises when whoever rings may act no more.
        """
        database, day = self.morning.database, today(self.morning.clock)
        db = database.read()
        if not self.morning.is_time(db):
            return 0
        due = [row for row in robots.robots(db) if self._is_due(db, row, day)]
        return sum(self._tell(row, day, check) for row in due[:_AT_ONCE])

    def _is_due(self, db: Db, robot: Row, day: date) -> bool:
        return not robot["broken"] and talk.cursor(db, _told(robot)) != day.isoformat()

    def _tell(self, robot: Row, day: date, check: Callable[[Db], object]) -> bool:
        def begin(db: Db) -> bool:
            check(db)
            if not self._is_due(db, robot, day):
                return False
            talk.move_cursor(db, _told(robot), day.isoformat(), self._now())
            return True

        write, branch = self.morning.database.write, robot["branch"]
        if not write(begin):
            return False
        try:
            text = self.text(self.morning.database.read(), branch, day)
            key = self.morning.vault.open_text(robot["key_sealed"])
            self.morning.wecom.webhook_send(key, text)
        except Retry:  # nothing was said: with the next ring
            write(lambda db: talk.move_cursor(db, _told(robot), "", self._now()))
            return False
        except (Refused, Invalid, Uncertain) as trouble:
            log.warning("a group was not told", reason=type(trouble).__name__)
            code = trouble.errcode if isinstance(trouble, Refused) else 0
            if code in _GONE:
                write(lambda db: self._broken(db, robot, day, code))
            return False
        write(lambda db: journal.note(db, "group_told", self._now(), branch=branch))
        return True

    def _broken(self, db: Db, robot: Row, day: date, errcode: int) -> None:
        """The robot was removed or stopped: whoever is in charge hears of it, once."""
        now = self._now()
        robots.mark_broken(db, robot["branch"], f"errcode {errcode}")
        head = duty.in_charge(db, robot["branch"])
        if head is not None:
            values = {"branch": robot["branch"]}
            words = TellStaff(head, "staff_robot_broken", values, None, day.isoformat())
            outbox.add(db, words, now)

    def text(self, db: Db, branch: str, day: date) -> str:
        """What the group reads: how many wait for whom, who was late, what the head has."""
        now = self._now()
        before = reach(self.morning.rules.calendar, day).before
        waiting = robots.waiting(db, branch, now)
        told: dict[str, str | int] = {
            "branch": branch,
            "day": day_words(day, day),
            "count": sum(row["number"] for row in waiting),
            "left": robots.raised(db, branch),
        }
        late = {
            "names": waiting,
            "lapsed": robots.lapsed(db, branch, _midnight(before), _midnight(day)),
            "overdue": robots.overdue(db, branch, now),
        }
        told |= {name: _counted(rows) for name, rows in late.items() if rows}
        message = self.morning.rules.messages["robot_morning"]
        return self.morning.rules.renderer.render_parts(message, told)["text"]

    def _now(self) -> int:
        return int(self.morning.clock.now().timestamp() * 1000)


def _counted(rows: Sequence[Row]) -> str:
    """刘敏3、王芳1: employees and how many each."""
    return named([f"{row['name']} {row['number']}" for row in rows], _NAMES)


def _told(robot: Row) -> str:
    """The cursor that names the day last told."""
    return f"robot:{robot['branch']}"


def _midnight(day: date) -> int:
    return int(datetime.combine(day, datetime.min.time(), SHANGHAI).timestamp() * 1000)
