"""报表: figures with their base, by employee and branch; who may see which branch."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from bot.clock import today, written_day
from bot.model import Role
from bot.store.sight import Viewer
from bot.web.auth import SignedIn, services_of
from bot.web.charts import interval
from bot.web.figures import SHOWN, figures

router = APIRouter(include_in_schema=False)
_EVERYWHERE = frozenset({Role.CITY, Role.COMPLIANCE, Role.ADMIN})
_OWN = ("people",)
_Day = Annotated[str, Query(max_length=10)]


def shown_to(who: Viewer) -> tuple[str, ...]:
    """The tabs that somebody sees: everybody their own figures, a head the branch's."""
    if who.role in _EVERYWHERE:
        return SHOWN
    if who.role is Role.HEAD and who.branch:
        return tuple(
            name for name in SHOWN if name not in {"branches", "lift", "pushes", "cases", "groups"}
        )
    return _OWN


@router.get("/reports")
def report(
    request: Request,
    person: SignedIn,
    name: Annotated[str, Query(max_length=20)] = "people",
    first: Annotated[_Day, Query(alias="from")] = "",
    last: Annotated[_Day, Query(alias="to")] = "",
) -> Response:
    """One report of a span of days, this month up to today unless told otherwise."""
    services = services_of(request)
    who = person.viewer
    tabs = shown_to(who)
    chosen = name if name in tabs else tabs[0]
    end = written_day(last) or today(services.clock)
    begin = min(written_day(first) or end.replace(day=1), end)
    branch = "" if who.role in _EVERYWHERE else who.branch or "-"
    rows = figures(services, who, chosen, begin, end, branch=branch)
    answer: Response = request.app.state.pages.page(
        "reports.html",
        person,
        here="reports",
        tabs=tabs,
        chosen=chosen,
        rows=_own(who, rows) if tabs == _OWN else rows,
        interval=lambda row: interval(row["low"], row["lift"], row["high"], sure=not row["note"]),
        first=begin.isoformat(),
        last=end.isoformat(),
    )
    return answer


def _own(who: Viewer, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["userid"] == who.userid]
