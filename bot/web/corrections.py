"""What people change in the store through a page or the JSON interface, with its trail."""

from __future__ import annotations

import json
from typing import Any

from bot.actions import CloseCase
from bot.complaints import is_about
from bot.errors import Invalid
from bot.facts import SENSITIVE_KEYS, FactClass, FactType, classify
from bot.model import UserId
from bot.schema import check_value
from bot.store import cases, journal, ledger, lists, people, sight, talk, verdicts
from bot.store.db import Db, Row
from bot.store.sight import Viewer
from bot.web.adding import let_act
from bot.web.services import Services

LATER = "later"
OUTCOMES = ("contacted", "no_answer", "sold", LATER, "not_interested", "not_needed")
"""How a case may end; ``later`` leaves it open until the end of the next branch day."""
_DECIDED = {"confirmed": "fact_confirmed", "rejected": "fact_rejected"}


def correct_fact(
    services: Services,
    who: Viewer,
    fact_id: int,
    status: str,
    value: dict[str, Any] | None = None,
) -> Row | None:
    """Confirm or reject a fact, perhaps with other values; None when the viewer may not see it.

    What was said is kept as an example beside it. ``None`` under a key takes it out.

    Raises:
        Invalid: The value may not be kept; says why.
    """
    now = int(services.clock.now().timestamp() * 1000)

    def change(db: Db) -> Row | None:
        row = fact_for(db, who, fact_id)
        if row is None:
            return None
        stated = _stated(db, who, row, value or {})
        found = ledger.correct(db, fact_id, status, who.userid, stated)
        verdicts.record(db, row, status, who.userid, stated, now)
        if row["status"] == "pending":
            _let_act(services, db, found)
        journal.note(
            db,
            _DECIDED[status],
            now,
            customer=row["external_userid"],
            userid=who.userid,
            ref=fact_id,
            type=row["type"],
        )
        keys = sorted(value or {})
        journal.audit(
            db,
            who.userid,
            _DECIDED[status],
            f"fact:{fact_id}",
            now,
            before=row,
            after=found,
            changed=keys,
        )
        return found

    found = services.database.write(change)
    if found is not None:
        services.refresh(found["external_userid"])
    return found


def _let_act(services: Services, db: Db, found: Row | None) -> None:
    """What waited for a person acts once one has confirmed it."""
    said = talk.said(db, found["msgid"], None) if found is not None else None
    if found is not None and said is not None:
        let_act(services, db, found, talk.restore(said, services.vault))


def fact_for(db: Db, who: Viewer, fact_id: int) -> Row | None:
    """A fact that somebody may see and decide on."""
    row = ledger.fact_row(db, fact_id)
    if row is None or row["status"] == "recalled":
        return None
    customer = row["external_userid"]
    if not sight.may_see(db, who, customer):
        return None
    hidden = row["class"] == FactClass.SENSITIVE and not sight.may_see_sensitive(db, who, customer)
    return None if hidden else row


def _stated(db: Db, who: Viewer, row: Row, value: dict[str, Any]) -> dict[str, Any]:
    """The value as a person leaves it.

    A correction may not smuggle in what the customer did not agree to have kept.
    """
    kind, kept = FactType(row["type"]), json.loads(row["value"])
    whole = check_value(kind, value, kept) if value else kept
    if classify(kind, whole) is not FactClass(row["class"]):
        raise Invalid("这样改会改变这条事实的敏感级别,请先否定它,再由客户的话重新读出")
    customer = people.customer(db, row["external_userid"])
    agreed = customer is not None and bool(customer["sensitive_ok"])
    if not agreed and any(value.get(key) is not None for key in SENSITIVE_KEYS):
        raise Invalid("客户没有单独同意保存敏感信息,不能登记金额")
    touched = any(key in value for key in SENSITIVE_KEYS)
    if touched and not sight.may_see_sensitive(db, who, row["external_userid"]):
        raise Invalid("金额只能由跟进员工和网点负责人改")
    return whole


def close_case(
    services: Services, who: Viewer, case_id: int, outcome: str, note: str
) -> Row | None:
    """Record how a case ended; the case as it is now, None when the viewer may not see it.

    A case that was closed before stays as it is.

    Raises:
        Invalid: The outcome is none of ``OUTCOMES``, or the complaint is about the viewer.
    """
    if outcome not in OUTCOMES:
        raise Invalid(f"outcome {outcome!r} 无法识别,应为 {'、'.join(OUTCOMES)} 之一")
    db = services.database.read()
    case = lists.case(db, who, case_id)
    if case is None or case["status"] != "open":
        return case
    if is_about(case, who.userid):
        raise Invalid("这件投诉说的是您,要由别人来办")
    services.act(CloseCase(case_id, outcome, UserId(who.userid), note=note))
    now = int(services.clock.now().timestamp() * 1000)

    def keep(db: Db) -> None:
        if note and outcome == LATER:
            cases.add_step(db, case_id, who.userid, "noted", now, note=note)
        journal.audit(
            db,
            who.userid,
            "close_case",
            f"case:{case_id}",
            now,
            before=case,
            after=cases.case(db, case_id),
            outcome=outcome,
        )

    services.database.write(keep)
    return cases.case(services.database.read(), case_id)


def note_act(services: Services, actor: str, act: str, subject: str) -> None:
    """Put who did something into the audit trail."""
    now = int(services.clock.now().timestamp() * 1000)
    services.database.write(lambda db: journal.audit(db, actor, act, subject, now))
