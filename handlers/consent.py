"""Refusal and agreement heard in talk act without a person."""

from __future__ import annotations

from collections.abc import Iterator

from bot.actions import Action, AnswerKf, Grant, KeepAgreement, Refuse, TellStaff
from bot.dispatch import on
from bot.events import MsgAuditApproved
from bot.happenings import FactLearned
from bot.kf import KfRejectSwitch
from handlers.known import Known


@on(FactLearned, when=lambda event: event.fact.type == "consent.opt_out")
def keep_refusal(event: FactLearned, known: Known) -> Iterator[Action]:
    """Bank-wide and at once; one confirmation: by itself in customer service, else a draft."""
    scope = str(event.fact.value.get("scope", "marketing"))
    channel = "kf" if event.open_kfid else "talk"
    at = int(event.at.timestamp() * 1000)
    yield Refuse(event.customer, scope, channel, event.msgid, at)
    if event.open_kfid and known.kf_is_ours(event.open_kfid, event.customer):
        yield AnswerKf(event.open_kfid, event.customer, "kf_opt_out", event.msgid)
        return
    userid = known.responsible(event.customer)
    if userid:
        yield TellStaff(userid, "staff_opt_out_draft", {}, event.customer, event.msgid)


@on(FactLearned, when=lambda event: event.fact.type == "consent.opt_in")
def keep_consent(event: FactLearned, _known: Known) -> Iterator[Grant]:
    """The customer's own words are the proof."""
    channel = "kf" if event.open_kfid else "talk"
    at = int(event.at.timestamp() * 1000)
    yield Grant(event.customer, "marketing", channel, event.msgid, at)


@on(MsgAuditApproved)
def keep_agreement(event: MsgAuditApproved, _known: Known) -> Iterator[KeepAgreement]:
    """The customer agreed to archiving in their conversation with a member."""
    at = int(event.created_at.timestamp() * 1000)
    yield KeepAgreement(event.external_userid, event.userid, agreed=True, at=at)


@on(KfRejectSwitch, when=lambda event: event.rejects)
def keep_switch(event: KfRejectSwitch, _known: Known) -> Iterator[Refuse]:
    """Who turns the messages of customer service off has refused, without a word."""
    at = int(event.created_at.timestamp() * 1000)
    yield Refuse(event.external_userid, "marketing", "kf", event.msgid, at)
