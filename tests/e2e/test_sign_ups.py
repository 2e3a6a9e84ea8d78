"""Sign-ups in plain words, in groups and in customer service."""

from __future__ import annotations

from datetime import timedelta

from live_branch import BRANCH, KFID, LI, ZHAO, Branch

from bot.store import events


def an_event(branch: Branch, seats: int = 3) -> int:
    """A tea lesson in two days; its id."""
    starts = int((branch.clock.now() + timedelta(days=2)).timestamp() * 1000)
    fields = dict.fromkeys(events.FACTS, "") | {
        "code": "E1",
        "name": "茶艺课",
        "branch": BRANCH,
        "place": "二楼",
        "seats": seats,
        "starts_at": starts,
        "ends_at": starts + 7_200_000,
        "sign_up_until": starts,
    }
    branch.bot.database.write(lambda db: events.keep(db, fields, 0))
    return int(branch.value("SELECT id FROM event"))


def in_branch(branch: Branch, *customers: str) -> None:
    for each in customers:
        branch.bot.database.write(
            lambda db, who=each: db.run(
                "UPDATE customer SET branch = :branch WHERE external_userid = :id",
                branch=BRANCH,
                id=who,
            )
        )


def states(branch: Branch) -> dict[str, tuple[str, int]]:
    rows = branch.rows("SELECT * FROM signup ORDER BY id")
    return {row["external_userid"]: (row["status"], row["party"]) for row in rows}


def test_people_sign_up_in_the_group_and_the_owner_hears_of_all_together(branch: Branch) -> None:
    first, second = branch.customer("周小满", LI), branch.customer("吴美兰", LI)
    chat_id = branch.group(ZHAO, first, second)
    branch.settle()
    in_branch(branch, first, second)
    an_event(branch)
    branch.world.say(first, "报名,我和老伴两个人", chat_id=chat_id)
    branch.world.say(second, "我也报名 两个人", chat_id=chat_id)
    branch.settle()
    assert {first: ("going", 2), second: ("waiting", 2)} == states(branch)
    branch.later(minutes=3)
    branch.settle()
    told = [text for text in branch.texts_to(ZHAO) if "茶艺课" in text]
    assert len(told) == 1
    assert "2位" in told[0]
    assert "候补" in told[0]
    assert "还剩1个位子" in told[0]


def test_customer_service_answers_a_sign_up_and_a_change_of_mind(branch: Branch) -> None:
    customer = branch.customer("周小满", LI)
    branch.world.kf_enter(customer, KFID)
    branch.settle()
    in_branch(branch, customer)
    an_event(branch)
    branch.world.kf_say(customer, KFID, "茶艺课我报名")
    branch.settle()
    branch.later(minutes=5)
    branch.world.kf_say(customer, KFID, "茶艺课我来不了了")
    branch.settle()
    said = [each["text"] for each in branch.world.delivered(channel="kf", external_userid=customer)]
    assert any("给您留了1个位子" in text for text in said)
    assert any("给您取消了" in text for text in said)
    assert {customer: ("cancelled", 1)} == states(branch)
