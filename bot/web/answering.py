"""Rows of the store as answers of the JSON interface."""

from __future__ import annotations

import json

from bot.store import ledger, lists, rights
from bot.store.account import PARTS
from bot.store.db import Db, Row
from bot.web.answers import (
    AccountAnswer,
    ActivityAnswer,
    AuditAnswer,
    ConsentAnswer,
    CustomerAnswer,
    EscalationAnswer,
    EventAnswer,
    EvidenceAnswer,
    FactAnswer,
    FollowUser,
    GroupAnswer,
    GroupHealth,
    GroupOfCustomer,
    HoldingAnswer,
    MemberAnswer,
    PushAnswer,
    RightAnswer,
    SignupAnswer,
    StepAnswer,
    TaskAnswer,
)
from bot.web.profiles import Profile
from bot.web.services import Services
from bot.web.wording import iso, shown_quote, shown_value


def customer(services: Services, profile: Profile) -> CustomerAnswer:
    """One customer."""
    row, around = profile.row, profile.around
    return CustomerAnswer(
        external_userid=row["external_userid"],
        name=row["name"],
        layer=row["layer"],
        contact_class=profile.standing.contact_class,
        states=list(profile.standing.states),
        segments=profile.segments,
        tags=[each["name"] for each in around.tags],
        facts=[fact(services, each, sensitive=around.sensitive) for each in around.facts],
        holdings=[holding(each) for each in around.holdings],
        follow_users=[_follow(each) for each in around.follows],
        groups=[
            GroupOfCustomer(
                chat_id=each["chat_id"], name=each["name"], joined_at=iso(each["joined_at"])
            )
            for each in around.groups
        ],
        consent=ConsentAnswer.model_validate(profile.consent),
        activity=_activity(profile),
    )


def _follow(row: Row) -> FollowUser:
    return FollowUser(
        userid=row["userid"], remark=row["remark"], state=row["state"], since=iso(row["since_at"])
    )


def _activity(profile: Profile) -> ActivityAnswer:
    stand = profile.standing
    return ActivityAnswer(
        score=stand.score,
        messages_7=stand.messages_7,
        days_7=stand.days_7,
        messages_30=stand.messages_30,
        days_30=stand.days_30,
        replies_30=stand.replies_30,
        questions_30=stand.questions_30,
        sign_ups_30=stand.sign_ups_30,
        last_spoke_at=iso(stand.last_spoke_at),
    )


def fact(services: Services, row: Row, *, sensitive: bool) -> FactAnswer:
    """One fact, covered up for those who may not see what is sensitive."""
    return FactAnswer(
        id=row["id"],
        type=row["type"],
        value=shown_value(json.loads(row["value"]), sensitive=sensitive),
        evidence=evidence(services, row, sensitive=sensitive),
        confidence=row["confidence"],
        observed_at=iso(row["observed_at"]),
        status=row["status"],
        rule=row["rule"],
        version=row["version"],
    )


def evidence(services: Services, row: Row, *, sensitive: bool) -> EvidenceAnswer:
    """The words behind a fact."""
    words = services.vault.open_text(row["words_sealed"])
    return EvidenceAnswer(
        msgid=row["msgid"],
        start=row["start"],
        end=row["end"],
        text=shown_quote(words, sensitive=sensitive),
    )


def holding(row: Row) -> HoldingAnswer:
    """One holding."""
    return HoldingAnswer.model_validate({name: row[name] for name in HoldingAnswer.model_fields})


def group(row: Row, members: list[Row] | None) -> GroupAnswer:
    """One group with the life of its last seven days."""
    health = GroupHealth(
        joined=row["joined"], left=row["gone"], spoke=row["spoke"], messages=row["messages"]
    )
    return GroupAnswer(
        chat_id=row["chat_id"],
        name=row["name"],
        owner=row["owner"],
        branch=row["branch"],
        member_count=row["members"],
        customer_count=row["customers"],
        created_at=iso(row["created_at"]),
        health=health,
        members=None if members is None else [_member(each) for each in members],
    )


def _member(row: Row) -> MemberAnswer:
    return MemberAnswer(
        id=row["member"],
        name=row["staff_name"] or row["name"] or row["nickname"],
        joined_at=iso(row["joined_at"]),
    )


def push(services: Services, row: Row, steps: list[Row]) -> PushAnswer:
    """One push with its task, its words and the account of it."""
    task = None
    if row["task_id"] is not None and row["task_status"] is not None:
        task = TaskAnswer(
            id=row["task_id"], status=row["task_status"], wecom_msgid=row["wecom_msgid"]
        )
    same = (
        "id",
        "key",
        "campaign",
        "occasion",
        "cycle",
        "step",
        "external_userid",
        "chat_id",
        "purpose",
        "channel",
        "sender",
        "status",
        "reason",
    )
    return PushAnswer(
        **{name: row[name] for name in same},
        due_at=iso(row["due_at"]),
        rules=json.loads(row["rules"]),
        text=services.vault.open_text(row["text_sealed"]) or None,
        task=task,
        confirmed_at=iso(row["confirmed_at"]),
        account=[
            AccountAnswer(
                part=PARTS[each["part"] - 1],
                at=iso(each["at"]),
                who=each["who"],
                what=each["what"],
                detail=each["detail"],
            )
            for each in steps
        ],
    )


def escalation(services: Services, db: Db, row: Row) -> EscalationAnswer:
    """One case with its history and the words behind it."""
    proof = ledger.fact_row(db, row["fact_id"]) if row["fact_id"] else None
    said = proof is not None and proof["status"] != "recalled"
    steps = lists.steps_of(db, [row["id"]])[row["id"]]
    return EscalationAnswer(
        id=row["id"],
        kind=row["kind"],
        topic=row["topic"],
        external_userid=row["external_userid"],
        chat_id=row["chat_id"],
        assignee=row["assignee"],
        opened_at=iso(row["opened_at"]),
        deadline=iso(row["deadline_at"]),
        settle_by=row["settle_by"] or None,
        settle_days=row["settle_days"],
        extension_asked_by=row["extend_by"] or None,
        concerned=[each for each in row["concerned"].split(",") if each],
        status=row["status"],
        outcome=row["outcome"],
        note=row["note"],
        evidence=evidence(services, proof, sensitive=True) if proof and said else None,
        history=[_step(each) for each in steps],
    )


def right(services: Services, db: Db, row: Row) -> RightAnswer:
    """One request of a customer about their data."""
    same = ("id", "external_userid", "kind", "purpose", "via", "branch", "asked_on", "due_on")
    return RightAnswer(
        **{name: row[name] for name in (*same, "status", "owner", "opened_by", "proof")},
        words=services.vault.open_text(row["words_sealed"]),
        opened_at=iso(row["opened_at"]),
        approved_at=iso(row["approved_at"]),
        approved_by=row["approved_by"] or None,
        raised_to=row["raised_to"] or None,
        closed_at=iso(row["closed_at"]),
        closed_by=row["closed_by"] or None,
        note=services.vault.open_text(row["note_sealed"]),
        history=[_step(each) for each in rights.steps(db, row["id"])],
    )


def _step(row: Row) -> StepAnswer:
    return StepAnswer(at=iso(row["at"]), actor=row["actor"], step=row["step"], note=row["note"])


def audit(row: Row) -> AuditAnswer:
    """One row of the trail."""
    return AuditAnswer(
        id=row["id"],
        at=iso(row["at"]),
        actor=row["actor"],
        act=row["act"],
        object=row["object"],
        why=json.loads(row["why"]),
        hash=row["hash"],
    )


def event(row: Row) -> EventAnswer:
    """One event."""
    same = ("id", "code", "name", "kind", "branch", "place", "seats", "taken", "waiting", "came")
    return EventAnswer(
        **{name: row[name] for name in (*same, "host", "audience", "status")},
        starts_at=iso(row["starts_at"]),
        ends_at=iso(row["ends_at"]),
        sign_up_until=iso(row["sign_up_until"]),
    )


def sign_up(row: Row) -> SignupAnswer:
    """One customer's sign-up."""
    same = ("id", "external_userid", "party", "status", "source", "chat_id")
    return SignupAnswer(
        **{name: row[name] for name in same},
        at=iso(row["at"]),
        came_at=iso(row["came_at"]),
        spoke=bool(row["spoke"]),
    )
