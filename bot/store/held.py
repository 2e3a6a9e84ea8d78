"""Everything that is held about one customer, table by table, as the catalogue names it."""

from __future__ import annotations

from collections.abc import Mapping

from bot.store.catalogue import Table, catalogue
from bot.store.db import Db, Row

_OWN = "t.external_userid = :id"
_PUSHES = "SELECT p.id FROM push p WHERE p.external_userid = :id"
# Whose a row is, where no column external_userid says it.
_WHOSE: Mapping[str, str] = {
    "group_member": "t.member = :id",
    # In groups only what they said themselves; in conversations both sides. What is still sealed,
    # because nobody knows yet whether it may be read, is not opened for this either.
    "message": "t.state <> 'sealed' AND (t.sender = :id OR (t.chat_id = '' AND (t.peer = :id"
    " OR substr(t.conversation, instr(t.conversation, '|') + 1) = :id)))",
    "send_task": f"t.id IN (SELECT q.task_id FROM push q WHERE q.id IN ({_PUSHES}))",
    "conversion": f"t.push_id IN ({_PUSHES})",
    "assignment": "t.subject = :id",
    "escalation_step": "t.escalation_id IN"
    " (SELECT e.id FROM escalation e WHERE e.external_userid = :id)",
    "unmatched": "EXISTS (SELECT 1 FROM customer c WHERE c.external_userid = :id"
    " AND (c.phone_hash = t.phone_hash OR c.core_id = t.core_id))",
    "referral": "(t.referred = :id OR t.referrer = :id)",
    "other_send": "t.recipient = :id",
}


def copied_tables() -> list[Table]:
    """The tables that have a part in a copy, in its order."""
    return [table for table in catalogue().values() if table.heading]


def rows_of(db: Db, table: Table, external_userid: str) -> list[Row]:
    """A customer's rows of a table, in the order of their first columns; whole rows."""
    order = ", ".join(f't."{each.name}"' for each in table.copied[:2])
    where = _WHOSE.get(table.name, _OWN)
    sql = f'SELECT t.* FROM "{table.name}" t WHERE {where} ORDER BY {order}'
    return db.rows(sql, id=external_userid)


def names_of_others(db: Db, external_userid: str) -> set[str]:
    """What others who share a group with a customer are called, as far as it is a name."""
    rows = db.rows(
        "SELECT m.nickname AS name FROM group_member m JOIN group_member mine"
        " ON mine.chat_id = m.chat_id AND mine.member = :id WHERE m.member <> :id"
        " UNION SELECT c.name FROM group_member m JOIN group_member mine"
        " ON mine.chat_id = m.chat_id AND mine.member = :id"
        " JOIN customer c ON c.external_userid = m.member WHERE m.member <> :id",
        id=external_userid,
    )
    own = db.rows(
        "SELECT name FROM customer WHERE external_userid = :id"
        " UNION SELECT nickname FROM group_member WHERE member = :id"
        " UNION SELECT name FROM staff",
        id=external_userid,
    )
    return {row["name"] for row in rows if len(row["name"] or "") > 1} - {r["name"] for r in own}
