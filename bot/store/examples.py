"""The examples of segments and states: made-up customers in a few words, and who belongs.

Every word is a trait of the rule files (their first lines explain them); a customer of whom
the traits are true is written, derived like any other, and forgotten again.
"""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from bot.clock import SHANGHAI
from bot.facts import Evidence, Fact, FactType
from bot.model import ExternalUserId
from bot.schema import SCHEMA
from bot.store import ledger, migrations, people, segments, standing
from bot.store.db import Db, connect
from bot.vault import Vault
from handlers.rules import Example

_WHO = ExternalUserId("example")
_GROUP = "example-group"
_VAULT = Vault("nothing of an example is kept")
_TODAY = date(2026, 11, 24)
"""A Tuesday; the same for ever, so that an example never holds on some days only."""
_SPOKEN = re.compile(r"(?P<ago>\d{1,4})(?:x(?P<times>\d{1,3}))?")


@contextmanager
def empty_store() -> Iterator[Db]:
    """A store of its own that ends with the block."""
    with tempfile.TemporaryDirectory(prefix="qunguan-") as folder:
        file = Path(folder) / "examples.db"
        migrations.upgrade(file)
        connection = connect(file)
        try:
            connection.execute("BEGIN")
            yield Db(connection)
            connection.execute("ROLLBACK")
        finally:
            connection.close()


def belongs(db: Db, rules: standing.Rules, example: Example) -> bool:
    """Whether the rule of an example holds for its customer; leaves no trace.

    Raises:
        Invalid: A trait that is not known, or a value that cannot be; with file and line.
    """
    db.connection.execute("SAVEPOINT example")
    try:
        _write(_Customer(db), example)
        standing.refresh_all(db, rules, _TODAY, _ms(0), [_WHO])
        states = standing.of(db, rules, _WHO, _TODAY).states
        return example.rule in {*segments.segments_of(db, _WHO), *states}
    finally:
        db.connection.execute("ROLLBACK TO example")
        db.connection.execute("RELEASE example")


def _write(customer: _Customer, example: Example) -> None:
    left = dict(example.traits)
    if "fact" in left:
        _write_fact(customer, example, left)
    for name, written in left.items():
        if name not in TRAITS:
            known = "、".join((*TRAITS, "fact", "in_days"))
            raise example.place.wrong(f"例子里不认识 {name},可用的有:{known}")
        try:
            TRAITS[name](customer, written)
        except (ValueError, KeyError, OverflowError, sqlite3.Error):
            problem = f"例子里 {name} 的值 {written!r} 不对,请照文件开头的说明写"
            raise example.place.wrong(problem) from None


def _write_fact(customer: _Customer, example: Example, left: dict[str, str]) -> None:
    """Take the fact with its keys out of the traits."""
    kind = left.pop("fact")
    if kind not in set(FactType):
        raise example.place.wrong(f"不认识事实类型 {kind},可用的有:{'、'.join(FactType)}")
    keys = [key for key in SCHEMA[FactType(kind)] if key in left]
    value: dict[str, Any] = {key: left.pop(key) for key in keys}
    days = left.pop("in_days", "")
    if days:
        try:
            due = (_TODAY + timedelta(days=int(days))).isoformat()
        except (ValueError, OverflowError):
            raise example.place.wrong(f"in_days 的值 {days!r} 不对,请填天数") from None
        value |= {"date_from": due, "date_to": due}
    customer.said(FactType(kind), value)


def _ms(ago: int) -> int:
    """Noon so many days ago."""
    noon = datetime.combine(_TODAY - timedelta(days=ago), time(12), SHANGHAI)
    return int(noon.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class _Customer:
    """The one customer of an example; days are counted back from today."""

    db: Db

    def __post_init__(self) -> None:
        people.know_person(self.db, _WHO, _ms(0))

    def has(self, column: str, value: Any) -> None:
        self.db.run(
            f"UPDATE customer SET {column} = :value WHERE external_userid = :id",
            value=value,
            id=_WHO,
        )

    def said(self, kind: FactType, value: dict[str, Any]) -> None:
        fact = Fact(kind, value, Evidence(0, 1, ""), 0.9, "example", "1")
        at = datetime.combine(_TODAY, time(10), SHANGHAI)
        ledger.add_fact(self.db, _VAULT, _WHO, fact, ledger.Source("example", at))

    def is_aged(self, years: int) -> None:
        self.has("birthday_year", _TODAY.year - years)
        self.has("birthday_month", _TODAY.month)
        self.has("birthday_day", _TODAY.day)

    def holds(self, kind: str) -> None:
        self.db.run(
            "INSERT INTO holding (account_ref, external_userid, kind, opened_on)"
            " VALUES ('example', :id, :kind, :on)",
            id=_WHO,
            kind=kind,
            on=(_TODAY - timedelta(days=400)).isoformat(),
        )

    def has_case(self, kind: str) -> None:
        self.db.run(
            "INSERT INTO escalation (key, kind, external_userid, opened_at)"
            " VALUES ('example', :kind, :id, 1)",
            kind=kind,
            id=_WHO,
        )

    def befriended(self, ago: int) -> None:
        self.db.run(
            "INSERT INTO follow (userid, external_userid, since_at) VALUES ('staff', :id, :at)",
            id=_WHO,
            at=_ms(ago),
        )

    def unfriended(self, ago: int) -> None:
        self.db.run(
            "UPDATE follow SET ended_at = :at WHERE external_userid = :id", id=_WHO, at=_ms(ago)
        )

    def joined(self, ago: int) -> None:
        self.db.run(
            "INSERT INTO group_chat (chat_id) VALUES (:id) ON CONFLICT DO NOTHING", id=_GROUP
        )
        self.db.run(
            "INSERT INTO group_member (chat_id, member, joined_at) VALUES (:chat, :id, :at)",
            chat=_GROUP,
            id=_WHO,
            at=_ms(ago),
        )

    def left(self, ago: int) -> None:
        self.db.run(
            "UPDATE group_member SET left_at = :at WHERE member = :id", id=_WHO, at=_ms(ago)
        )

    def spoke(self, days: str) -> None:
        """``3 2x4``: once three days ago, four times two days ago.

        Raises:
            ValueError: It is not written like that.
        """
        for word in days.split():
            found = _SPOKEN.fullmatch(word)
            if found is None:
                raise ValueError(word)
            ago = int(found["ago"])
            self.db.run(
                "INSERT INTO activity (external_userid, day_on, messages)"
                " VALUES (:id, :on, :times) ON CONFLICT (external_userid, day_on)"
                " DO UPDATE SET messages = activity.messages + :times",
                id=_WHO,
                on=(_TODAY - timedelta(days=ago)).isoformat(),
                times=int(found["times"] or 1),
            )
            self.db.run(
                "UPDATE customer SET spoke_at = :at WHERE external_userid = :id"
                " AND (spoke_at IS NULL OR spoke_at < :at)",
                id=_WHO,
                at=_ms(ago),
            )


_YES = {"true": 1, "false": 0}
TRAITS: dict[str, Callable[[_Customer, str], None]] = {
    "assets": lambda who, written: who.has("assets", int(written)),
    "gender": lambda who, written: who.has("gender", written),
    "occupation": lambda who, written: who.has("occupation", written),
    "key_person": lambda who, written: who.has("key_person", _YES[written]),
    "prospect": lambda who, written: who.has("prospect", _YES[written]),
    "age": lambda who, written: who.is_aged(int(written)),
    "holds": lambda who, written: who.holds(written),
    "case": lambda who, written: who.has_case(written),
    "added": lambda who, written: who.befriended(int(written)),
    "unfriended": lambda who, written: who.unfriended(int(written)),
    "joined": lambda who, written: who.joined(int(written)),
    "left": lambda who, written: who.left(int(written)),
    "spoke": lambda who, written: who.spoke(written),
}
"""What may be told of a customer, beside ``fact`` with its keys and ``in_days``."""
