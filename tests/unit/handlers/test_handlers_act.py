"""Every handler: an event and what is known go in, a list of actions comes out."""

# the names carry the ids of the rules and invariants

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

import handlers
from bot.actions import (
    Action,
    AnswerEmployee,
    AnswerKf,
    CheckAgreement,
    CloseCase,
    Grant,
    KeepAgreement,
    MarkTags,
    OpenCase,
    PullArchive,
    PullKf,
    Refuse,
    SendCard,
    SendKfWelcome,
    SendWelcome,
    SignOff,
    SignUp,
    SyncCustomer,
    SyncGroup,
    SyncStaff,
    SyncTags,
    TellStaff,
    UpdateCard,
)
from bot.app_events import EnterAgent
from bot.dispatch import collect
from bot.events import (
    AddExternalContact,
    AppImage,
    AppText,
    ChangeParty,
    CorpTagChanged,
    CreateUser,
    DeleteUser,
    DelExternalContact,
    DelFollowUser,
    EditExternalContact,
    GroupChatChanged,
    GroupChatCreated,
    GroupChatDismissed,
    KfMsgOrEvent,
    MsgAuditApproved,
    MsgAuditNotify,
    TemplateCardEvent,
    TransferFail,
    UpdateUser,
)
from bot.facts import Evidence, Fact, FactType
from bot.happenings import (
    AgreementNeeded,
    BecameActive,
    CaseClosed,
    CaseOpened,
    CaseOverdue,
    CredentialsDropped,
    DayComesNear,
    FactLearned,
    FriendMade,
    GroupOutdated,
    ImportantSilent,
    RefusalKept,
    SegmentsChanged,
    SignalHeard,
    SignUpKept,
)
from bot.kf import KfEnterSession, KfMessage, KfRejectSwitch
from bot.model import ArchivedMessage, ChatId, ExternalUserId, MsgId, OpenKfId, UserId
from handlers.employee import read_question
from handlers.known import OpenEvent
from handlers.rules import EscalationRules
from handlers.signals import Signals, load_signals
from scheduler.phrases import load_simplified

HANDLERS = collect(handlers)
CONFIG = Path(__file__).parents[3] / "config"
SIGNALS = load_signals(
    CONFIG / "rules" / "signals.yaml", load_simplified(CONFIG / "lexicon" / "tables.yaml")
)
AT = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
AT_MS = int(AT.timestamp() * 1000)
WHO, LIN, ZHOU = ExternalUserId("wm_made_up_1"), UserId("lin"), UserId("zhou")
KF, CHAT, MSG = OpenKfId("wk_made_up"), ChatId("wr_made_up"), MsgId("m1")


@dataclass(frozen=True)
class KnownHere:
    """What the handlers may ask, as this test says it is."""

    follows: tuple[UserId, ...] = (LIN, ZHOU)
    first: UserId | None = LIN
    ours: bool = True
    now: datetime = AT
    cause: str = "cause-1"
    events: tuple[OpenEvent, ...] = ()
    mine: tuple[OpenEvent, ...] = ()
    signals: Signals = SIGNALS
    escalation: EscalationRules = field(
        default_factory=lambda: EscalationRules(
            frozenset({"large_cd"}),
            {
                "interest": 7,
                "complaint": 3,
                "churn": 7,
                "inflow": 14,
                "competitor_maturity": 30,
                "promise_due": 5,
                "layer_up": 90,
                "silent_important": 90,
            },
            person_words=("人工", "真人"),
        )
    )

    def follow_users(self, customer: ExternalUserId) -> list[UserId]:
        return list(self.follows) if customer == WHO else []

    def responsible(self, customer: ExternalUserId) -> UserId | None:
        return self.first if customer == WHO else None

    def events_for(self, customer: ExternalUserId, chat_id: ChatId) -> list[OpenEvent]:
        return list(self.events) if (customer, chat_id) == (WHO, CHAT) else []

    def signed_up(self, customer: ExternalUserId) -> list[OpenEvent]:
        return list(self.mine) if customer == WHO else []

    def asks(self, text: str) -> bool:
        return "吗" in text or "怎么" in text

    def has_own_answer(self, _msgid: str) -> bool:
        return False

    def kf_is_ours(self, open_kfid: str, customer: ExternalUserId) -> bool:
        return self.ours and open_kfid == KF and customer == WHO


def heard(event: object, known: KnownHere | None = None) -> list[Action]:
    return list(HANDLERS.actions(event, known or KnownHere()))


def learned(kind: str, value: dict[str, Any], open_kfid: OpenKfId | None = None) -> FactLearned:
    fact = Fact(FactType(kind), value, Evidence(0, 2, "原话"), 0.9, "r1", "1")
    return FactLearned(WHO, 7, fact, MSG, CHAT, AT, open_kfid)


# -- refusal, consent, agreement


def test_C3_a_refusal_in_talk_acts_at_once_and_gives_the_follow_user_one_draft() -> None:
    assert heard(learned("consent.opt_out", {"scope": "all"})) == [
        Refuse(WHO, "all", "talk", MSG, AT_MS),
        TellStaff(LIN, "staff_opt_out_draft", {}, WHO, MSG),
    ]


def test_C3_a_refusal_in_customer_service_is_confirmed_there_and_nowhere_else() -> None:
    assert heard(learned("consent.opt_out", {}, KF)) == [
        Refuse(WHO, "marketing", "kf", MSG, AT_MS),
        AnswerKf(KF, WHO, "kf_opt_out", MSG),
    ]


def test_C3_a_refusal_while_a_person_has_the_session_becomes_a_draft() -> None:
    assert heard(learned("consent.opt_out", {}, KF), KnownHere(ours=False)) == [
        Refuse(WHO, "marketing", "kf", MSG, AT_MS),
        TellStaff(LIN, "staff_opt_out_draft", {}, WHO, MSG),
    ]


def test_C3_a_refusal_of_somebody_whom_nobody_follows_is_kept_all_the_same() -> None:
    assert heard(learned("consent.opt_out", {}), KnownHere(first=None)) == [
        Refuse(WHO, "marketing", "talk", MSG, AT_MS)
    ]


def test_D2_who_typed_a_password_is_warned_once_a_day_there_or_by_a_draft() -> None:
    there = CredentialsDropped(WHO, MSG, CHAT, AT, KF)
    day = KnownHere().now.strftime("%Y%m%d")
    assert heard(there) == [AnswerKf(KF, WHO, "kf_secret", f"{WHO}-{day}")]
    draft = TellStaff(LIN, "staff_secret_draft", {}, WHO, f"{WHO}-{day}")
    assert heard(there, KnownHere(ours=False)) == [draft]
    assert heard(CredentialsDropped(WHO, MSG, CHAT, AT)) == [draft]
    assert heard(CredentialsDropped(WHO, MSG, CHAT, AT), KnownHere(first=None)) == []


@pytest.mark.parametrize(("rejects", "expected"), [(True, 1), (False, 0)])
def test_C3_switching_customer_service_off_is_a_refusal(*, rejects: bool, expected: int) -> None:
    event = KfRejectSwitch(MSG, AT, KF, WHO, UserId(""), rejects)
    assert heard(event) == [Refuse(WHO, "marketing", "kf", MSG, AT_MS)] * expected


@pytest.mark.parametrize(("open_kfid", "channel"), [(None, "talk"), (KF, "kf")])
def test_C1_an_agreement_in_the_customers_own_words_is_proved_by_its_message_and_time(
    open_kfid: OpenKfId | None, channel: str
) -> None:
    assert heard(learned("consent.opt_in", {}, open_kfid)) == [
        Grant(WHO, "marketing", channel, MSG, AT_MS)
    ]


def test_an_approved_archive_is_kept_with_its_time_and_greeted_once() -> None:
    event = MsgAuditApproved(userid=LIN, external_userid=WHO, welcome_code="code-1", created_at=AT)
    assert heard(event) == [
        KeepAgreement(WHO, LIN, agreed=True, at=AT_MS),
        SendWelcome("code-1", WHO, LIN),
    ]


def test_an_approved_archive_without_a_code_greets_nobody() -> None:
    event = MsgAuditApproved(userid=LIN, external_userid=WHO, created_at=AT)
    assert heard(event) == [KeepAgreement(WHO, LIN, agreed=True, at=AT_MS)]


# -- welcomes and reading again


def test_a_new_friend_is_greeted_and_read() -> None:
    event = AddExternalContact(
        userid=LIN, external_userid=WHO, welcome_code="code-1", created_at=AT
    )
    assert heard(event) == [SyncCustomer(WHO, "cause-1"), SendWelcome("code-1", WHO, LIN)]


def test_a_new_friend_whom_the_console_greets_is_only_read() -> None:
    event = AddExternalContact(userid=LIN, external_userid=WHO, created_at=AT)
    assert heard(event) == [SyncCustomer(WHO, "cause-1")]


@pytest.mark.parametrize("code", ["", "code-1"])
def test_a_visitor_of_customer_service_is_greeted_when_there_is_a_code(code: str) -> None:
    event = KfEnterSession(MSG, AT, KF, WHO, "scene", "", code)
    expected = [SendKfWelcome(code, KF, WHO)] if code else []
    assert heard(event) == expected


@pytest.mark.parametrize(
    "kind", [EditExternalContact, DelExternalContact, DelFollowUser, TransferFail]
)
def test_every_change_of_a_friendship_reads_the_customer_again(kind: Any) -> None:
    event = kind(userid=LIN, external_userid=WHO, created_at=AT)
    assert heard(event) == [SyncCustomer(WHO, "cause-1")]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (GroupChatCreated(chat_id=CHAT, created_at=AT), 1),
        (GroupChatChanged(chat_id=CHAT, update_detail="change_name", created_at=AT), 1),
        (GroupChatChanged(chat_id=CHAT, update_detail="add_member", created_at=AT), 0),
        (GroupChatChanged(chat_id=CHAT, update_detail="del_member", created_at=AT), 0),
        (GroupOutdated(CHAT, AT), 1),
        (GroupChatDismissed(chat_id=CHAT, created_at=AT), 0),
    ],
)
def test_a_group_is_read_again_when_its_callback_lacks_the_news(
    event: object, expected: int
) -> None:
    assert heard(event) == [SyncGroup(CHAT, "cause-1")] * expected


def test_after_a_change_of_the_tag_library_it_is_read_again() -> None:
    assert heard(CorpTagChanged(created_at=AT)) == [SyncTags("cause-1")]


@pytest.mark.parametrize(
    "event",
    [
        CreateUser(userid=LIN, created_at=AT),
        UpdateUser(userid=LIN, created_at=AT),
        DeleteUser(userid=LIN, created_at=AT),
        ChangeParty(party_id="7", created_at=AT),
    ],
)
def test_after_a_change_of_the_address_list_it_is_read_again(event: object) -> None:
    assert heard(event) == [SyncStaff("cause-1")]


def test_news_in_the_archive_and_in_customer_service_are_pulled() -> None:
    assert heard(MsgAuditNotify(created_at=AT)) == [PullArchive("cause-1")]
    event = KfMsgOrEvent(token="t1", open_kfid=KF, created_at=AT)
    assert heard(event) == [PullKf(KF, "t1", "cause-1")]


def test_an_unknown_agreement_is_asked_for_once_an_hour() -> None:
    event = AgreementNeeded(f"lin|{WHO}", ChatId(""), WHO, LIN, AT)
    expected = [CheckAgreement(f"lin|{WHO}", ChatId(""), WHO, LIN, "2026112404")]
    assert heard(event) == expected
    assert heard(event, KnownHere(cause="another", now=AT.replace(minute=59))) == expected


# -- tags


def test_a_segment_change_marks_every_friendship() -> None:
    event = SegmentsChanged(WHO, ("senior",), (), AT)
    assert heard(event) == [MarkTags(WHO, LIN, "cause-1"), MarkTags(WHO, ZHOU, "cause-1")]


def test_people_without_a_friend_cannot_be_tagged() -> None:
    assert heard(SegmentsChanged(WHO, ("senior",), (), AT), KnownHere(follows=())) == []


def test_a_new_friendship_carries_what_was_known_before() -> None:
    assert heard(FriendMade(WHO, ZHOU, AT)) == [MarkTags(WHO, ZHOU, "cause-1")]


# -- cases


def test_E1_a_complaint_opens_a_case_at_once() -> None:
    assert heard(learned("risk.complaint", {"topic": "service"})) == [
        OpenCase("complaint", "service", WHO, CHAT, 7, 3)
    ]


def test_a_complaint_in_customer_service_is_answered_there_while_the_session_is_ours() -> None:
    event = learned("risk.complaint", {"topic": "service"}, KF)
    case = OpenCase("complaint", "service", WHO, CHAT, 7, 3)
    assert heard(event) == [case, AnswerKf(KF, WHO, "kf_complaint", MSG)]
    assert heard(event, KnownHere(ours=False)) == [case]


# -- signals


def signal(name: str, open_kfid: OpenKfId | None = None, product: str = "wealth") -> SignalHeard:
    return SignalHeard(WHO, name, product, MSG, CHAT, AT, open_kfid)


def written(text: str) -> KfMessage:
    said = ArchivedMessage(MSG, 0, WHO, (), ChatId(""), AT, "text", text, open_kfid=KF)
    return KfMessage(said, 3, WHO, UserId(""))


TODAY = f"{WHO}-{AT:%Y%m%d}"


def test_E2_words_of_fraud_open_a_case_and_are_answered_by_the_bot_only_where_it_may() -> None:
    case = OpenCase("fraud", "", WHO, CHAT, None, 0)
    assert heard(signal("fraud", KF)) == [case, AnswerKf(KF, WHO, "kf_fraud", TODAY)]
    # Elsewhere the words for the follow user stand on the card of the case.
    assert heard(signal("fraud", KF), KnownHere(ours=False)) == [case]
    assert heard(signal("fraud")) == [case]


def test_E2_a_message_of_fraud_gets_the_one_answer_and_no_other() -> None:
    complaint = replace(learned("risk.complaint", {"topic": "loss"}, KF), beside={"fraud"})
    assert heard(complaint) == [OpenCase("complaint", "loss", WHO, CHAT, 7, 3)]
    assert heard(written("我被骗了怎么办")) == []


@pytest.mark.parametrize("text", ["你是机器人吗", "您是真人还是机器人", "是真人吗", "你是AI吗?"])
def test_E4_who_asks_for_a_machine_is_told_and_not_handed_on(text: str) -> None:
    assert SIGNALS.heard(text) == ("machine",)
    assert heard(written(text)) == []
    assert heard(signal("machine", KF)) == [AnswerKf(KF, WHO, "kf_machine", MSG)]


def test_E4_what_else_is_asked_beside_it_goes_to_a_person_as_ever() -> None:
    case = OpenCase("unanswered", "", WHO, ChatId(""), None, 0)
    answer = AnswerKf(KF, WHO, "kf_person", TODAY)
    assert heard(written("你是机器人吗?我要人工")) == [case, answer]
    assert heard(written("有真人吗")) == [case, answer]


def test_E4_elsewhere_the_follow_user_tells_with_a_draft() -> None:
    draft = TellStaff(LIN, "staff_machine_draft", {}, WHO, MSG)
    assert heard(signal("machine")) == [draft]
    assert heard(signal("machine", KF), KnownHere(ours=False)) == [draft]
    assert heard(signal("machine"), KnownHere(first=None)) == []


@pytest.mark.parametrize("text", ["买哪个好", "风险测评怎么填能买", "推荐一款理财吗"])
def test_K12_a_question_for_advice_gets_a_case_and_a_neutral_word_and_nothing_else(
    text: str,
) -> None:
    assert SIGNALS.heard(text) == ("advice",)
    assert heard(written(text)) == []
    case = OpenCase("advice", "fund", WHO, CHAT, None, 0)
    asked = signal("advice", KF, "fund")
    assert heard(asked) == [case, AnswerKf(KF, WHO, "kf_advice", TODAY)]
    assert heard(asked, KnownHere(ours=False)) == [case]
    assert heard(signal("advice", None, "fund")) == [case]


def test_K12_the_interest_beside_it_opens_no_case_for_somebody_who_may_not_advise() -> None:
    rules = replace(KnownHere().escalation, products=frozenset({"large_cd", "wealth"}))
    known = KnownHere(escalation=rules)

    def cases(product: str, beside: frozenset[str]) -> list[str]:
        event = replace(learned("product.interest", {"product": product}), beside=beside)
        return [each.topic for each in heard(event, known) if isinstance(each, OpenCase)]

    assert ["wealth"] == cases("wealth", frozenset())
    assert [] == cases("wealth", frozenset({"advice"}))
    assert ["large_cd"] == cases("large_cd", frozenset({"advice"}))


def test_a_product_of_the_list_opens_a_case_and_is_tagged() -> None:
    assert heard(learned("product.interest", {"product": "large_cd"})) == [
        OpenCase("interest", "large_cd", WHO, CHAT, 7, 7),
        MarkTags(WHO, LIN, "cause-1"),
        MarkTags(WHO, ZHOU, "cause-1"),
    ]


def test_a_product_that_is_not_on_the_list_is_only_tagged() -> None:
    assert heard(learned("product.interest", {"product": "payment_code"})) == [
        MarkTags(WHO, LIN, "cause-1"),
        MarkTags(WHO, ZHOU, "cause-1"),
    ]


def test_a_product_with_a_sum_is_tagged_too_since_tags_carry_no_sums() -> None:
    actions = heard(learned("product.interest", {"product": "payment_code", "amount": 5}))
    assert actions == [MarkTags(WHO, LIN, "cause-1"), MarkTags(WHO, ZHOU, "cause-1")]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (
            "risk.churn",
            {"kind": "transfer_out"},
            OpenCase("churn", "transfer_out", WHO, CHAT, 7, 7),
        ),
        ("cash.inflow", {"source": "bonus"}, OpenCase("inflow", "bonus", WHO, CHAT, 7, 14)),
        ("cash.inflow", {}, OpenCase("inflow", "", WHO, CHAT, 7, 14)),
        (
            "holding.other_bank",
            {"bank": "icbc"},
            OpenCase("competitor_maturity", "icbc", WHO, CHAT, 7, 30),
        ),
    ],
)
def test_money_on_the_move_calls_the_manager(
    kind: str, value: dict[str, Any], expected: OpenCase
) -> None:
    assert heard(learned(kind, value)) == [expected]


def test_a_kind_of_case_without_a_rule_is_not_opened() -> None:
    nothing = KnownHere(escalation=EscalationRules(frozenset({"large_cd"}), {}))
    assert heard(learned("risk.churn", {"kind": "transfer_out"}), nothing) == []


@pytest.mark.parametrize("kind", ["interest.hobby", "family.elders", "event.rsvp"])
def test_other_facts_call_nobody(kind: str) -> None:
    assert heard(learned(kind, {"name": "chess"})) == []


def test_an_active_member_deserves_a_word_once_in_thirty_days() -> None:
    event = BecameActive(WHO, 6, 3, CHAT, AT)
    assert heard(event) == [OpenCase("active", "", WHO, CHAT, None, 30)]


def test_an_opened_case_sends_its_card_and_an_overdue_one_another_to_the_head() -> None:
    assert heard(CaseOpened(9, "churn", WHO, LIN, AT)) == [SendCard(9, LIN)]
    assert heard(CaseOverdue(9, WHO, ZHOU, AT)) == [SendCard(9, ZHOU, overdue=True)]


@pytest.mark.parametrize(
    ("task_id", "expected"),
    [
        ("case-9-first", [CloseCase(9, "contacted", LIN, "rc")]),
        ("case-9-head", [CloseCase(9, "contacted", LIN, "rc")]),
        ("case-", []),
        ("case-x-first", []),
        ("survey-9", []),
    ],
)
def test_a_pressed_button_of_a_case_card_is_the_outcome(
    task_id: str, expected: list[Action]
) -> None:
    event = TemplateCardEvent(
        userid=LIN, event_key="contacted", task_id=task_id, response_code="rc", created_at=AT
    )
    assert heard(event) == expected


@pytest.mark.parametrize(("code", "expected"), [("rc", [UpdateCard(9, LIN, "rc")]), ("", [])])
def test_who_pressed_sees_their_card_turn_grey(code: str, expected: list[Action]) -> None:
    assert heard(CaseClosed(9, "contacted", LIN, code, AT)) == expected


def test_a_kept_refusal_asks_for_nothing_more() -> None:
    assert heard(RefusalKept(WHO, "all", AT)) == []


# -- employees


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("今日待办", ("today", "")),
        (" 待办 ", ("today", "")),
        ("登录", ("login", "")),
        ("查 周小姐", ("find", "周小姐")),
        ("查询:周小姐", ("find", "周小姐")),
        ("查", ("help", "")),
        ("查 ", ("help", "")),
        ("帮助", ("help", "")),
        ("", ("help", "")),
        ("查" + "周" * 50, ("find", "周" * 40)),
    ],
)
def test_whatever_an_employee_writes_is_a_question(text: str, expected: tuple[str, str]) -> None:
    assert read_question(text) == expected


def test_an_employee_is_answered_once_a_message() -> None:
    event = AppText(userid=LIN, content="今日待办", msgid=MsgId("a1"), created_at=AT)
    assert heard(event) == [AnswerEmployee(LIN, "today", "", "a1")]


def test_a_picture_gets_the_help_and_a_message_without_id_is_keyed_by_its_cause() -> None:
    assert heard(AppImage(userid=LIN, created_at=AT)) == [
        AnswerEmployee(LIN, "help", "", "cause-1")
    ]


def test_opening_the_app_is_heard_and_asks_nothing() -> None:
    event = EnterAgent(userid=LIN, created_at=AT)
    assert HANDLERS.hears(event)
    assert heard(event) == []


def every_action() -> Iterable[Action]:
    yield from heard(learned("consent.opt_out", {}, KF))
    yield from heard(learned("risk.complaint", {"topic": "fee"}, KF))


def test_handlers_answer_the_same_event_the_same_way_every_time() -> None:
    assert list(every_action()) == list(every_action())


# -- sign-ups

TEA = OpenEvent(1, "茶艺课", "沙龙", datetime(2026, 11, 28, 7, tzinfo=UTC))
BAKING = OpenEvent(2, "亲子烘焙", "沙龙", datetime(2026, 11, 29, 7, tzinfo=UTC))


def rsvp(words: str, response: str = "yes", party: int = 0, kf: OpenKfId | None = None) -> Any:
    value: dict[str, Any] = {"response": response} | ({"party": party} if party else {})
    fact = Fact(FactType.RSVP, value, Evidence(0, len(words), words), 0.9, "r1", "1")
    return FactLearned(WHO, 7, fact, MSG, CHAT, AT, kf)


def test_a_sign_up_goes_to_the_one_event_that_there_is() -> None:
    known = KnownHere(events=(TEA,))
    assert heard(rsvp("报名,两个人", party=2), known) == [SignUp(WHO, 1, 2, "talk", CHAT, MSG)]


@pytest.mark.parametrize(
    ("words", "event"),
    [("烘焙那场我报名", 2), ("报名茶艺", 1), ("周日的我来", 2), ("28号的报一个", 1)],
)
def test_a_sign_up_goes_to_the_event_that_is_named(words: str, event: int) -> None:
    known = KnownHere(events=(TEA, BAKING))
    assert heard(rsvp(words), known) == [SignUp(WHO, event, 1, "talk", CHAT, MSG)]


def test_who_means_which_is_asked_by_a_person() -> None:
    known = KnownHere(events=(TEA, BAKING))
    names = {"names": "茶艺课、亲子烘焙"}
    assert heard(rsvp("报名"), known) == [TellStaff(LIN, "staff_which_event", names, WHO, MSG)]


def test_without_an_event_a_sign_up_is_a_fact_and_no_more() -> None:
    assert heard(rsvp("报名")) == []
    assert heard(rsvp("看情况", "maybe"), KnownHere(events=(TEA,))) == []


def test_a_no_frees_what_was_signed_up_for() -> None:
    known = KnownHere(events=(TEA, BAKING), mine=(BAKING,))
    assert heard(rsvp("来不了了", "no", kf=KF), known) == [SignOff(WHO, 2, MSG, KF)]
    assert heard(rsvp("来不了了", "no"), KnownHere(events=(TEA,))) == []


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("going", "kf_signed_up"),
        ("waiting", "kf_waiting_list"),
        ("off", "kf_signed_off"),
        ("full", "kf_event_full"),
        ("closed", "kf_event_full"),
    ],
)
def test_customer_service_says_at_once_what_became_of_it(outcome: str, words: str) -> None:
    assert heard(SignUpKept(WHO, 1, outcome, MSG, AT, KF)) == [AnswerKf(KF, WHO, words, MSG)]
    assert heard(SignUpKept(WHO, 1, outcome, MSG, AT)) == []


@pytest.mark.parametrize("kind", ["promise_due", "competitor_maturity"])
def test_a_day_that_comes_near_opens_a_case_named_by_the_day(kind: str) -> None:
    event = DayComesNear(WHO, 7, kind, date(2026, 12, 8), AT)
    assert heard(event) == [OpenCase(kind, "2026-12-08", WHO, ChatId(""), 7, 5)]


def test_an_important_customer_gone_silent_opens_a_case() -> None:
    expected = [OpenCase("silent_important", "", WHO, ChatId(""), None, 90)]
    assert heard(ImportantSilent(WHO, AT)) == expected


@pytest.mark.parametrize(
    ("entered", "left", "expected"),
    [
        (("layer:high",), ("layer:middle",), "high"),
        (("layer:middle",), ("layer:high",), None),
        (("layer:middle",), ("layer:unknown",), None),
        (("merchant",), (), None),
    ],
)
def test_a_line_crossed_upward_opens_a_case_and_no_other_move(
    entered: tuple[str, ...], left: tuple[str, ...], expected: str | None
) -> None:
    found = [
        each
        for each in heard(SegmentsChanged(WHO, entered, left, AT))
        if isinstance(each, OpenCase)
    ]
    wanted = [OpenCase("layer_up", expected, WHO, ChatId(""), None, 90)] if expected else []
    assert found == wanted
