"""Reading the mass sends that we did not make, so that nobody is planned beyond the quota (F4).

A member may mass-send by hand in WeCom, and an administrator in its console; WeCom counts these
together with ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import get_args

import structlog

from bot.clock import Clock
from bot.errands.doubt import recipient_of
from bot.errors import Refused, Retry
from bot.model import MsgId
from bot.store import others, talk
from bot.store.db import Database, Db
from bot.wecom import ChatType, MemberSend, WeComClient

log = structlog.get_logger()
Check = Callable[[Db], object]
_AT_ONCE = 50
"""Mass sends whose results are read in one go; the rest waits for the next."""
_LONGEST_LOOK = timedelta(days=30)
_OVERLAP = timedelta(hours=1)
"""The list may be late by so much."""
_HANDED_OUT = timedelta(minutes=1)
"""A mass send that is being handed out cannot be listed (41063)."""
_SENT = 1


@dataclass(frozen=True)
class OtherMasses:
    """Reads the list from where it stopped, and the results of what may still change."""

    database: Database
    clock: Clock
    wecom: WeComClient

    def read(self, check: Check = lambda _db: None) -> int:
        """Bring the ledger of the others' sends up to date; how many results were read.

        ``check`` raises when whoever rings may act no more.
        """
        until = self.clock.now() - _HANDED_OUT
        try:
            made = self._listed(until)
        except (Retry, Refused) as trouble:
            log.warning("mass sends of others cannot be listed", reason=str(trouble))
            return 0
        self.database.write(lambda db: self._keep(db, check, made, until))
        waiting = others.to_read(self.database.read(), _ms(self.clock.now()), _AT_ONCE)
        try:
            return sum(self._read_results(MsgId(row["msgid"])) for row in waiting)
        except Retry as trouble:
            log.info("results of others' mass sends wait", reason=str(trouble))
            return 0

    def _listed(self, until: datetime) -> dict[str, int]:
        """By msgid when they were made, since the last look."""
        last = int(talk.cursor(self.database.read(), others.READ) or 0)
        since = max(datetime.fromtimestamp(last / 1000, UTC) - _OVERLAP, until - _LONGEST_LOOK)
        made: dict[str, int] = {}
        for chat_type in get_args(ChatType):
            cursor = ""
            while True:
                rows, cursor = self.wecom.get_groupmsg_list_v2(
                    chat_type, since, until, filter_type=2, cursor=cursor
                )
                made |= {row.msgid: _ms(row.created_at or until) for row in rows}
                if not cursor:
                    break
        return made

    def _keep(self, db: Db, check: Check, made: dict[str, int], until: datetime) -> None:
        check(db)
        others.keep_listed(db, made)
        others.leave_ours_out(db)
        talk.move_cursor(db, others.READ, str(_ms(until)), _ms(self.clock.now()))

    def _read_results(self, msgid: MsgId) -> bool:
        sent: list[tuple[str, int]] = []
        done = False
        try:
            sent, done = self._results(msgid)
        except Refused as trouble:
            log.info("results of another's mass send not readable", errcode=trouble.errcode)
        now = _ms(self.clock.now())
        self.database.write(lambda db: others.keep_results(db, msgid, sent, now, done=done))
        return bool(sent)

    def _results(self, msgid: MsgId) -> tuple[list[tuple[str, int]], bool]:
        """Who got it and when; whether everybody who was asked has sent."""
        members: list[MemberSend] = []
        sent: list[tuple[str, int]] = []
        cursor = ""
        while True:
            some, cursor = self.wecom.get_groupmsg_task(msgid, cursor)
            members += some
            if not cursor:
                break
        for member in members:
            while member.sent:
                rows, cursor = self.wecom.get_groupmsg_send_result(msgid, member.userid, cursor)
                sent += [
                    (recipient_of(row), _ms(row.sent_at or member.sent_at or self.clock.now()))
                    for row in rows
                    if row.status == _SENT
                ]
                if not cursor:
                    break
        return sent, all(member.sent for member in members)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
