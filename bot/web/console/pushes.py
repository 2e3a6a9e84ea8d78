"""发送: what was planned, held, dropped and delivered, and why; and a dry run of any day."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from bot.clock import today, written_day
from bot.store import chats, lists
from bot.store.account import PARTS, account
from bot.store.db import Db, Row
from bot.store.lists import groups_seen
from bot.store.sight import visible_to
from bot.store.views import visible_of
from bot.web.auth import Person, SignedIn, services_of
from bot.web.console import switches
from bot.web.console.customers import push_entry
from bot.web.console.telling import Teller
from bot.web.pages import Missing
from bot.web.services import Services
from scheduler.audience import EVERYONE, chooses

router = APIRouter(include_in_schema=False)
STATUSES = (
    "planned",
    "held",
    "ready",
    "tasked",
    "confirmed",
    "dropped",
    "expired",
    "failed",
)
_MOST = 200
_SENT_BEFORE = "G14"
_FAMILY = {
    "written": "occasion",
    "approved": "vote",
    "chosen": "occasion",
    "consent": "purpose",
    "decided": "decision",
    "sent": "task_status",
    "answered": "push_status",
}
"""Which labels name the slug of each part of an account."""


@router.get("/pushes")
def pushes(
    request: Request,
    person: SignedIn,
    on: Annotated[str, Query(max_length=10)] = "",
    campaign: Annotated[str, Query(max_length=60)] = "",
    status: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Pushes of a day (today unless told otherwise; ``all`` for every day)."""
    services = services_of(request)
    db = services.database.read()
    day = _day(services, on)
    wanted = {"campaign": campaign, "status": status}
    if on != "all":
        wanted["planned_on"] = day.isoformat()
    rows = lists.pushes(db, person.viewer, wanted, limit=_MOST)
    teller = Teller(services, db, person.viewer)
    answer: Response = request.app.state.pages.page(
        "pushes.html",
        person,
        here="pushes",
        entries=[
            {
                **push_entry(services, row),
                "customer": _recipient(db, teller, row),
                "sender": teller.staff(row["sender"]),
            }
            for row in rows
        ],
        most=_MOST,
        switches=switches.scopes_of(person.viewer),
        stopped=[dict(row) for row in switches.engaged(db, person.viewer)],
        on="all" if on == "all" else day.isoformat(),
        day_iso=day.isoformat(),
        asked={"campaign": campaign, "status": status},
        campaigns=lists.campaigns(db),
        statuses=STATUSES,
    )
    return answer


@router.get("/pushes/plan")
def plan(
    request: Request, person: SignedIn, on: Annotated[str, Query(max_length=10)] = ""
) -> Response:
    """What a day would bring: nothing is changed by asking."""
    services = services_of(request)
    day = _day(services, on)
    entries = services.plan(day.isoformat())
    db = services.database.read()
    people = [each["external_userid"] for each in entries if each["external_userid"]]
    seen = visible_of(db, visible_to(person.viewer), people)
    seen |= groups_seen(db, person.viewer)
    shown = [each for each in entries if (each["chat_id"] or each["external_userid"]) in seen]
    answer: Response = request.app.state.pages.page(
        "plan.html",
        person,
        here="pushes",
        entries=_told(services, db, person, shown),
        on=day.isoformat(),
        counts=_counts(shown),
    )
    return answer


@router.get("/pushes/{push_id}")
def push(request: Request, person: SignedIn, push_id: int) -> Response:
    """One message: who wrote it, who approved, why this customer, and what came of it (U2)."""
    services = services_of(request)
    db = services.database.read()
    row = lists.push(db, person.viewer, push_id)
    if row is None:
        raise Missing
    teller = Teller(services, db, person.viewer)
    answer: Response = request.app.state.pages.page(
        "push.html",
        person,
        here="pushes",
        entry=push_entry(services, row),
        customer=teller.name(row["external_userid"]) if row["external_userid"] else "",
        sender=teller.staff(row["sender"]),
        steps=[account_step(services, teller, each) for each in account(db, [push_id])[push_id]],
    )
    return answer


def account_step(services: Services, teller: Teller, row: Row) -> dict[str, Any]:
    """A step of the account in words."""
    label, part = services.rules.label, PARTS[row["part"] - 1]
    what, detail = row["what"], row["detail"]
    if part == "decided":
        detail = "、".join(label("rule", rule) for rule in json.loads(detail))
    elif part == "approved":
        detail = label("duty", detail)
    elif part == "consent":
        channel, _, proof = detail.partition(" ")
        proof = proof.replace("notice:", label("consent_part", "notice"))
        detail = " ".join((label("consent_channel", channel), proof)).strip()
    elif part == "answered":
        detail = label("push_reason", detail)
    elif what == "by_rule":
        detail = _inputs_words(services, detail)
    elif part == "chosen":
        cycle, _, step = detail.partition(" ")
        detail = f"{cycle} 提前{step}天" if step not in {"", "0"} else cycle
    return {
        "part": part,
        "at": row["at"],
        "who": "" if row["who"] in {"gate", "wecom"} else row["who"],
        "name": teller.staff(row["who"]),
        "what": label(_FAMILY[part], what),
        "detail": detail,
    }


def _counts(entries: list[dict[str, Any]]) -> dict[str, int]:
    """By decision; what went out before is counted apart from what may not go."""
    found = {"send": 0, "hold": 0, "drop": 0, "done": 0}
    for each in entries:
        found["done" if each["rules"] == [_SENT_BEFORE] else each["decision"]] += 1
    return found


def _told(
    services: Services, db: Db, person: Person, entries: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    teller = Teller(services, db, person.viewer)
    label = services.rules.label
    return [
        {
            **each,
            "name": _recipient(db, teller, each),
            "by": teller.staff(each["sender"]),
            "chosen": chosen_words(services, each["chosen"]),
            "why": [label("rule", rule) for rule in each["rules"]],
        }
        for each in entries
    ]


def _recipient(db: Db, teller: Teller, entry: Any) -> str:
    """The customer, or the group, of a push."""
    if entry["chat_id"]:
        return f"群「{chats.group_name(db, entry['chat_id'])}」"
    return teller.name(entry["external_userid"]) if entry["external_userid"] else ""


def _inputs_words(services: Services, detail: str) -> str:
    """What a choice rested on, a list in JSON before the rule, and whether that chooses again."""
    words, end = json.JSONDecoder().raw_decode(detail)
    again = chooses(json.loads(detail[end:]), words)
    label = services.rules.label("replay", "same" if again else "other")
    told = "、".join(_input_words(services, *word.split(" ", 1)) for word in words)
    return f"{told}({label})"


def _input_words(services: Services, kind: str, name: str) -> str:
    slug, _, version = name.partition(" ")
    segments = {rule.name: rule.label for rule in services.rules.segments}
    told = segments.get(slug) if kind == "segment" else None
    told = told or services.rules.label(kind, name)
    return f"{told}(规则第 {version} 版)" if kind == "segment" else told


def chosen_words(services: Services, chosen: dict[str, Any]) -> str:
    """Why somebody is in it: the rule of the campaign, in words."""
    audience = chosen["by"].get("audience", EVERYONE)
    if audience == EVERYONE:
        return ""
    label = services.rules.label
    segments = {rule.name: rule.label for rule in services.rules.segments}
    return ";".join(
        "、".join(segments.get(name) or label(kind, name) for name in names)
        for kind, names in audience.items()
    )


def _day(services: Services, written: str) -> date:
    """The day that was asked for; today for anything that is none."""
    return written_day(written) or today(services.clock)
