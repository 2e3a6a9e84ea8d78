"""A small branch in memory of one transaction, to which anything may happen in any order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from backends import Place

from bot.clock import SHANGHAI
from bot.facts import Evidence, Fact, FactType, Speech
from bot.listening import Listener
from bot.model import ArchivedMessage, ChatId, ExternalUserId, MsgId
from bot.rulebook import Rulebook, load_rulebook
from bot.store import ledger, segments, standing, talk
from bot.store.db import Db
from bot.vault import Vault

ROOT = Path(__file__).parents[2]
START = date(2026, 11, 24)
VAULT = Vault("a secret for tests only")
CUSTOMERS = ("wmAnna", "wmBert", "wmCleo")
GROUPS = ("wrFirst", "wrOther")


@cache
def rulebook() -> Rulebook:
    return load_rulebook(ROOT / "config", ROOT / "templates")


def ms(day: date, hour: int = 12, minute: int = 0) -> int:
    return int(datetime.combine(day, time(hour, minute), SHANGHAI).timestamp() * 1000)


class Story:
    """What happens to the customers, and what is derived of it after each event."""

    def __init__(self, db: Db) -> None:
        self.db = db
        self.today = START
        self.rules = rulebook()
        self.listener = Listener(VAULT, self.read, self.rules)
        self.facts: dict[str, list[Fact]] = {}
        self._count = 0

    @property
    def now(self) -> int:
        return ms(self.today, 18)

    def read(self, speech: Speech) -> list[Fact]:
        return self.facts.get(speech.text.rsplit("\n", maxsplit=1)[-1], [])

    # -- people

    def know(self, customer: str) -> None:
        self.db.run(
            "INSERT INTO customer (external_userid, created_at) VALUES (:id, :now)"
            " ON CONFLICT DO NOTHING",
            id=customer,
            now=self.now,
        )

    def set(self, customer: str, **columns: Any) -> None:
        self.know(customer)
        for column, value in columns.items():
            self.db.run(
                f"UPDATE customer SET {column} = :value WHERE external_userid = :id",
                value=value,
                id=customer,
            )

    def befriend(self, customer: str, ago: int) -> None:
        self.know(customer)
        self.db.run(
            "INSERT INTO follow (userid, external_userid, since_at) VALUES ('mazy', :id, :at)"
            " ON CONFLICT (userid, external_userid) DO UPDATE SET since_at = :at, ended_at = NULL",
            id=customer,
            at=ms(self.today - timedelta(days=ago)),
        )

    def unfriend(self, customer: str, ago: int = 0) -> None:
        self.db.run(
            "UPDATE follow SET ended_at = :at WHERE external_userid = :id",
            id=customer,
            at=ms(self.today - timedelta(days=ago)),
        )

    def found(self, chat: str) -> None:
        self.db.run("INSERT INTO group_chat (chat_id) VALUES (:id) ON CONFLICT DO NOTHING", id=chat)

    def join(self, customer: str, ago: int, chat: str = GROUPS[0]) -> None:
        self.know(customer)
        self.found(chat)
        self.db.run(
            "INSERT INTO group_member (chat_id, member, joined_at) VALUES (:chat, :id, :at)"
            " ON CONFLICT (chat_id, member) DO UPDATE SET joined_at = :at, left_at = NULL",
            chat=chat,
            id=customer,
            at=ms(self.today - timedelta(days=ago)),
        )

    def leave(self, customer: str, ago: int = 0, chat: str = GROUPS[0]) -> None:
        self.db.run(
            "UPDATE group_member SET left_at = :at WHERE member = :id AND chat_id = :chat",
            chat=chat,
            id=customer,
            at=ms(self.today - timedelta(days=ago)),
        )

    def dismiss(self, chat: str) -> None:
        self.db.run("UPDATE group_chat SET dismissed_at = :at WHERE chat_id = :id", id=chat, at=1)

    # -- talk

    def message(
        self, sender: str, at: int, text: str = "好的", chat: str = GROUPS[0], **more: Any
    ) -> ArchivedMessage:
        self._count += 1
        sent = datetime.fromtimestamp(at / 1000, SHANGHAI)
        more.setdefault("kind", "text")
        msgid = MsgId(more.pop("msgid", f"m{self._count}"))
        return ArchivedMessage(
            msgid, self._count, sender, (), ChatId(chat), sent, text=text, **more
        )

    def agree(self, customer: str) -> None:
        for chat in GROUPS:
            talk.keep_agreement(self.db, chat, customer, agreed=True, at=1)

    def hear(self, message: ArchivedMessage) -> None:
        for _ in self.listener.hear(self.db, message, self.now):
            pass

    def say(self, customer: str, ago: int = 0, text: str = "好的") -> str:
        self.agree(customer)
        self._count += 1
        minute = self._count % 60
        hour = 9 + self._count // 60 % 8
        message = self.message(customer, ms(self.today - timedelta(days=ago), hour, minute), text)
        self.hear(message)
        return str(message.msgid)

    def learn(self, customer: str, kind: str, value: dict[str, Any], ago: int = 0) -> int | None:
        self.know(customer)
        self._count += 1
        fact = Fact(FactType(kind), value, Evidence(0, 1, "话"), 0.9, "r", "1")
        at = datetime.combine(self.today - timedelta(days=ago), time(10), SHANGHAI)
        return ledger.add_fact(
            self.db, VAULT, ExternalUserId(customer), fact, ledger.Source(f"f{self._count}", at)
        )

    def hold(self, customer: str, ref: str, ago: int, kind: str = "time_deposit") -> None:
        self.know(customer)
        self.db.run(
            "INSERT INTO holding (account_ref, external_userid, kind, opened_on)"
            " VALUES (:ref, :id, :kind, :on) ON CONFLICT (account_ref)"
            " DO UPDATE SET opened_on = :on",
            ref=ref,
            id=customer,
            kind=kind,
            on=(self.today - timedelta(days=ago)).isoformat(),
        )
        standing.touch_holders(self.db, [ref])

    def open_case(self, customer: str, kind: str) -> None:
        self.know(customer)
        self._count += 1
        self.db.run(
            "INSERT INTO escalation (key, kind, external_userid, opened_at)"
            " VALUES (:key, :kind, :id, 1)",
            key=f"k{self._count}",
            kind=kind,
            id=customer,
        )

    def close_cases(self, customer: str) -> None:
        self.db.run(
            "UPDATE escalation SET status = 'closed' WHERE external_userid = :id", id=customer
        )

    # -- what is derived

    def derive(self, customers: list[str] | None) -> standing.Derived:
        return standing.refresh_all(self.db, self.rules, self.today, self.now, customers)

    def settle(self) -> None:
        """What the bot does after something became known."""
        self.derive(standing.touched(self.db, 1000))

    def pass_days(self, days: int) -> None:
        """Night after night only those who are due are looked at."""
        for _ in range(days):
            self.today += timedelta(days=1)
            self.derive(standing.due(self.db, self.today, 1000))

    def derived(self) -> dict[str, Any]:
        """Everything that was derived, told apart by customer."""
        rows = self.db.rows(
            "SELECT external_userid, layer, contact_class, recheck_on FROM customer"
        )
        found: dict[str, Any] = {row[0]: [tuple(row)[1:], set(), set()] for row in rows}
        for row in self.db.rows("SELECT external_userid, segment FROM segment_member"):
            found[row[0]][1].add(row[1])
        for row in self.db.rows("SELECT external_userid, state FROM customer_state"):
            found[row[0]][2].add(row[1])
        found["sign-ups"] = {
            tuple(row)
            for row in self.db.rows(
                "SELECT external_userid, day_on, sign_ups FROM activity WHERE sign_ups > 0"
            )
        }
        return found

    def derived_from_nothing(self) -> dict[str, Any]:
        """The oracle: forget all that was derived, derive everybody, and undo that again."""
        with undone(self.db):
            self.db.run("DELETE FROM segment_member")
            self.db.run("DELETE FROM customer_state")
            self.db.run("UPDATE activity SET sign_ups = 0")
            self.db.run(
                "UPDATE customer SET layer = 'unknown', contact_class = 'D', recheck_on = NULL"
            )
            self.derive(None)
            return self.derived()

    def states(self, customer: str) -> set[str]:
        return set(standing.of(self.db, self.rules, customer, self.today).states)

    def segments(self, customer: str) -> set[str]:
        return set(segments.segments_of(self.db, customer))


@contextmanager
def undone(db: Db) -> Iterator[None]:
    db.connection.execute("SAVEPOINT attempt")
    try:
        yield
    finally:
        db.connection.execute("ROLLBACK TO attempt")
        db.connection.execute("RELEASE attempt")


@contextmanager
def story(place: Place) -> Iterator[Story]:
    """One story that leaves no trace in the store."""
    with place.look() as db:
        try:
            db.connection.execute("BEGIN")
            yield Story(db)
        finally:
            db.connection.execute("ROLLBACK")


def activity_of(db: Db, customer: str) -> list[tuple[Any, ...]]:
    return [
        tuple(row)
        for row in db.rows(
            "SELECT day_on, messages, replies, questions FROM activity"
            " WHERE external_userid = :id AND messages > 0 ORDER BY day_on",
            id=customer,
        )
    ]
