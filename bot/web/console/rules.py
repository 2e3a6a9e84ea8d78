"""规则: how every reading rule did by what people said, and which to mend."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from bot.clock import SHANGHAI, today, written_day
from bot.errors import Invalid
from bot.model import Role
from bot.store import exporting as store
from bot.store import ledger, verdicts
from bot.store.db import Db, Row
from bot.store.sight import Viewer, visible_to
from bot.store.verdicts import Record, Span
from bot.web import exporting
from bot.web.auth import Sender, SignedIn, services_of
from bot.web.console.telling import Teller
from bot.web.pages import Missing
from bot.web.services import Services
from bot.web.wording import fact_words, shown_value

router = APIRouter(include_in_schema=False)
_EVERYWHERE = frozenset({Role.CITY, Role.COMPLIANCE, Role.ADMIN})
_DAYS = 90
_Day = Annotated[str, Query(max_length=10)]


def branch_of(who: Viewer) -> str | None:
    """Whose corrections somebody may see: a branch, "" for all, None for nobody's."""
    if who.role in _EVERYWHERE:
        return ""
    return who.branch if who.role is Role.HEAD and who.branch else None


def span_of(first: date, last: date) -> Span:
    """Days in Asia/Shanghai, both included."""
    begin = datetime.combine(first, time(), SHANGHAI)
    end = datetime.combine(last, time.max, SHANGHAI)
    return Span(
        first.isoformat(),
        last.isoformat(),
        int(begin.timestamp() * 1000),
        int(end.timestamp() * 1000),
    )


def records_of(services: Services, branch: str, span: Span) -> list[Record]:
    """The record of every rule, those to mend first."""
    line = services.rules.thresholds.rule_record
    return verdicts.records(
        services.database.read(),
        span,
        least=line.verdicts,
        mend_below=line.mend_below,
        branch=branch,
    )


@router.get("/rules")
def rules(
    request: Request,
    person: SignedIn,
    first: Annotated[_Day, Query(alias="from")] = "",
    last: Annotated[_Day, Query(alias="to")] = "",
) -> Response:
    """Every rule that people judged, and what they found that no rule read."""
    services = services_of(request)
    branch = branch_of(person.viewer)
    if branch is None:
        raise Missing
    end = written_day(last) or today(services.clock)
    begin = min(written_day(first) or date.fromordinal(max(1, end.toordinal() - _DAYS + 1)), end)
    found = records_of(services, branch, span_of(begin, end))
    answer: Response = request.app.state.pages.page(
        "rules.html",
        person,
        here="rules",
        judged=[one for one in found if one.judged and one.reader != verdicts.PERSON],
        unjudged=sum(not one.judged for one in found if one.reader != verdicts.PERSON),
        missed=[one for one in found if one.added],
        first=begin.isoformat(),
        last=end.isoformat(),
        line=services.rules.thresholds.rule_record,
        branch=branch,
        exports=_exports(services, person.viewer),
    )
    return answer


def _exports(services: Services, who: Viewer) -> list[dict[str, Any]]:
    """What was asked to leave the machine; for those who see all branches."""
    if who.role not in _EVERYWHERE:
        return []
    db = services.database.read()
    teller = Teller(services, db, who)
    return [
        {
            "row": row,
            "asked_by": teller.staff(row["asked_by"]),
            "decided_by": teller.staff(row["decided_by"]),
            "may_decide": exporting.may_decide(who, row),
        }
        for row in store.latest(db)
    ]


@router.post("/rules/exports/{number}")
def decide_export(
    request: Request, person: Sender, number: int, agreed: Annotated[bool, Form()]
) -> Response:
    """The second person agrees to an export, or does not."""
    services = services_of(request)
    if person.viewer.role not in _EVERYWHERE:
        raise Missing
    try:
        exporting.decide(services.database, services.clock, person.viewer, number, agreed=agreed)
    except Invalid as why:
        return Response(str(why), 409, media_type="text/plain; charset=utf-8")
    return RedirectResponse("/rules", 303)


@router.get("/rules/{rule}")
def rule(request: Request, person: SignedIn, rule: str) -> Response:
    """The newest corrections of one rule, each with the words as far as the viewer may see."""
    services = services_of(request)
    if branch_of(person.viewer) is None:
        raise Missing
    db = services.database.read()
    rows = verdicts.examples_of(db, visible_to(person.viewer), rule)
    teller = Teller(services, db, person.viewer)
    answer: Response = request.app.state.pages.page(
        "rule.html",
        person,
        here="rules",
        rule=rule,
        entries=[_entry(services, db, teller, row) for row in rows],
    )
    return answer


def _entry(services: Services, db: Db, teller: Teller, row: Row) -> dict[str, Any]:
    fact = teller.fact(ledger.fact_row(db, row["fact_id"]))
    entry: dict[str, Any] = {"row": row, "by": teller.staff(row["by"]), "fact": fact}
    if fact is None or fact["hidden"]:
        return entry
    sensitive = teller.sees_sensitive(row["external_userid"])

    def words(value: str) -> str:
        shown = shown_value(json.loads(value), sensitive=sensitive)
        return fact_words(row["type"], shown, services.rules.label, today(services.clock))

    return entry | {"given": words(row["given"]), "stated": words(row["stated"])}
