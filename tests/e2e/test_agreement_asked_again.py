"""The notice of an agreement may be lost; the hourly comparison asks again."""

from __future__ import annotations

from datetime import timedelta

from live_branch import ZHAO, Branch

QUESTION = "大额存单现在多少利率?"


def test_text_is_read_within_an_hour_of_an_agreement_nobody_told_us_of(branch: Branch) -> None:
    world = branch.world
    world.settings.__dict__["unanswered_consent"] = None
    customer = world.add_customer("周小满")
    chat_id = world.create_group(ZHAO, "新群", [customer])
    branch.settle()
    moment = branch.clock.now()
    world.archive_raw(
        {
            "msgid": "7000000000000000001_external",
            "action": "send",
            "from": customer,
            "tolist": [ZHAO],
            "roomid": chat_id,
            "msgtime": int(moment.timestamp() * 1000),
            "msgtype": "text",
            "text": {"content": QUESTION},
        },
        moment,
    )
    branch.settle()
    assert branch.facts(customer) == {}
    world.consents[chat_id, customer] = (True, moment - timedelta(days=1))
    branch.later(hours=1, minutes=1)
    branch.until(lambda: "product.interest" in branch.facts(customer), what="the text read")
