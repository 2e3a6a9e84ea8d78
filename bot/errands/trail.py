"""What is written before a mass send leaves our hands: the gate's answers and the audit row."""

from __future__ import annotations

from typing import Any

from bot.errands.judging import Judged
from bot.rulebook import Rulebook
from bot.store import journal, pushes
from bot.store.db import Db, Row


def write_decision(db: Db, judged: Judged, now: int) -> int | None:
    """Write the gate's answer about a push; until when it holds, epoch milliseconds."""
    push, decision = judged.push, judged.decision
    until = int(decision.until.timestamp() * 1000) if decision.until else None
    pushes.write_decision(
        db,
        now,
        answer=decision.answer,
        rules=decision.rules,
        purpose=push["purpose"],
        customer=push["external_userid"],
        push_id=push["id"],
        until=until,
        inputs=_inputs(judged),
    )
    return until


def _inputs(judged: Judged) -> dict[str, Any]:
    """What the decision rested on besides the customer: text and permission."""
    permit = judged.permit
    found: dict[str, Any] = {
        "campaign": judged.push["campaign"],
        "version": judged.push["version"],
    }
    if permit is not None:
        found |= {"permit": permit.why, "text": permit.stamp, "approvals": list(permit.approvals)}
    return found


def account_for_call(db: Db, rules: Rulebook, task: Row, staying: list[Judged], now: int) -> None:
    """The trail is written before the call, in the transaction that begins it (U1).

    Where it cannot be written, the call does not begin.
    """
    permit = staying[0].permit
    assert permit is not None
    approved = ",".join(str(each) for each in permit.approvals)
    journal.audit(
        db,
        "bot",
        "send",
        f"task:{task['id']}",
        now,
        before=task,
        after=pushes.task(db, task["id"]),
        rules={
            "text": permit.stamp,
            "approval": approved or permit.why,
            "words": rules.words.text_hash[:12],
        },
        sender=task["sender"],
        text=task["text_hash"],
        pushes=[each.push["id"] for each in staying],
    )
