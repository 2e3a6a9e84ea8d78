"""What WeCom has of our mass sends: results of a task, and the task of a lost answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from bot.clock import Clock
from bot.model import Channel, MsgId, UserId
from bot.store import pushes
from bot.store.db import Database, Row
from bot.vault import Vault
from bot.wecom import SendResult, WeComClient

LOOKS = 3
"""A task that was absent so often was never made."""
_LOOK_APART = timedelta(seconds=150)
_LONGEST_LOOK = timedelta(days=30)
"""WeCom lists at most a month at once."""


@dataclass(frozen=True)
class Doubts:
    """Looks at mass sends from WeCom's side; changes nothing."""

    database: Database
    vault: Vault
    clock: Clock
    wecom: WeComClient

    def results(self, task: Row) -> list[SendResult]:
        """What became of every recipient that WeCom tells of; of groups only those sent to."""
        msgid, found, cursor = MsgId(task["wecom_msgid"]), [], ""
        members: list[UserId] = []
        while True:
            sends, cursor = self.wecom.get_groupmsg_task(msgid, cursor)
            members += [each.userid for each in sends]
            if not cursor:
                break
        for userid in members:
            while True:
                rows, cursor = self.wecom.get_groupmsg_send_result(msgid, userid, cursor)
                found += rows
                if not cursor:
                    break
        return found

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

    def find(self, task: Row) -> MsgId | None:
        """The task in WeCom's list: same text and time, then sender, then recipients."""
        called = datetime.fromtimestamp((task["called_at"] or task["created_at"]) / 1000, UTC)
        text = self.vault.open_text(task["text_sealed"])
        ours = self._known_msgids()
        cursor = ""
        while True:
            rows, cursor = self.wecom.get_groupmsg_list_v2(
                chat_type_of(task),
                called - timedelta(minutes=5),
                min(self.clock.now(), called + _LONGEST_LOOK) + timedelta(minutes=5),
                filter_type=0,
                cursor=cursor,
            )
            for row in rows:
                if row.text == text and row.msgid not in ours and self._is_it(row.msgid, task):
                    return row.msgid
            if not cursor:
                return None

    def _known_msgids(self) -> set[str]:
        rows = self.database.read().rows(
            "SELECT wecom_msgid FROM send_task WHERE wecom_msgid IS NOT NULL"
        )
        return {row[0] for row in rows}

    def _is_it(self, msgid: MsgId, task: Row) -> bool:
        members, _ = self.wecom.get_groupmsg_task(msgid)
        if members and task["sender"] not in {each.userid for each in members}:
            return False
        results, _ = self.wecom.get_groupmsg_send_result(msgid, UserId(task["sender"]))
        there = {recipient_of(each) for each in results}
        pending = pushes.pushes_of(self.database.read(), task["id"])
        wanted = {row["chat_id"] or row["external_userid"] for row in pending}
        return not there or bool(there & wanted)


def chat_type_of(task: Row) -> Literal["single", "group"]:
    """How WeCom calls the channel of a task."""
    return "group" if task["channel"] == Channel.MASS_GROUP else "single"


def recipient_of(result: SendResult) -> str:
    """The customer or the group of a result."""
    return result.chat_id or result.external_userid or ""
