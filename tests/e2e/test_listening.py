"""Talk becomes facts, segments and tags, where and only where it may be read."""

from __future__ import annotations

import json
from datetime import timedelta

from live_branch import LI, PROFILES, ZHAO, Branch

pytestmark = PROFILES

MERCHANT = "我是开超市的"
QUESTION = "大额存单现在多少利率?"


def test_group_talk_becomes_facts_with_evidence_then_a_segment_then_a_tag(branch: Branch) -> None:
    customer = branch.customer("周小满", LI)
    chat_id = branch.group(ZHAO, customer)
    branch.settle()
    msgid = branch.world.say(customer, f"{MERCHANT},大家多关照", chat_id=chat_id)
    branch.settle()
    (fact,) = branch.rows("SELECT * FROM fact WHERE external_userid = :id", id=customer)
    assert ("work.occupation", msgid, "current") == (fact["type"], fact["msgid"], fact["status"])
    said = f"{MERCHANT},大家多关照"[fact["start"] : fact["end"]]
    assert said == branch.bot.vault.open_text(fact["words_sealed"])
    assert "超市" in said
    assert json.loads(fact["value"])["group"] == "merchant"
    segments = branch.rows(
        "SELECT segment FROM segment_member WHERE external_userid = :id", id=customer
    )
    assert "merchant" in [row["segment"] for row in segments]
    assert "商贸结算" in branch.tags(LI, customer)


def test_a_tag_made_by_hand_stays_beside_ours(branch: Branch) -> None:
    (own,) = branch.world.create_tags("员工自建", ["爱喝茶"])
    customer = branch.customer("周小满", LI)
    branch.world.edit_by_hand(LI, customer, add_tags=[own])
    branch.settle()
    branch.world.say(customer, QUESTION, peer=LI)
    branch.settle()
    assert {"爱喝茶", "大额存单"} <= branch.tags(LI, customer)


def test_tags_go_to_every_member_who_is_a_friend(branch: Branch) -> None:
    customer = branch.customer("周小满", LI, ZHAO)
    branch.settle()
    branch.world.say(customer, QUESTION, peer=LI)
    branch.settle()
    assert "大额存单" in branch.tags(LI, customer)
    assert "大额存单" in branch.tags(ZHAO, customer)


def test_what_staff_say_gives_no_facts(branch: Branch) -> None:
    customer = branch.customer("周小满", LI)
    chat_id = branch.group(ZHAO, customer)
    branch.settle()
    branch.world.say(ZHAO, MERCHANT, chat_id=chat_id)
    branch.world.say(LI, QUESTION, peer=customer)
    branch.settle()
    assert branch.value("SELECT count(*) FROM message WHERE kind = 'text'") == 2
    assert branch.value("SELECT count(*) FROM fact") == 0


def test_who_is_in_a_group_alone_is_remembered_but_not_tagged(branch: Branch) -> None:
    customer = branch.customer("周小满")
    chat_id = branch.group(ZHAO, customer)
    branch.settle()
    branch.world.say(customer, QUESTION, chat_id=chat_id)
    branch.settle()
    assert branch.facts(customer) == {"product.interest": {"product": "large_cd"}}
    assert branch.calls("mark_tag") == 0


def unanswered(branch: Branch, text: str) -> tuple[str, str, str]:
    """A customer of a group whose answer to archiving is not known wrote something."""
    customer = branch.world.add_customer("周小满")
    chat_id = branch.world.create_group(ZHAO, "新群", [customer])
    branch.settle()
    msgid = "7000000000000000001_external"
    moment = branch.clock.now()
    branch.world.archive_raw(
        {
            "msgid": msgid,
            "action": "send",
            "from": customer,
            "tolist": [ZHAO],
            "roomid": chat_id,
            "msgtime": int(moment.timestamp() * 1000),
            "msgtype": "text",
            "text": {"content": text},
        },
        moment,
    )
    branch.settle()
    return customer, chat_id, msgid


def state_of(branch: Branch, msgid: str) -> tuple[str, bool]:
    """A message's state, and whether its text is still there."""
    (row,) = branch.rows("SELECT state, text_sealed FROM message WHERE msgid = :id", id=msgid)
    return row["state"], row["text_sealed"] is not None


def test_text_whose_agreement_is_not_known_stays_sealed(branch: Branch) -> None:
    branch.world.settings.__dict__["unanswered_consent"] = None
    customer, _, msgid = unanswered(branch, QUESTION)
    assert state_of(branch, msgid) == ("sealed", True)
    assert branch.facts(customer) == {}
    assert branch.value("SELECT raw_sealed FROM message WHERE msgid = :id", id=msgid) is None


def test_sealed_text_is_read_when_the_agreement_is_as_old_as_the_text(branch: Branch) -> None:
    branch.world.settings.__dict__["unanswered_consent"] = None
    customer = branch.world.add_customer("周小满")
    chat_id = branch.world.create_group(ZHAO, "新群", [customer])
    branch.settle()
    said = branch.clock.now()
    plain = {
        "msgid": "7000000000000000002_external",
        "action": "send",
        "from": customer,
        "tolist": [ZHAO],
        "roomid": chat_id,
        "msgtime": int((said + timedelta(seconds=30)).timestamp() * 1000),
        "msgtype": "text",
        "text": {"content": QUESTION},
    }
    branch.world.archive_raw(plain, said)
    branch.settle()
    assert branch.facts(customer) == {}
    branch.world.agree(chat_id, customer)
    branch.settle()
    assert state_of(branch, plain["msgid"]) == ("read", True)  # type: ignore[arg-type]  # a text
    assert branch.facts(customer) == {"product.interest": {"product": "large_cd"}}


def test_text_from_before_the_agreement_is_never_read(branch: Branch) -> None:
    branch.world.settings.__dict__["unanswered_consent"] = None
    customer, chat_id, msgid = unanswered(branch, QUESTION)
    branch.later(minutes=1)
    branch.world.agree(chat_id, customer)
    branch.settle()
    assert state_of(branch, msgid) == ("refused", False)
    assert branch.facts(customer) == {}
    branch.world.say(customer, MERCHANT, chat_id=chat_id)
    branch.settle()
    assert list(branch.facts(customer)) == ["work.occupation"]


def test_a_disagreement_destroys_what_waits_and_what_follows(branch: Branch) -> None:
    branch.world.settings.__dict__["unanswered_consent"] = None
    customer, chat_id, msgid = unanswered(branch, QUESTION)
    branch.world.disagree(chat_id, customer)
    branch.settle()
    assert state_of(branch, msgid) == ("refused", False)
    assert branch.facts(customer) == {}


def test_taking_an_agreement_back_takes_words_and_facts_of_that_conversation(
    branch: Branch,
) -> None:
    customer = branch.customer("周小满", LI)
    chat_id = branch.group(ZHAO, customer)
    branch.settle()
    in_group = branch.world.say(customer, MERCHANT, chat_id=chat_id)
    with_li = branch.world.say(customer, QUESTION, peer=LI)
    branch.settle()
    assert set(branch.facts(customer)) == {"work.occupation", "product.interest"}
    assert "商贸结算" in branch.tags(LI, customer)
    branch.later(minutes=5)
    branch.world.disagree(chat_id, customer)
    branch.settle()
    assert set(branch.facts(customer)) == {"product.interest"}
    assert state_of(branch, in_group) == ("refused", False)
    assert state_of(branch, with_li) == ("read", True)
    assert "商贸结算" not in branch.tags(LI, customer)
    assert branch.value("SELECT count(words_sealed) FROM fact") == 1


def test_text_without_an_answer_is_destroyed_after_five_days(branch: Branch) -> None:
    branch.world.settings.__dict__["unanswered_consent"] = None
    _, _, msgid = unanswered(branch, QUESTION)
    branch.later(days=5, hours=1)
    branch.until(lambda: state_of(branch, msgid) == ("refused", False), what="destroyed")


def test_a_recalled_message_takes_its_fact_and_its_tag_along(branch: Branch) -> None:
    customer = branch.customer("周小满", LI)
    chat_id = branch.group(ZHAO, customer)
    branch.settle()
    msgid = branch.world.say(customer, MERCHANT, chat_id=chat_id)
    branch.settle()
    assert "商贸结算" in branch.tags(LI, customer)
    branch.world.recall(msgid)
    branch.settle()
    assert branch.facts(customer) == {}
    assert state_of(branch, msgid) == ("recalled", False)
    assert "商贸结算" not in branch.tags(LI, customer)


def test_a_message_of_a_thousand_kinds_is_kept_whatever_it_is(branch: Branch) -> None:
    customer = branch.customer("周小满", LI)
    branch.settle()
    strange = {"msgtype": "hologram", "hologram": {"size": 3}}
    msgid = branch.world.say(customer, strange, peer=LI)
    after = branch.world.say(customer, QUESTION, peer=LI)
    branch.settle()
    assert branch.value("SELECT kind FROM message WHERE msgid = :id", id=msgid) == "hologram"
    assert state_of(branch, after) == ("read", True)
    assert branch.facts(customer) == {"product.interest": {"product": "large_cd"}}


def test_what_template_syntax_emoji_and_control_characters_say_harms_nobody(
    branch: Branch,
) -> None:
    customer = branch.customer("{{ 7*7 }}😀\u202e\u200b", LI)
    branch.settle()
    for text in (
        "{{ config }}{% raw %}",
        "\x00\x07\u202e😀" * 50,
        "好" * 5_000,
        "<xml>&amp;</xml>",
    ):
        branch.world.say(customer, text, peer=LI)
    branch.world.say(customer, QUESTION, peer=LI)
    branch.settle()
    assert branch.facts(customer) == {"product.interest": {"product": "large_cd"}}
    (card,) = branch.cards_of(LI)
    assert "49" not in json.dumps(card["body"], ensure_ascii=False)
    assert branch.bot.inbox.depth() == (0, 0)
