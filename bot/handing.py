"""Cases from hand to hand: who stands in, who hears of what is late, what comes back (E3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from bot.actions import Errand, TellStaff
from bot.happenings import CaseHandedOn, CaseOverdue
from bot.model import ExternalUserId, OpenKfId, UserId
from bot.rulebook import Rulebook
from bot.store import cases, duty, journal, people, talk
from bot.store.db import Db, Row

_EXPECTED = frozenset({"complaint", "unanswered", "fraud", "advice"})
"""Kinds of case of which a customer in customer service was told that a person gets in touch."""
_KF_OPEN = int(timedelta(hours=48).total_seconds() * 1000)


def first_for(db: Db, customer: ExternalUserId, chat_id: str) -> UserId | None:
    """Who acts first for a customer; for somebody off duty their deputy, None for nobody."""
    usual = people.responsible_for(db, customer, chat_id)
    if usual and duty.is_on(db, usual):
        return usual
    friends = [row["userid"] for row in people.follows_of(db, customer)]
    deputies = (duty.deputy_of(db, each) for each in (usual, *friends) if each)
    return next((each for each in deputies if each), None)


def hand_on(db: Db, rules: Rulebook, now: int) -> Iterator[CaseHandedOn]:
    """Open cases of nobody, or of somebody who is off duty now, go to whoever stands in."""
    for case in cases.unattended(db):
        about = case["concerned"].split(",")
        deputy = duty.deputy_of(db, case["assignee"])
        fits = deputy and deputy not in about
        heir = deputy if fits else duty.in_charge(db, case["branch"], {case["assignee"], *about})
        if heir is not None:
            cases.hand_on(db, case["id"], heir, now)
            yield _moved(db, rules, case, "handed on", heir, now)


def raise_late_cases(db: Db, rules: Rulebook, now: int) -> Iterator[CaseOverdue]:
    """Cases past their deadline go to the head as well, else to the city, each once."""
    for case in cases.overdue(db, now):
        but = {case["assignee"], *case["concerned"].split(",")}
        head = duty.in_charge(db, case["branch"], but)
        if head is None or not cases.raise_case(db, case["id"], head, now):
            continue
        _note(db, "case_overdue", case, head, now)
        customer, kf = ExternalUserId(case["external_userid"]), _account(db, case, now)
        yield CaseOverdue(case["id"], customer, head, rules.moment(now), kf)


def give_back(
    db: Db, rules: Rulebook, now: int, add: Callable[[Db, Errand, int], bool]
) -> Iterator[CaseHandedOn]:
    """What the head did not take either goes back, once, and somebody above hears of it.

    A case that somebody put off is taken until the day that they named.
    """
    for case in cases.not_taken(db, now):
        until = rules.second_deadline(rules.moment(case["raised_at"]))
        if int(until.timestamp() * 1000) > now:
            continue
        cases.add_step(db, case["id"], "bot", "returned", now, note=case["assignee"])
        but = {case["assignee"], case["raised_to"], *case["concerned"].split(",")}
        above = duty.in_charge(db, case["branch"], but)
        if above is not None:
            add(db, _word(db, rules, case, above), now)
        yield _moved(db, rules, case, "returned", UserId(case["assignee"]), now)


def _moved(db: Db, rules: Rulebook, case: Row, how: str, to: UserId, now: int) -> CaseHandedOn:
    kind = "case_returned" if how == "returned" else "case_handed_on"
    _note(db, kind, case, to, now)
    customer, turn = ExternalUserId(case["external_userid"]), cases.turns(db, case["id"])
    kf = _account(db, case, now) if how == "returned" else None
    return CaseHandedOn(case["id"], customer, to, turn, rules.moment(now), kf)


def _word(db: Db, rules: Rulebook, case: Row, to: UserId) -> TellStaff:
    names = [people.staff(db, each) for each in (case["assignee"], case["raised_to"])]
    known = [row["name"] for row in names if row is not None and row["name"]]
    values = {
        "matter": rules.label("case", case["kind"]),
        "count": case["id"],
        "names": "、".join(known) or "承办的人",
    }
    who = ExternalUserId(case["external_userid"])
    return TellStaff(to, "staff_case_returned", values, who, f"case-{case['id']}")


def _account(db: Db, case: Row, now: int) -> OpenKfId | None:
    """Where a customer who expects to hear from us can still be told: they wrote there lately."""
    if case["kind"] not in _EXPECTED or case["chat_id"]:
        return None
    return talk.kf_account(db, case["external_userid"], now - _KF_OPEN)


def _note(db: Db, kind: str, case: Row, userid: str, now: int) -> None:
    customer = case["external_userid"]
    journal.note(db, kind, now, customer=customer, userid=userid, ref=case["id"], case=case["kind"])
