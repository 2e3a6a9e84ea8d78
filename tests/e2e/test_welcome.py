"""New friends, visitors and newcomers are greeted once, in time."""

from __future__ import annotations

from collections import Counter

from live_branch import KFID, LI, PROFILES, ZHAO, Branch

pytestmark = PROFILES


def test_a_new_friend_is_welcomed_once_within_the_codes_life(branch: Branch) -> None:
    customer = branch.world.add_customer("周小满")
    branch.world.add_friend(customer, LI, "door-poster")
    branch.until(lambda: branch.world.delivered(channel="welcome"), 5)
    branch.settle()
    (welcome,) = branch.world.delivered(channel="welcome")
    assert welcome["external_userid"] == customer
    assert welcome["sender"] == LI
    assert "李经理" in welcome["text"]
    assert "城东支行" in welcome["text"]
    assert branch.value("SELECT state FROM follow WHERE external_userid = :id", id=customer) == (
        "door-poster"
    )


def test_a_callback_redelivered_thrice_gives_one_welcome(branch: Branch) -> None:
    for _ in range(3):
        branch.sandbox.faults.add("app/change_external_contact/*", "duplicate", count=2)
    customer = branch.world.add_customer("周小满")
    branch.world.add_friend(customer, LI)
    branch.settle()
    adds = [one for one in branch.sandbox.door.deliveries if "add_external" in one.name]
    assert [one.status for one in adds] == [200] * len(adds)
    assert len(adds) >= 2
    assert len(branch.world.delivered(channel="welcome")) == 1
    assert branch.calls("send_welcome_msg") == 1
    assert Counter(row["kind"] for row in branch.rows("SELECT kind FROM journal"))["welcomed"] == 1


def test_friends_of_two_members_are_welcomed_by_each(branch: Branch) -> None:
    customer = branch.world.add_customer("周小满")
    branch.world.add_friend(customer, LI)
    branch.world.add_friend(customer, ZHAO)
    branch.settle()
    assert {one["sender"] for one in branch.world.delivered(channel="welcome")} == {LI, ZHAO}


def test_two_customers_added_in_one_second_are_both_welcomed(branch: Branch) -> None:
    people = [branch.world.add_customer(f"客户{number}") for number in range(5)]
    for customer in people:
        branch.world.add_friend(customer, LI)
    branch.settle()
    welcomed = [one["external_userid"] for one in branch.world.delivered(channel="welcome")]
    assert sorted(welcomed) == sorted(people)


def test_a_visitor_of_customer_service_is_greeted(branch: Branch) -> None:
    customer = branch.world.add_customer("周小满")
    branch.world.kf_enter(customer, KFID)
    branch.settle()
    (greeting,) = branch.world.delivered(channel="kf")
    assert greeting["external_userid"] == customer
    assert "城东支行" in greeting["text"]
