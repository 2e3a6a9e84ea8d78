"""Callbacks are hints: what they lose or tangle up is put right, what is broken is set aside."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

from live_branch import HEAD, KFID, LI, ZHAO, Branch
from structlog.testing import capture_logs

from bot.actions import Reconcile, SyncTags

QUESTION = "大额存单现在多少利率?"


def friendships(branch: Branch) -> tuple[set[Any], set[Any]]:
    """(the world's, the bot's)."""
    with branch.world.lock:
        real = {(p.userid, p.external_userid, p.remark) for p in branch.world.friendships.values()}
    rows = branch.rows("SELECT userid, external_userid, remark FROM follow WHERE ended_at IS NULL")
    return real, {tuple(row) for row in rows}


def memberships(branch: Branch) -> tuple[set[Any], set[Any]]:
    """(the world's, the bot's)."""
    with branch.world.lock:
        real = {
            (g.chat_id, g.name, g.owner, person)
            for g in branch.world.groups.values()
            if not g.dismissed
            for person in g.members
        }
    rows = branch.rows(
        "SELECT g.chat_id, g.name, g.owner, m.member FROM group_chat g JOIN group_member m"
        " USING (chat_id) WHERE g.dismissed_at IS NULL AND m.left_at IS NULL"
    )
    return real, {tuple(row) for row in rows}


def live(branch: Branch) -> list[str]:
    """A busy stretch in the branch's life; returns its customers."""
    world = branch.world
    people = [branch.customer(f"客户{number}", LI) for number in range(4)]
    world.edit_by_hand(LI, people[0], remark="老客户")
    world.delete_friend(LI, people[1], by="customer")
    chat_id = branch.group(ZHAO, *people[:2])
    world.join_group(chat_id, people[2])
    world.agree(chat_id, people[2])
    world.leave_group(chat_id, people[0])
    world.rename(chat_id, "新名字")
    world.join_group(chat_id, LI, scene=1)
    world.change_owner(chat_id, LI)
    gone = branch.group(ZHAO, people[3], name="要解散的群")
    world.dismiss(gone)
    world.say(people[2], QUESTION, chat_id=chat_id)
    return people


def test_lost_callbacks_are_repaired_by_comparing(branch: Branch) -> None:
    branch.sandbox.faults.add("*", "drop")
    people = live(branch)
    assert branch.sandbox.drain()
    real, known = friendships(branch)
    assert real != known
    branch.errand(Reconcile("test"))
    # The archive is asked by a timer, too.
    branch.later(seconds=31)
    branch.until(lambda: branch.value("SELECT 1 FROM fact"), what="the talk was read")
    branch.settle()
    real, known = friendships(branch)
    assert real == known
    real, known = memberships(branch)
    assert real == known
    assert branch.facts(people[2]) == {"product.interest": {"product": "large_cd"}}
    assert "大额存单" in branch.tags(LI, people[2])


def test_the_same_stretch_of_life_by_callbacks_ends_in_the_same_state(branch: Branch) -> None:
    people = live(branch)
    branch.settle()
    real, known = friendships(branch)
    assert real == known
    real, known = memberships(branch)
    assert real == known
    assert branch.facts(people[2]) == {"product.interest": {"product": "large_cd"}}


def test_tangled_and_repeated_callbacks_end_in_the_same_state(branch: Branch) -> None:
    branch.sandbox.faults.add("*", "reorder", probability=0.4)
    branch.sandbox.faults.add("*", "duplicate", probability=0.4)
    live(branch)
    branch.settle()
    real, known = friendships(branch)
    assert real == known
    real, known = memberships(branch)
    assert real == known


def test_a_missed_member_change_shows_in_the_versions_and_the_group_is_read(
    branch: Branch,
) -> None:
    people = [branch.customer(f"客户{number}", LI) for number in range(3)]
    chat_id = branch.group(ZHAO, people[0])
    branch.settle()
    branch.sandbox.faults.add("app/change_external_chat/*", "drop", count=1)
    branch.world.join_group(chat_id, people[1])
    branch.settle()
    real, known = memberships(branch)
    assert real != known
    branch.world.join_group(chat_id, people[2])
    branch.settle()
    real, known = memberships(branch)
    assert real == known


def test_a_corp_tag_deleted_by_hand_is_made_again_and_put_back_on_its_customers(
    branch: Branch,
) -> None:
    customer = branch.customer("周小满", LI)
    branch.settle()
    branch.world.say(customer, QUESTION, peer=LI)
    branch.settle()
    (tag,) = [t for t in branch.rows("SELECT * FROM corp_tag") if t["name"] == "大额存单"]
    branch.world.delete_tags([tag["tag_id"]])
    assert branch.tags(LI, customer).isdisjoint({"大额存单"})
    branch.settle()
    (again,) = [t for t in branch.rows("SELECT * FROM corp_tag") if t["name"] == "大额存单"]
    assert tag["tag_id"] != again["tag_id"]
    assert "大额存单" in branch.tags(LI, customer)


def test_customers_who_came_to_a_segment_before_its_tag_was_known_get_it_at_once(
    branch: Branch,
) -> None:
    customer = branch.customer("周小满", LI)
    branch.settle()
    # As after a rule that is new: the bot has not learned its tag's id yet.
    branch.bot.database.write(lambda db: db.run("DELETE FROM corp_tag WHERE name = '大额存单'"))
    branch.world.say(customer, QUESTION, peer=LI)
    branch.settle()
    assert branch.tags(LI, customer).isdisjoint({"大额存单"})
    branch.errand(SyncTags("test"))
    branch.settle()
    assert "大额存单" in branch.tags(LI, customer)


def test_a_tag_taken_off_by_hand_while_nobody_called_back_is_found_missing(
    branch: Branch,
) -> None:
    branch.world.create_tags("员工自建", ["爱喝茶"])
    branch.sandbox.faults.add("*", "drop")
    branch.world.create_tags("员工自建", ["爱下棋"])
    branch.errand(SyncTags("test"))
    branch.settle()
    names = {row["name"] for row in branch.rows("SELECT name FROM corp_tag")}
    assert {"爱喝茶", "爱下棋"} <= names


def test_damaged_records_are_set_aside_with_their_reason_and_the_rest_flows(
    branch: Branch,
) -> None:
    customer = branch.customer("周小满", LI)
    branch.settle()
    for damage in ("body", "key", "msgid", "json"):
        plain = {"msgid": f"70000_{damage}_external", "msgtype": "text"}
        branch.world.archive_raw(plain, damage=damage)
    branch.world.say(customer, QUESTION, peer=LI)
    branch.settle()
    assert branch.facts(customer) == {"product.interest": {"product": "large_cd"}}
    reasons = [row["reason"] for row in branch.rows("SELECT reason FROM set_aside ORDER BY seq")]
    assert len(reasons) == 4
    assert reasons[1] == "key_wrong"
    assert branch.value("SELECT count(*) FROM journal WHERE kind = 'record_set_aside'") == 4


def test_a_record_whose_key_is_missing_is_read_when_the_key_is_put_there(
    quiet_branch: Branch, tmp_path: Path
) -> None:
    branch = quiet_branch
    customer = branch.customer("周小满", LI)
    branch.world.rotate_archive_key(2)
    folder = branch.bot.settings.wecom_archive_keys_dir
    assert folder is not None
    (folder / "2.pem").rename(tmp_path / "2.pem")
    branch.world.say(customer, QUESTION, peer=LI)
    with branch.start():
        branch.settle()
        (aside,) = branch.rows("SELECT reason, readable_later FROM set_aside")
        assert tuple(aside) == ("key_missing", 1)
        assert branch.facts(customer) == {}
    (tmp_path / "2.pem").rename(folder / "2.pem")
    branch.bot = branch.build()
    with branch.start():
        branch.until(lambda: branch.facts(customer), what="read after all")
        assert branch.facts(customer) == {"product.interest": {"product": "large_cd"}}
        assert branch.value("SELECT count(*) FROM set_aside WHERE readable_later = 1") == 0


def unknown(number: int) -> str:
    return (
        "<xml><FromUserName>sys</FromUserName><CreateTime>1796000000</CreateTime>"
        "<MsgType>event</MsgType><Event>brand_new_event</Event>"
        f"<Number>{number}</Number></xml>"
    )


def test_a_genuine_event_that_nobody_hears_is_counted_and_its_handler_suggested_once(
    branch: Branch,
) -> None:
    branch.settle()
    with capture_logs() as logs:
        for number in range(3):
            branch.sandbox.door.send_raw("app", unknown(number))
        branch.settle()
    assert {d.status for d in branch.sandbox.door.deliveries if d.name == "app/raw"} == {200}
    assert branch.bot.worker.unheard["brand_new_event"] == 3
    suggested = [one for one in logs if one["event"] == "nobody hears this"]
    assert len(suggested) == 1
    assert "@on(" in suggested[0]["handler"]
    assert 'qunguan_unheard_total{event="brand_new_event"} 3.0' in branch.bot.metrics()


def test_genuine_nonsense_is_set_aside_after_five_attempts_and_holds_nobody_up(
    branch: Branch,
) -> None:
    branch.settle()
    for nonsense in ("", "not xml at all", "<xml><MsgType>event</MsgType></xml>"):
        branch.sandbox.door.send_raw("app", nonsense)
    customer = branch.world.add_customer("周小满")
    branch.world.add_friend(customer, LI)
    branch.until(lambda: branch.world.delivered(channel="welcome"), what="a welcome meanwhile")
    for _ in range(5):
        branch.later(seconds=3)
        branch.bot.inbox.wake()
        branch.until(lambda: not waiting_now(branch), what="tried again")
    branch.settle()
    assert branch.bot.inbox.depth() == (0, 3)
    rows = branch.rows("SELECT attempts, reason FROM inbox WHERE state = 2")
    assert [row["attempts"] for row in rows] == [5, 5, 5]
    assert all(row["reason"] for row in rows)


def waiting_now(branch: Branch) -> int:
    """Items that could be worked at this moment."""
    now = int(branch.clock.now().timestamp() * 1000)
    return int(
        branch.value(
            "SELECT count(*) FROM inbox WHERE state = 0"
            " AND (not_before IS NULL OR not_before <= :now)",
            now=now,
        )
    )


def test_staff_who_leave_move_or_join_are_known(branch: Branch) -> None:
    customer = branch.customer("周小满", LI, HEAD)
    branch.settle()
    branch.world.staff_leaves(LI)
    branch.world.add_staff("newone", "新员工", 2)
    branch.settle()
    active = {row["userid"] for row in branch.rows("SELECT userid FROM staff WHERE active = 1")}
    assert active == {HEAD, ZHAO, "newone"}
    branch.world.say(customer, QUESTION, peer=HEAD)
    branch.settle()
    assert len(branch.cards_of(HEAD)) == 1


def test_the_health_pages_tell_a_working_bot_from_a_broken_one(branch: Branch) -> None:
    branch.until(lambda: branch.bot.readiness()["problems"] == [], what="ready")
    for path in ("/healthz", "/readyz"):
        with urllib.request.urlopen(branch.url + path, timeout=10) as answer:
            assert answer.status == 200
    branch.world.kf_say(branch.world.add_customer("周小满"), KFID, "你好")
    branch.settle()
    assert branch.bot.readiness()["inbox"]["waiting"] == 0
