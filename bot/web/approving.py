"""Approvals as answers of the JSON interface, and decisions that come by it."""

from __future__ import annotations

import json

from bot.approving.ground import Standing
from bot.errors import Invalid
from bot.store import approvals, sight
from bot.store.db import Db, Row
from bot.store.sight import Viewer
from bot.web.answers import ApprovalAnswer, DecisionAnswer, DutyAnswer
from bot.web.services import Services
from bot.web.wording import iso


def approval(services: Services, db: Db, row: Row) -> ApprovalAnswer:
    """One submitted version."""
    standing = services.approving.standing(db, row)
    history = approvals.decisions(db, row["id"])
    tried = approvals.last_dry_run(db, row["id"])
    return ApprovalAnswer(
        id=row["id"],
        campaign=row["name"],
        version=row["version"],
        status=row["status"],
        purpose=standing.campaign.purpose if standing.campaign else "",
        author=row["author"],
        submitter=row["submitter"],
        submitted_at=iso(row["submitted_at"]),
        source=row["source"],
        duties=_duties(services, standing, history),
        review_words=list(standing.review),
        valid=standing.valid,
        why=standing.why,
        expires_at=iso(int(standing.until.timestamp() * 1000)) if standing.until else None,
        dry_run=tried
        and {
            "on": tried["on_day"],
            "at": iso(tried["at"]),
            "counts": json.loads(tried["counts"]),
        },
        history=[_decision(each) for each in history],
    )


def _duties(services: Services, standing: Standing, history: list[Row]) -> list[DutyAnswer]:
    by = {each["duty"]: each["actor"] for each in history if each["vote"] == "approve"}
    asked = standing.required.duties if standing.required else frozenset()
    return [
        DutyAnswer(
            duty=duty,
            roles=sorted(services.rules.approvals.holders[duty]),
            approved_by=None if duty in standing.open else by.get(duty),
        )
        for duty in sorted(asked)
    ]


def _decision(row: Row) -> DecisionAnswer:
    return DecisionAnswer(
        at=iso(row["at"]),
        actor=row["actor"],
        via=row["via"],
        decision=row["vote"],
        duty=row["duty"],
        note=row["note"],
        expires_at=iso(row["expires_at"]),
    )


def decide(
    services: Services,
    caller: Viewer,
    version_id: int,
    decision: str,
    *,
    note: str,
    by: str,
    words: list[str],
) -> None:
    """Apply a decision of the bank's own approval system.

    Args:
        services: The running bot.
        caller: Who counts as the decider when nobody is named.
        version_id: What is decided about.
        decision: ``approve``, ``reject`` or ``revoke``, in either form of the verb.
        note: What they have to say.
        by: The employee who decided there; their role and their part in the text count.
        words: Review words that they looked at.

    Raises:
        Invalid: They may not, or something is missing.
    """
    who = sight.viewer(services.database.read(), by) if by else caller
    if who is None:
        raise Invalid("by 不是在职员工的 userid")
    acts = services.approving
    if decision.startswith("approve"):
        row = approvals.version(services.database.read(), version_id)
        if row is not None and not by and acts.standing(services.database.read(), row).review:
            raise Invalid("这份文字有要逐词复核的说法,请用 by 写明复核人,并在 words 里列出")
        acts.approve(who, version_id, note, words, via="api")
    elif decision.startswith("reject"):
        acts.reject(who, version_id, note, via="api")
    else:
        acts.revoke(who, version_id, note, via="api")
