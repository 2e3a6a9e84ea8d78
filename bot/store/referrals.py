"""Who brought whom (老带新): one referrer for each customer, never in a circle, and undone again.

A row stays when it is undone, so that writing the same down again thanks nobody twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from bot.errors import Invalid
from bot.store.db import Db, Row
from bot.store.sameness import IDS_OF, ids_of

WAY = "ref-"
"""How the ``state`` of a contact way begins that a customer hands on to friends."""
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
_LONGEST_CHAIN = 100
_KEEP = """
INSERT INTO referral (referred, referrer, status, source, by, at)
VALUES (:referred, :referrer, 'current', :source, :by, :now)
ON CONFLICT (referred) DO UPDATE SET referrer = excluded.referrer, status = 'current',
  source = excluded.source, by = excluded.by, at = excluded.at
"""
_OF_CUSTOMER = """
SELECT r.* FROM referral r WHERE r.status = 'current'
  AND (r.referred = :customer OR r.referrer = :customer) ORDER BY r.at, r.id
"""
# By whichever id of the person.
_BROUGHT_BY = f"""
SELECT referrer FROM referral WHERE status = 'current'
  AND (referred = :id OR referred IN ({IDS_OF.format(":id")})) ORDER BY at, id LIMIT 1
"""
# Only who was nobody's friend before was brought by somebody.
_CAME_BY = """
SELECT k.external_userid FROM referral_code k
WHERE k.code = (SELECT f.state FROM follow f WHERE f.external_userid = :customer
  ORDER BY f.since_at, f.userid LIMIT 1)
"""


def refusal(db: Db, referred: str, referrer: str, planned: Mapping[str, str] | None = None) -> str:
    """Why somebody cannot have been brought by somebody, in Chinese; "" when they can.

    ``planned`` is who brought whom in the same file.
    """
    own = ids_of(db, referred)
    if referrer in own:
        return "自己不能介绍自己,请核对"
    for who in (referred, referrer):
        if not db.value(
            "SELECT 1 FROM customer WHERE external_userid = :id AND erased = 0", id=who
        ):
            return "还不认识这位客户或介绍人,请核对;等加了好友再登记"
    known = (planned or {}).get(referred) or _referrer(db, referred)
    if known and known != referrer:
        return "这位客户已经有介绍人;记错了请先撤销原来的再登记"
    above: str | None = referrer
    for _ in range(_LONGEST_CHAIN):
        above = (planned or {}).get(above or "") or _referrer(db, above or "")
        if above is None:
            return ""
        if above in own:
            return "介绍人是这位客户介绍来的,不能反过来又介绍 TA,请核对"
    return "介绍的链条太长,请核对"


def record(db: Db, referred: str, referrer: str, *, source: str, by: str, now: int) -> bool:
    """Write down who brought whom; False when it was written down before.

    Args:
        db: The open transaction.
        referred: The new customer.
        referrer: Who brought them.
        source: ``staff``, ``import`` or ``way``.
        by: The employee who wrote it down; "" for nobody.
        now: Epoch milliseconds.

    Raises:
        Invalid: It cannot be so, with the reason.
    """
    if why := refusal(db, referred, referrer):
        raise Invalid(why)
    if _referrer(db, referred) == referrer:
        return False
    db.run(_KEEP, referred=referred, referrer=referrer, source=source, by=by, now=now)
    return True


def is_recorded(db: Db, referred: str, referrer: str) -> bool:
    """Whether it is known that somebody brought somebody, or a person said that they did not."""
    return bool(
        db.value(
            "SELECT 1 FROM referral WHERE referred = :referred AND referrer = :referrer",
            referred=referred,
            referrer=referrer,
        )
    )


def undo(db: Db, referred: str) -> bool:
    """They were not brought by anybody after all; thanks that have not gone out are dropped."""
    return bool(
        db.run(
            "UPDATE referral SET status = 'undone' WHERE referred = :id AND status = 'current'",
            id=referred,
        )
    )


def of_customer(db: Db, customer: str) -> tuple[Row | None, list[Row]]:
    """Who brought a customer, and whom the customer brought, the oldest first."""
    rows = db.rows(_OF_CUSTOMER, customer=customer)
    own = next((row for row in rows if row["referred"] == customer), None)
    return own, [row for row in rows if row["referrer"] == customer]


def code_of(db: Db, customer: str) -> str:
    """The ``state`` for a contact way that a customer hands on; made when there is none."""
    kept = db.value("SELECT code FROM referral_code WHERE external_userid = :id", id=customer)
    if kept:
        return str(kept)
    code = WAY + "".join(secrets.choice(_LETTERS) for _ in range(10))
    db.run(
        "INSERT INTO referral_code (code, external_userid) VALUES (:code, :id)",
        code=code,
        id=customer,
    )
    return code


def kept_code(db: Db, customer: str) -> str:
    """That state, or "" when nobody asked for one."""
    kept = db.value("SELECT code FROM referral_code WHERE external_userid = :id", id=customer)
    return str(kept or "")


def came_by(db: Db, customer: str, now: int) -> str:
    """A new friend who came by a customer's own way was brought by that customer.

    Returns:
        Who brought them; "" when nobody did, or it is known or was undone already.
    """
    if db.value("SELECT 1 FROM referral WHERE referred = :id", id=customer):
        return ""
    referrer = db.value(_CAME_BY, customer=customer)
    if not referrer or refusal(db, customer, referrer):
        return ""
    record(db, customer, referrer, source="way", by="", now=now)
    return str(referrer)


def forget(db: Db, customer: str) -> int:
    """Nothing of a person stays, on either side."""
    db.run("DELETE FROM referral_code WHERE external_userid = :id", id=customer)
    return db.run("DELETE FROM referral WHERE referred = :id OR referrer = :id", id=customer)


def _referrer(db: Db, referred: str) -> str | None:
    found: str | None = db.value(_BROUGHT_BY, id=referred)
    return found
