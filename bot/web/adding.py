"""What a person found in a customer's words that no reader read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from bot.clock import today
from bot.errors import Invalid
from bot.facts import SENSITIVE_KEYS, Evidence, Fact, FactClass, FactType
from bot.listening import KF_ALWAYS
from bot.model import ArchivedMessage, ExternalUserId, Role
from bot.schema import check_value
from bot.store import journal, ledger, people, sight, talk, verdicts
from bot.store.db import Db, Row
from bot.store.sight import Viewer
from bot.web.services import Services
from bot.web.wording import shown_quote

ADDABLE = tuple(kind for kind in FactType if kind is not FactType.OPT_IN)
"""Consent is the customer's alone to give: nobody registers it for them here."""


def mine(who: Viewer) -> str | None:
    """Whose one-to-one conversations somebody may look into: their own, a head all (None)."""
    return None if who.role is Role.HEAD else who.userid


def message_for(db: Db, who: Viewer, msgid: str) -> Row | None:
    """A customer's message that may be read, for somebody who follows them or heads the branch."""
    row = talk.said(db, msgid, mine(who))
    return row if row is not None and sight.may_see_sensitive(db, who, row["sender"]) else None


def add_fact(
    services: Services, who: Viewer, msgid: str, kind: FactType, value: dict[str, Any], words: str
) -> str | None:
    """Register a fact that a person found, with the words that prove it.

    Returns:
        The customer; None when the viewer may not read the message.

    Raises:
        Invalid: The value or the words do not do, or the customer's consent lacks; says why.
    """
    now = int(services.clock.now().timestamp() * 1000)

    def add(db: Db) -> str | None:
        row = message_for(db, who, msgid)
        if row is None:
            return None
        message = talk.restore(row, services.vault)
        fact = Fact(
            kind, check_value(kind, value), _evidence(message, words), 1.0, verdicts.PERSON, ""
        )
        _check_consent(db, message, fact)
        fact_id = ledger.add_fact(
            db,
            services.vault,
            ExternalUserId(message.sender),
            fact,
            ledger.Source(message.msgid, message.sent_at),
        )
        if fact_id is None:
            raise Invalid("这几个字上已经有一条同样的事实,请到台账里核实或改正它")
        _keep(services, db, who, fact_id, message, now)
        return message.sender

    customer = services.database.write(add)
    if customer is not None:
        services.refresh(customer)
    return customer


def _keep(
    services: Services, db: Db, who: Viewer, fact_id: int, message: ArchivedMessage, now: int
) -> None:
    row = ledger.vouch(db, fact_id, who.userid)
    kind = row["type"]
    verdicts.record(db, row, "added", who.userid, json.loads(row["value"]), now)
    journal.note(
        db,
        "fact_added",
        now,
        customer=message.sender,
        chat_id=message.chat_id,
        userid=who.userid,
        ref=fact_id,
        type=kind,
    )
    journal.audit(db, who.userid, "fact_added", f"fact:{fact_id}", now, type=kind)
    let_act(services, db, row, message)


def let_act(services: Services, db: Db, row: Row, message: ArchivedMessage) -> None:
    """A fact that a person vouches for acts like one that was read, unless it is past its time.

    The person is there to answer, so nothing is answered in customer service by itself.
    """
    if row["status"] == "confirmed" and not ledger.is_stale(row, today(services.clock)):
        fact = ledger.restore(row, services.vault)
        services.learned(db, replace(message, open_kfid=None), fact, row["id"])


def _evidence(message: ArchivedMessage, words: str) -> Evidence:
    """Where the words stand; long numbers in them are covered, as on the screen."""
    wanted = words.replace("\r\n", "\n").strip()
    if not wanted:
        raise Invalid("请从原话里摘出作为依据的几个字")
    start = shown_quote(message.text, sensitive=True).find(wanted)
    if start < 0:
        raise Invalid("依据要和原话一字不差,请从上面的原话里复制")
    end = start + len(wanted)
    if any(first < end and start < last for first, last in message.quoted):
        raise Invalid("这几个字是引用或转发的别人的话,不能记在客户名下")
    return Evidence(start, end, message.text[start:end])


def _check_consent(db: Db, message: ArchivedMessage, fact: Fact) -> None:
    who = people.customer(db, message.sender)
    if who is None or who["erased"] or who["restricted"]:
        raise Invalid("这位客户的资料不能再登记")
    if fact.type not in ADDABLE:
        raise Invalid("同意接收消息不能代客户登记,请用书面凭证在核心系统登记后导入")
    if message.open_kfid and fact.type not in KF_ALWAYS and not who["profiling_ok"]:
        raise Invalid("客户没有同意画像,微信客服里说的话只能登记他要我们办的事")
    if who["sensitive_ok"]:
        return
    if fact.sensitivity is FactClass.SENSITIVE:
        raise Invalid("客户没有单独同意保存敏感信息,这一类不能登记")
    if any(key in fact.value for key in SENSITIVE_KEYS):
        raise Invalid("客户没有单独同意保存敏感信息,请把金额留空")
