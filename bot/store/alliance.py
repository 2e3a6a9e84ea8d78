"""Benefits of alliance offers: set aside for one customer, given back, used once.

Stock is taken by one conditional update, as seats are, so no benefit is promised twice; it is
given back by the database itself when the push that promised it ends without going out.
"""

from __future__ import annotations

from typing import Any

from bot.store import journal
from bot.store.db import Db, Row
from bot.store.sameness import IDS_OF
from bot.store.sight import Viewer, visible_to

_VALID = """
o.is_current = 1 AND (o.valid_from IS NULL OR o.valid_from <= :on) AND o.valid_to >= :on
"""
# Of this kind, on this day, where the customer's branch is, for their segment, on a condition that
# can be met (a birthday this month, a friend for a year), and not had by the person before.
_FITTING = f"""
{_VALID} AND (:offer = '' OR o.kind = :offer) AND o.branch IN ('', c.branch)
  AND (o.segment = '' OR EXISTS (SELECT 1 FROM segment_member x
    WHERE x.external_userid = c.external_userid AND x.segment = o.segment))
  AND (o.condition <> 'birthday' OR substr(c.next_birthday_on, 1, 7) = substr(:on, 1, 7))
  AND (o.condition <> 'membership_age' OR EXISTS (SELECT 1 FROM follow f
    WHERE f.external_userid = c.external_userid AND f.ended_at IS NULL
      AND date(f.since_at / 1000, 'unixepoch') <= date(:on, '-365 days')))
  AND o.taken < o.stock AND NOT EXISTS (SELECT 1 FROM benefit b WHERE b.offer_code = o.code
    AND b.status <> 'free' AND (b.external_userid = c.external_userid
      OR b.external_userid IN ({IDS_OF.format("c.external_userid")})))
"""
ANY = f"EXISTS (SELECT 1 FROM alliance_offer o WHERE {_FITTING})"
"""Whether there is something for ``customer c``; names ``:offer`` and ``:on``."""
NONE = f"""
NOT {ANY} AND EXISTS (SELECT 1 FROM alliance_offer o WHERE o.is_current = 1 AND o.kind = :offer)
"""
"""Whether there is nothing for ``customer c``, though the bank lists something of the kind."""
# The narrowest first: what is for few is for nobody else.
_FOR_CUSTOMER = f"""
SELECT o.* FROM alliance_offer o CROSS JOIN customer c
WHERE c.external_userid = :customer AND {_FITTING}
ORDER BY o.segment = '', o.branch = '', o.valid_to, o.code LIMIT :limit
"""
_SET_ASIDE = f"""
SELECT o.*, b.id AS benefit_id FROM benefit b JOIN alliance_offer o ON o.code = b.offer_code
WHERE b.push_id = :push AND b.status = 'reserved' AND {_VALID}
"""
_TAKE = """
UPDATE alliance_offer SET taken = taken + 1
WHERE code = :code AND is_current = 1 AND taken < stock
"""
_PUT = """
INSERT INTO benefit (offer_code, push_id, external_userid, condition, status, at)
SELECT o.code, :push, :customer, o.condition, 'reserved', :now FROM alliance_offer o
WHERE o.code = :code AND o.is_current = 1
ON CONFLICT DO NOTHING
"""
_OF_OFFER = """
SELECT b.*, p.status AS push_status, p.confirmed_at, EXISTS (SELECT 1 FROM customer c
  WHERE c.external_userid = b.external_userid AND {sight}) AS visible
FROM benefit b LEFT JOIN push p ON p.id = b.push_id
WHERE b.offer_code = :code AND b.status <> 'free' ORDER BY b.id DESC LIMIT :limit
"""
_OF_CUSTOMER = """
SELECT b.*, o.merchant, o.benefit, o.valid_to, p.status AS push_status, p.confirmed_at
FROM benefit b JOIN alliance_offer o ON o.code = b.offer_code AND o.is_current = 1
LEFT JOIN push p ON p.id = b.push_id
WHERE b.external_userid = :customer AND b.status <> 'free' ORDER BY b.id DESC
"""


def best_for(db: Db, kind: str, customer: str, on: str) -> Row | None:
    """What of a kind a customer is offered on a day; None when there is nothing for them."""
    return db.one(_FOR_CUSTOMER, offer=kind, customer=customer, on=on, limit=1)


def fitting(db: Db, customer: str, on: str, limit: int = 20) -> list[Row]:
    """Everything that a customer could be given by hand on a day."""
    return db.rows(_FOR_CUSTOMER, offer="", customer=customer, on=on, limit=limit)


def give(db: Db, customer: str, code: str, on: str, by: str, now: int) -> bool:
    """An employee gives a benefit by hand; False when it does not fit or none is left."""
    fits = code in {row["code"] for row in fitting(db, customer, on)}
    if not fits or not reserve(db, None, customer, code, now):
        return False
    journal.audit(db, by, "benefit_given", f"customer:{customer}", now, offer=code)
    return True


def set_aside(db: Db, push_id: int, on: str) -> Row | None:
    """What is set aside for a push and valid on a day."""
    return db.one(_SET_ASIDE, push=push_id, on=on)


def reserve(db: Db, push_id: int | None, customer: str, code: str, now: int) -> bool:
    """Set one of an offer aside for a customer; False when none is left. Again, it adds nothing.

    Whatever else was set aside for the push is given back.
    """
    db.run(
        "UPDATE benefit SET status = 'free'"
        " WHERE push_id = :push AND status = 'reserved' AND offer_code <> :code",
        push=push_id,
        code=code,
    )
    there = db.value(
        "SELECT 1 FROM benefit WHERE push_id = :push AND status = 'reserved'", push=push_id
    )
    if there:
        return True
    if not db.run(_TAKE, code=code):
        return False
    if db.run(_PUT, push=push_id, customer=customer, code=code, now=now):
        return True
    db.run(
        "UPDATE alliance_offer SET taken = taken - 1 WHERE code = :code AND is_current = 1",
        code=code,
    )
    return False


def use(db: Db, benefit_id: int, by: str, now: int) -> bool:
    """A benefit was used; False when it was before, or nobody has told the customer of it yet."""
    done = db.run(
        "UPDATE benefit SET status = 'used', used_at = :now, used_by = :by"
        " WHERE id = :id AND status = 'reserved' AND (push_id IS NULL OR push_id IN"
        " (SELECT p.id FROM push p WHERE p.status = 'confirmed'))",
        id=benefit_id,
        by=by,
        now=now,
    )
    return _audited(db, done, "benefit_used", benefit_id, by, now)


def undo_use(db: Db, benefit_id: int, by: str, now: int) -> bool:
    """It was not used after all."""
    done = db.run(
        "UPDATE benefit SET status = 'reserved', used_at = NULL, used_by = ''"
        " WHERE id = :id AND status = 'used'",
        id=benefit_id,
    )
    return _audited(db, done, "benefit_unused", benefit_id, by, now)


def _audited(db: Db, done: int, act: str, benefit_id: int, by: str, now: int) -> bool:
    if done:
        journal.audit(db, by, act, f"benefit:{benefit_id}", now)
    return bool(done)


def benefit(db: Db, benefit_id: int) -> Row | None:
    """One benefit."""
    return db.one("SELECT * FROM benefit WHERE id = :id", id=benefit_id)


def of_offer(db: Db, who: Viewer, code: str, limit: int = 500) -> list[Row]:
    """Who has a benefit of an offer, the newest first; ``visible`` as for sign-ups."""
    scope = visible_to(who)
    values: dict[str, Any] = scope.values
    return db.rows(_OF_OFFER.format(sight=scope.where), code=code, limit=limit, **values)


def of_customer(db: Db, customer: str) -> list[Row]:
    """A customer's benefits, the newest first."""
    return db.rows(_OF_CUSTOMER, customer=customer)


def forget(db: Db, customer: str) -> int:
    """Nobody is to know any more whose benefits these were; what was taken stays taken."""
    db.run(
        "UPDATE benefit SET status = 'free' WHERE external_userid = :id AND status = 'reserved'"
        " AND push_id IN (SELECT p.id FROM push p WHERE p.status <> 'confirmed')",
        id=customer,
    )
    return db.run(
        "UPDATE benefit SET external_userid = 'erased-' || id, push_id = NULL"
        " WHERE external_userid = :id",
        id=customer,
    )
