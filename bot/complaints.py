"""Complaints: until when they are settled, who may not handle them, and who is reminded (E1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from bot.actions import Errand, OpenCase, TellStaff
from bot.clock import SHANGHAI
from bot.handing import first_for
from bot.model import ExternalUserId, UserId
from bot.rulebook import Rulebook
from bot.store import cases, duty, journal, ledger, people, talk
from bot.store.db import Db, Row
from bot.vault import Vault
from scheduler.voice import day_words

COMPLAINT = "complaint"
STEPS = (15, 30, 60)
"""Days from the first message until a complaint is settled; each next one wants an approval."""
_NEAR = timedelta(days=3)
_TITLES = "客户经理|理财经理|经理|行长|主任|主管|柜员|老师|师傅|总"
_NEAR_STEP, _LATE_STEP = "settle near", "settle late"


@dataclass(frozen=True, slots=True)
class Handling:
    """Who handles a case; of a complaint whom it is about, too, and its last day.

    Attributes:
        handler: None when nobody may.
        settle_by: ISO, ``settle_days`` after the day on which it was heard.
    """

    handler: UserId | None
    concerned: tuple[str, ...] = ()
    settle_by: str = ""
    settle_days: int = 0


def handling_of(
    db: Db,
    rules: Rulebook,
    vault: Vault,
    change: OpenCase,
    branch: str,
    now: int,
) -> Handling:
    """How a new complaint is handled.

    Whoever would answer is whom it is about when its topic is about staff and names nobody else.

    Args:
        db: The transaction.
        rules: The branch's rules.
        vault: Opens the customer's words.
        change: The complaint, perhaps with its fact.
        branch: Of the customer.
        now: Epoch milliseconds; the clock of a complaint without a fact begins here.
    """
    fact = ledger.fact_row(db, change.fact_id) if change.fact_id else None
    usual = people.responsible_for(db, change.customer, change.chat_id)
    about = set(_named(db, _words(db, vault, fact), branch, usual) if fact else ())
    if change.topic in rules.escalation.about_staff and not about and usual:
        about = {usual}
    heard = ledger.observed_at(fact) if fact else rules.moment(now)
    last = heard.astimezone(SHANGHAI).date() + timedelta(days=STEPS[0])
    first = None if about else first_for(db, change.customer, change.chat_id)
    handler = first or duty.in_charge(db, branch, about)
    return Handling(handler, tuple(sorted(about)), last.isoformat(), STEPS[0])


def _words(db: Db, vault: Vault, fact: Row) -> str:
    """All that the customer said in the message, else the words that prove the fact."""
    message = talk.message(db, fact["msgid"])
    whole = vault.open_text(message["text_sealed"]) if message is not None else ""
    return whole or vault.open_text(fact["words_sealed"])


def _named(db: Db, words: str, branch: str, first: str | None) -> list[str]:
    """The employees of the branch, and whoever acts first, whose names stand in the words."""
    return [
        row["userid"]
        for row in duty.colleagues(db, branch, first or "")
        if _names(row["name"], words)
    ]


def _names(name: str, words: str) -> bool:
    if len(name) < 2:
        return False
    surname = re.escape(name[0])
    return name in words or bool(re.search(f"{surname}({_TITLES})|[小老]{surname}(?!区|时)", words))


def is_about(case: Row, userid: str) -> bool:
    """Whether a complaint is about an employee, who then may not handle it."""
    return userid in case["concerned"].split(",")


def next_days(case: Row) -> int | None:
    """The days that a complaint would have after one more extension; None when there is none."""
    longer = (days for days in STEPS if days > case["settle_days"] > 0)
    return next(longer, None)


def remind(db: Db, today: date, now: int, add: Callable[[Db, Errand, int], bool]) -> int:
    """Tell handlers three days ahead, and whoever is above them once the last day passed.

    Each is said once for a last day; how many were said.
    """
    near = cases.to_settle(db, (today + _NEAR).isoformat(), _NEAR_STEP)
    late = cases.to_settle(db, (today - timedelta(days=1)).isoformat(), _LATE_STEP)
    for case in late:
        but = {case["assignee"], *case["concerned"].split(",")}
        above = duty.in_charge(db, case["branch"], but) or ""
        _remind(db, case, above, _LATE_STEP, "staff_complaint_late", today, now, add)
        journal.audit(db, "bot", "complaint_late", f"case:{case['id']}", now, to=above)
    passed = {case["id"] for case in late}
    for case in near:
        if case["id"] not in passed:
            who = case["assignee"]
            _remind(db, case, who, _NEAR_STEP, "staff_complaint_near", today, now, add)
    return len(near) + len(late)


def _remind(
    db: Db,
    case: Row,
    to: str,
    step: str,
    words: str,
    today: date,
    now: int,
    add: Callable[[Db, Errand, int], bool],
) -> None:
    cases.add_step(db, case["id"], "bot", step, now, note=case["settle_by"])
    if to:
        add(db, message(db, case, to, words, today), now)


def message(db: Db, case: Row, to: str, words: str, today: date, matter: str = "") -> TellStaff:
    """A message about a complaint to one employee, once for each last day."""
    handler = people.staff(db, case["assignee"])
    values = {
        "matter": matter,
        "count": case["id"],
        "deadline": day_words(date.fromisoformat(case["settle_by"]), today),
        "assignee": handler["name"] if handler is not None and handler["name"] else "还没有人",
    }
    cause = f"case-{case['id']}-{case['settle_by']}-{matter}"
    return TellStaff(UserId(to), words, values, ExternalUserId(case["external_userid"]), cause)
