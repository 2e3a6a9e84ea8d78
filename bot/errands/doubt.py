"""What WeCom has of our send tasks: results, the task of a lost answer, forgotten tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bot.clock import Clock
from bot.errands.ways import MomentsWay, Way, moments_way, way_of
from bot.errors import Refused, Retry
from bot.model import MsgId, UserId
from bot.store import pushes
from bot.store.db import Database, Row
from bot.vault import Vault
from bot.wecom import GroupMsg, SendResult, WeComClient

LOOKS = 3
"""A task that was absent so often was never made."""
_LOOK_APART = timedelta(seconds=150)
_ALL_BEGIN = timedelta(days=1)
"""After a restore every process begins within this time."""
_SLACK = timedelta(minutes=5)
"""Our clock and WeCom's may differ so much."""
_LATE = timedelta(minutes=2)
_LAST_MADE = """
SELECT max(created_at) FROM send_task WHERE wecom_msgid IS NOT NULL AND created_at < :before
"""


@dataclass
class Doubts:
    """Looks at send tasks from WeCom's side.

    Args:
        words: Names what the bot keeps in WeCom's library.
        late: How old WeCom's results may be: a member may have tapped before a cancellation.
    """

    database: Database
    vault: Vault
    clock: Clock
    wecom: WeComClient
    words: Callable[[str, str], str]
    late: timedelta = _LATE
    _earlier: dict[str, list[GroupMsg]] = field(default_factory=dict, init=False, repr=False)

    def way(self, task: Row) -> Way:
        """How this task goes through WeCom."""
        return way_of(self.wecom, task, self.words)

    @property
    def moments(self) -> MomentsWay:
        """The way of moments."""
        return moments_way(self.wecom, self.words)

    def results(self, task: Row) -> list[SendResult]:
        """What became of the task's recipients, as far as WeCom tells."""
        return self.way(task).results(MsgId(task["wecom_msgid"]), self._recipients(task))

    def is_proven(self, task: Row, now: int) -> bool:
        """Whether results that are read now tell of all that was sent before the cancellation."""
        return bool(now - (task["cancelled_at"] or 0) >= self.late / timedelta(milliseconds=1))

    def in_hand(self, task: Row) -> bool:
        """A thread of this process is waiting for the answer just now."""
        state = self.database.read().value(
            "SELECT state FROM outbox WHERE key = :key", key=f"mass-send:{task['id']}"
        )
        return bool(task["status"] == "calling" and state == "calling")

    def time_to_look(self, task: Row) -> bool:
        """Whether the last look, or the call, is long enough ago."""
        since = task["polled_at"] or task["called_at"] or 0
        apart = _LOOK_APART if task["absent_polls"] else timedelta(seconds=2)
        now = int(self.clock.now().timestamp() * 1000)
        return bool(now - since >= apart / timedelta(milliseconds=1))

    def find(self, task: Row) -> MsgId | Refused | None:
        """The task of a lost answer, by its job or in WeCom's list; or why WeCom did not make it.

        Raises:
            Retry: WeCom does not tell now, or is still at it.
        """
        way = self.way(task)
        made = way.made(task["job"]) if task["job"] else None
        if made is not None:
            return made
        called = datetime.fromtimestamp((task["called_at"] or task["created_at"]) / 1000, UTC)
        until = min(self.clock.now(), called + way.longest_span)
        return self._same(task, way.listed(called - _SLACK, until + _SLACK))

    def made_before(self, task: Row) -> MsgId | None:
        """The same task, made already, of which the store knows nothing.

        A store restored from a backup has forgotten the tasks made after it. So each process
        asks once, before its first task, what WeCom lists since the last one that the store
        knows (and is too old to be of another process that began since).

        Raises:
            Retry: WeCom does not tell now; nothing may be made before it does.
        """
        try:
            return self._same(task, self._forgotten(task))
        except Refused as refusal:
            raise Retry("还读不到企业微信里已有的群发,稍后再发", 30.0) from refusal

    def _forgotten(self, task: Row) -> list[GroupMsg]:
        channel, way = task["channel"], self.way(task)
        if channel not in self._earlier:
            now = self.clock.now()
            before = int((now - _ALL_BEGIN).timestamp() * 1000)
            last = self.database.read().value(_LAST_MADE, before=before) or 0
            since = max(datetime.fromtimestamp(last / 1000, UTC), now - way.longest_span)
            ours = self._known_msgids()
            found = way.listed(since - _SLACK, now + _SLACK)
            self._earlier[channel] = [row for row in found if row.msgid not in ours]
        return self._earlier[channel]

    def _same(self, task: Row, rows: Iterable[GroupMsg]) -> MsgId | None:
        """Which of these is the task: same text, then sender, then recipients."""
        text = self.vault.open_text(task["text_sealed"])
        for row in rows:
            if row.text == text and not self._is_known(row.msgid) and self._is_it(row.msgid, task):
                return row.msgid
        return None

    def _is_known(self, msgid: MsgId) -> bool:
        db = self.database.read()
        return bool(db.value("SELECT 1 FROM send_task WHERE wecom_msgid = :msgid", msgid=msgid))

    def _known_msgids(self) -> set[str]:
        rows = self.database.read().rows(
            "SELECT wecom_msgid FROM send_task WHERE wecom_msgid IS NOT NULL"
        )
        return {row[0] for row in rows}

    def _is_it(self, msgid: MsgId, task: Row) -> bool:
        way, wanted = self.way(task), self._recipients(task)
        members = way.members(msgid)
        if members and task["sender"] not in {each.userid for each in members}:
            return False
        there = {recipient_of(each) for each in way.of_member(msgid, UserId(task["sender"]))}
        return not there or bool(there & wanted)

    def _recipients(self, task: Row) -> set[str]:
        pending = pushes.pushes_of(self.database.read(), task["id"])
        return {row["chat_id"] or row["external_userid"] for row in pending}


def recipient_of(result: SendResult) -> str:
    """The customer or the group of a result."""
    return result.chat_id or result.external_userid or ""
