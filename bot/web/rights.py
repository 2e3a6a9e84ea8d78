"""Acts upon what customers ask about their data: who may, what it causes, and its trail (D6).

A copy and a deletion want a second person, as every export does (D5). A withdrawal takes effect
when it is written down; somebody still has to tell the customer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from bot import outbox
from bot.actions import Refuse, TellStaff
from bot.clock import today
from bot.duedates import Label, ask_to_decide, tell_owner
from bot.errors import Invalid
from bot.model import ExternalUserId, Role
from bot.store import consents, duty, journal, ledger, people, rights, sight, views
from bot.store.db import Db, Row
from bot.store.erasure import erase, mark_of
from bot.store.sight import Viewer
from bot.web.copying import make_copy
from bot.web.services import Services

KINDS = ("copy", "correct", "delete", "explain", "withdraw")
WAYS = ("counter", "phone", "chat", "letter")
PURPOSES = ("marketing", "profiling", "profiling_sensitive")
TWO_PEOPLE = frozenset({"copy", "delete"})
_SECOND = frozenset({Role.HEAD, Role.CITY, Role.COMPLIANCE})
_SHORTEST = 4
_OLDEST = timedelta(days=60)


def open_request(
    services: Services,
    who: Viewer,
    customer: str,
    *,
    kind: str,
    via: str,
    asked_on: str,
    words: str,
    purpose: str = "",
) -> int | None:
    """Write down what a customer asks for; its id, None when the viewer may not know them.

    Raises:
        Invalid: Something is missing, or the same is already under way.
    """
    db = services.database.read()
    row = views.customer(db, who, customer)
    if row is None:
        return None
    asked = _asked(services, kind, via, asked_on, words, purpose)
    if rights.is_running(db, customer, kind) and kind != "withdraw":
        raise Invalid("这位客户的同一种申请还在办,请在那一件里接着办")
    due = services.rules.calendar.add_workdays(asked, services.rules.thresholds.rights_days)
    values = {
        "external_userid": customer,
        "kind": kind,
        "purpose": purpose if kind == "withdraw" else "",
        "via": via,
        "branch": row["branch"],
        "asked_on": asked.isoformat(),
        "due_on": due.isoformat(),
        "words_sealed": services.vault.seal_text(" ".join(words.split())),
        "opened_at": _now(services),
        "opened_by": who.userid,
        "owner": _owner(db, who, customer, row["branch"]),
        "status": rights.WAITING if kind in TWO_PEOPLE else rights.OPEN,
    }
    if kind == "withdraw":
        _withdraw(services, who, customer, purpose)

    def keep(db: Db) -> int:
        number = rights.add(db, **values)
        rights.add_step(db, number, who.userid, "opened", values["opened_at"])
        subject = f"rights:{number}"
        journal.audit(db, who.userid, "open_right", subject, values["opened_at"], kind=kind)
        if values["status"] == rights.WAITING:
            _tell(services, db, ask_to_decide, number)
        return number

    return services.database.write(keep)


def _asked(
    services: Services, kind: str, via: str, asked_on: str, words: str, purpose: str
) -> date:
    """The day on which the customer asked, if everything fits together."""
    if kind not in KINDS or via not in WAYS:
        raise Invalid("请选客户要求什么、怎么提出的")
    if kind == "withdraw" and purpose not in PURPOSES:
        raise Invalid("请选撤回哪一项同意")
    if len(" ".join(words.split())) < _SHORTEST:
        raise Invalid("请写明客户的要求,至少四个字")
    try:
        asked = date.fromisoformat(asked_on)
    except ValueError:
        raise Invalid("请填客户提出的日期") from None
    now = today(services.clock)
    if not now - _OLDEST <= asked <= now:
        raise Invalid("提出的日期应在最近 60 天之内,不能晚于今天")
    return asked


def _owner(db: Db, who: Viewer, customer: str, branch: str) -> str:
    """Whoever may see all of the customer's data: the opener, a friend, the head."""
    if sight.may_see_sensitive(db, who, customer):
        return who.userid
    found = people.responsible_for(db, ExternalUserId(customer))
    return found or duty.branch_head(db, branch) or who.userid


def _withdraw(services: Services, who: Viewer, customer: str, purpose: str) -> None:
    now = _now(services)
    proof = f"staff:{who.userid}:{now}"
    if purpose == "marketing":
        services.act(Refuse(ExternalUserId(customer), "marketing", "staff_button", proof))
        return

    def keep(db: Db) -> None:
        consents.record_consent(
            db,
            customer,
            purpose,
            granted=False,
            channel="staff_button",
            proof=proof,
            at=now,
            employee=who.userid,
        )
        if purpose == "profiling_sensitive":
            ledger.forget_sensitive(db, customer)

    services.database.write(keep)
    services.refresh(customer)


# -- the second person


def may_decide(who: Viewer, row: Row) -> bool:
    """A head, the city branch or compliance, but neither who wrote it down nor who acts on it."""
    others = who.userid not in {row["opened_by"], row["owner"]}
    own_branch = who.role is not Role.HEAD or who.branch == row["branch"]
    return row["status"] == rights.WAITING and who.role in _SECOND and others and own_branch


def decide(
    services: Services, who: Viewer, request_id: int, *, agreed: bool, note: str
) -> Row | None:
    """Agree or send it back with a reason; an agreed deletion is carried out at once.

    Raises:
        Invalid: The viewer may not decide, decided too late, or gave no reason.
    """
    row = rights.request(services.database.read(), who, request_id)
    if row is None:
        return None
    if not may_decide(who, row):
        raise Invalid("要由另一位负责人批准:网点负责人、分行或合规,不能是登记人和承办人")
    if not agreed:
        return _end(services, who, row, rights.REFUSED, note)
    now = _now(services)

    def keep(db: Db) -> None:
        if not rights.approve(db, request_id, who.userid, now):
            raise Invalid("刚才已经有人处理过了,请刷新看结果")
        rights.add_step(db, request_id, who.userid, "approved", now)
        _audit(db, who, "approve_right", row, now)
        if row["kind"] != "delete":
            _tell(services, db, tell_owner, request_id)
        else:
            mark = mark_of(row["external_userid"])
            rights.close(db, request_id, rights.DONE, who.userid, now, None, mark)
            rights.add_step(db, request_id, who.userid, rights.DONE, now, mark)
            erase(db, row["external_userid"], who.userid, now)

    if row["kind"] == "delete":  # what is under way stops first
        proof = f"rights:{request_id}"
        customer = ExternalUserId(row["external_userid"])
        services.act(Refuse(customer, "all", "staff_button", proof))
    services.database.write(keep)
    return rights.request(services.database.read(), who, request_id)


# -- the owner


def may_act(db: Db, who: Viewer, row: Row) -> bool:
    """The owner; or, of customers in sight, the head of the branch."""
    head = who.role is Role.HEAD and sight.may_see(db, who, row["external_userid"])
    return row["status"] == rights.OPEN and (who.userid == row["owner"] or head)


def export(services: Services, who: Viewer, request_id: int) -> bytes | None:
    """The copy as a file; the trail holds its hash before anybody has it.

    Raises:
        Invalid: It is no copy, not approved, or somebody else's to act on.
    """
    db = services.database.read()
    row = rights.request(db, who, request_id)
    if row is None:
        return None
    if row["kind"] != "copy" or not may_act(db, who, row):
        raise Invalid("批准之后,由承办员工或网点负责人生成")
    made = make_copy(services, db, row, who)
    proof, now = hashlib.sha256(made).hexdigest(), _now(services)

    def keep(db: Db) -> None:
        rights.keep_proof(db, request_id, proof)
        rights.add_step(db, request_id, who.userid, "exported", now, proof)
        _audit(db, who, "export_copy", row, now, sha256=proof)

    services.database.write(keep)
    return made


def finish(services: Services, who: Viewer, request_id: int, status: str, note: str) -> Row | None:
    """The customer has what they asked for, or was told why not.

    Raises:
        Invalid: Nothing says what was done, or no copy was made yet.
    """
    db = services.database.read()
    row = rights.request(db, who, request_id)
    if row is None:
        return None
    if status not in {rights.DONE, rights.REFUSED} or not may_act(db, who, row):
        raise Invalid("由承办员工或网点负责人办结")
    if row["kind"] == "copy" and status == rights.DONE and not row["proof"]:
        raise Invalid("还没有生成过文件:先生成,交给客户,再办结")
    return _end(services, who, row, status, note)


def _end(services: Services, who: Viewer, row: Row, status: str, note: str) -> Row | None:
    words = " ".join(note.split())
    if len(words) < _SHORTEST:
        raise Invalid("请写明办得怎样、怎么告诉客户的,至少四个字")
    now, sealed = _now(services), services.vault.seal_text(words)
    proof = services.vault.words_hash(words)

    def keep(db: Db) -> None:
        fresh = "" if row["proof"] else proof
        if not rights.close(db, row["id"], status, who.userid, now, sealed, fresh):
            raise Invalid("刚才已经有人处理过了,请刷新看结果")
        rights.add_step(db, row["id"], who.userid, status, now)
        _audit(db, who, "close_right", row, now, outcome=status, words=proof)

    services.database.write(keep)
    return rights.request(services.database.read(), who, row["id"])


def _tell(
    services: Services,
    db: Db,
    message: Callable[[Db, Row, date, Label], TellStaff | None],
    request_id: int,
) -> None:
    row = db.one("SELECT * FROM rights_request WHERE id = :id", id=request_id)
    assert row is not None
    told = message(db, row, today(services.clock), services.rules.label)
    if told is not None:
        outbox.add(db, told, _now(services))


def _audit(db: Db, who: Viewer, act: str, before: Row, now: int, **why: Any) -> None:
    after = db.one("SELECT * FROM rights_request WHERE id = :id", id=before["id"])
    subject = f"rights:{before['id']}"
    journal.audit(
        db, who.userid, act, subject, now, before=before, after=after, kind=before["kind"], **why
    )


def _now(services: Services) -> int:
    return int(services.clock.now().timestamp() * 1000)
