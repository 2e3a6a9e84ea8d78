"""客户: the list, and one customer with the ledger and the words that prove it."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from bot.actions import Refuse
from bot.clock import today
from bot.model import ExternalUserId, Layer
from bot.store import alliance, consents, journal, lists, views
from bot.store.db import Db, Row
from bot.store.sight import visible_to
from bot.web.auth import Person, Sender, SignedIn, services_of
from bot.web.charts import bars
from bot.web.console.merging import same_person
from bot.web.console.referrals import referral_of
from bot.web.console.telling import Teller
from bot.web.corrections import note_act
from bot.web.pages import Missing
from bot.web.profiles import Profile, profile_of
from bot.web.services import Services
from bot.web.wording import phone_words

router = APIRouter(include_in_schema=False)
_PAGE = 50


@router.get("/customers")
def customers(
    request: Request,
    person: SignedIn,
    q: Annotated[str, Query(max_length=40)] = "",
    layer: Annotated[str, Query(max_length=20)] = "",
    segment: Annotated[str, Query(max_length=40)] = "",
    page: Annotated[int, Query(ge=1, le=2000)] = 1,
) -> Response:
    """Visible customers, who spoke last first."""
    services = services_of(request)
    db = services.database.read()
    rule = next((each for each in services.rules.segments if each.name == segment), None)
    wanted = views.Wanted(
        q.strip(),
        services.vault.phone_hash(q),
        layer,
        segment,
        sensitive_segment=rule is not None and rule.people_only,
    )
    scope = visible_to(person.viewer)
    rows = views.recent_customers(db, person.viewer, scope, wanted, (page - 1) * _PAGE)
    answer: Response = request.app.state.pages.page(
        "customers.html",
        person,
        here="customers",
        found=_entries(services, db, person, rows[:_PAGE]),
        more=len(rows) > _PAGE,
        asked={"q": q, "layer": layer, "segment": segment},
        page=page,
        layers=[each.value for each in Layer],
        segments=[each.name for each in services.rules.segments],
    )
    return answer


def _entries(services: Services, db: Db, person: Person, rows: list[Row]) -> list[dict[str, Any]]:
    teller = Teller(services, db, person.viewer)
    profiles = profile_of(services, db, person.viewer, rows)
    return [
        {
            "row": row,
            "name": teller.name(row["external_userid"]),
            "profile": profile,
            "staff": [teller.staff(each["userid"]) for each in profile.around.follows],
        }
        for row, profile in zip(rows, profiles, strict=True)
    ]


@router.get("/customers/{external_userid}")
def customer(
    request: Request,
    person: SignedIn,
    external_userid: str,
    same: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """One customer: who, what is known and why, what was sent, what is to be done."""
    services = services_of(request)
    db = services.database.read()
    row = views.customer(db, person.viewer, external_userid)
    if row is None:
        raise Missing
    (profile,) = profile_of(services, db, person.viewer, [row])
    teller = Teller(services, db, person.viewer)
    only = {"external_userid": external_userid}
    pushes = lists.pushes(db, person.viewer, only, limit=20)
    answer: Response = request.app.state.pages.page(
        "customer.html",
        person,
        here="customers",
        row=row,
        name=teller.name(external_userid),
        phone=phone_words(services.vault.open_text(row["phone_sealed"])),
        profile=profile,
        same=same_person(services, db, person, external_userid, same.strip()),
        impersonal=consents.is_impersonal(db, external_userid),
        not_asked_before=consents.not_asked_before(
            db,
            external_userid,
            services.rules.thresholds.refusal_days,
            int(services.clock.now().timestamp() * 1000),
        ),
        ledger=_ledger(services, teller, profile),
        pushes=[push_entry(services, each) for each in pushes],
        cases=[
            {"row": each, "matter": teller.matter(each), "topic": teller.topic(each)}
            for each in lists.pressing_cases(db, person.viewer, only, limit=10)
        ],
        benefits=alliance.of_customer(db, external_userid),
        fitting=alliance.fitting(db, external_userid, today(services.clock).isoformat()),
        referral=referral_of(db, person.viewer, teller, external_userid),
        staff=teller.staff,
        opens_group=teller.opens_group,
        chart=bars(profile.days(today(services.clock))),
    )
    return answer


def _ledger(
    services: Services, teller: Teller, profile: Profile
) -> list[tuple[str, list[dict[str, Any]]]]:
    """Facts by type in the order of the labels, each with where it was said."""
    by_type: dict[str, list[dict[str, Any]]] = {}
    for row in profile.around.facts:
        shown = teller.fact(row)
        if shown is not None and not shown["hidden"]:
            entry = {"row": row, **shown, "place": teller.place(row["msgid"])}
            by_type.setdefault(row["type"], []).append(entry)
    order = list(services.rules.labels.get("fact", {}))
    known = sorted(by_type, key=lambda kind: order.index(kind) if kind in order else len(order))
    return [(kind, by_type[kind]) for kind in known]


def push_entry(services: Services, row: Row) -> dict[str, Any]:
    """A push for the screen: its words, and the gate's reasons in words."""
    rules = json.loads(row["rules"])
    return {
        "row": row,
        "rules": [services.rules.label("rule", rule) for rule in rules],
        "text": services.vault.open_text(row["text_sealed"]),
    }


@router.post("/customers/{external_userid}/personal")
def personalise(
    request: Request,
    person: Sender,
    external_userid: str,
    on: Annotated[bool, Form()],
) -> Response:
    """The customer said so: switch personalisation off or on again (T4)."""
    services = services_of(request)
    if views.customer(services.database.read(), person.viewer, external_userid) is None:
        raise Missing
    now = int(services.clock.now().timestamp() * 1000)

    def change(db: Db) -> None:
        consents.record_consent(
            db,
            external_userid,
            "profiling",
            granted=on,
            channel="staff_button",
            proof=f"{person.viewer.userid}-{now}",
            at=now,
            employee=person.viewer.userid,
        )
        act = "personal_on" if on else "personal_off"
        journal.audit(db, person.viewer.userid, act, external_userid, now)

    services.database.write(change)
    return RedirectResponse(f"/customers/{external_userid}", 303)


@router.post("/customers/{external_userid}/refuse")
def refuse(request: Request, person: Sender, external_userid: str) -> Response:
    """An employee was told: no marketing any more, at once and bank-wide."""
    services = services_of(request)
    row = views.customer(services.database.read(), person.viewer, external_userid)
    if row is None:
        raise Missing
    if not row["refused"]:
        who = ExternalUserId(external_userid)
        proof = f"staff:{person.viewer.userid}"
        services.act(Refuse(who, "marketing", "staff_button", proof))
        note_act(services, person.viewer.userid, "register_refusal", external_userid)
    return RedirectResponse(f"/customers/{external_userid}", 303)
