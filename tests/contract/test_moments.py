"""Moments end to end against the stand-in: who may see them, doubt, refusal, results, limits.

The platform's own record of who saw what is the oracle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from branch_world import add_errand, errands
from moment_shop import ADD, EVENT, GREETING, MomentShop
from short_wire import Platform

from bot.actions import RemindMassSend
from bot.clock import FixedClock
from bot.outbox import Outbox
from bot.rulebook import Rulebook
from bot.sandbox import records
from bot.store.db import Database
from bot.vault import Vault
from bot.wecom import Media

MARK = "/cgi-bin/externalcontact/mark_tag"


@pytest.fixture
def shop(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> MomentShop:
    return MomentShop(store, vault, clock, rules)


# -- who may see it


def test_a_moment_is_a_task_that_counts_when_the_member_has_published_it(shop: MomentShop) -> None:
    shop.meet("wm_a", "wm_b")
    shop.run()
    assert (shop.branch.tasks(), set(shop.branch.statuses().values())) == (
        ["accepted"],
        {"tasked"},
    )
    assert shop.seen() == []
    shop.tap()
    shop.branch.mass.poll()
    assert shop.branch.tasks() == ["done"]
    assert shop.branch.statuses() == {"wm_a": "confirmed", "wm_b": "confirmed"}
    assert shop.seen() == ["wm_a", "wm_b"]


def test_C3_G4_only_friends_whom_the_gate_lets_through_can_see_it(shop: MomentShop) -> None:
    shop.meet("wm_a", "wm_refuses")
    shop.meet("wm_silent", consented=False)
    shop.branch.refuse("wm_refuses")
    shop.meet("wm_other", sender="zhou")
    shop.run()
    shop.tap("lin")
    shop.tap("zhou")
    shop.branch.mass.poll()
    assert shop.seen() == ["wm_a", "wm_other"]
    assert shop.branch.statuses() == {
        "wm_a": "confirmed",
        "wm_other": "confirmed",
        "wm_refuses": "dropped",
        "wm_silent": "dropped",
    }


def test_a_friend_of_two_members_sees_it_from_one(shop: MomentShop) -> None:
    shop.meet("wm_a")
    shop.meet("wm_a", "wm_b", sender="zhou")
    shop.run()
    shop.tap("lin")
    shop.tap("zhou")
    assert shop.seen() == ["wm_a", "wm_b"]


def test_who_carries_the_tag_from_before_loses_it_before_the_call(
    shop: MomentShop,
) -> None:
    shop.meet("wm_a", "wm_refuses")
    shop.run()
    shop.tap()
    shop.branch.mass.poll()
    shop.branch.refuse("wm_refuses")
    shop.branch.later(days=7)
    shop.branch.compared()
    shop.branch.plan(shop.branch.clock.now().date())
    shop.step()
    shop.tap()
    assert shop.seen() == ["wm_a", "wm_a", "wm_refuses"]


def test_C6_a_customer_who_could_not_write_back_that_they_want_no_more_does_not_see_marketing(
    shop: MomentShop,
) -> None:
    shop.meet("wm_a", "wm_unread")
    shop.agree("wm_a")
    shop.branch.store.write(
        lambda db: db.run("UPDATE customer SET birthday_year = 1970, birthday_calendar = 'solar'")
    )
    shop.run(EVENT)
    shop.tap()
    assert shop.seen() == ["wm_a"]
    assert shop.branch.decisions("wm_unread")[-1] == ("drop", '["C6"]')


def test_a_tag_that_cannot_be_set_means_no_moment(shop: MomentShop) -> None:
    shop.meet("wm_a")
    shop.platform.faults.add(pattern=MARK, action="errcode", value=48002)
    shop.run()
    assert shop.made() == 0
    assert shop.branch.pushes() == [("wm_a", "failed", "visible_range", 1)]


def test_a_range_that_wecom_does_not_know_is_stopped_and_not_left_open_to_everybody(
    shop: MomentShop,
) -> None:
    """Without its tag a moment is for all customers of its sender."""
    shop.meet("wm_a")
    shop.meet("wm_refuses")
    shop.branch.refuse("wm_refuses")

    def lose_the_tag(path: str) -> None:
        if path == ADD:
            shop.world.tag_groups.clear()

    shop.platform.before = lose_the_tag
    shop.run()
    shop.tap()
    assert shop.seen() == []
    assert shop.branch.pushes()[0] == ("wm_a", "failed", "visible_range", 1)


def test_a_friendship_that_ended_unseen_fails_and_the_others_see_it(shop: MomentShop) -> None:
    shop.meet("wm_a", "wm_gone")
    shop.world.friendships.pop(("lin", "wm_gone"))
    shop.world._of_member["lin"].pop("wm_gone")
    shop.run()
    shop.tap()
    shop.branch.mass.poll()
    assert shop.branch.pushes() == [
        ("wm_a", "confirmed", "sent", 1),
        ("wm_gone", "failed", "not_friend", 1),
    ]


# -- one task a sender


def test_everybody_of_a_sender_is_in_one_task_however_many_releases_it_takes(
    shop: MomentShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.errands.mass.RELEASE_AT_ONCE", 2)
    shop.meet(*(f"wm_{number}" for number in range(5)))
    shop.run()
    shop.step(6)
    assert shop.made() == 1
    shop.tap()
    assert len(shop.seen()) == 5


def test_a_second_moment_of_a_sender_waits_until_the_first_is_over(shop: MomentShop) -> None:
    shop.meet("wm_a", "wm_b")
    shop.branch.store.write(
        lambda db: db.run("UPDATE customer SET layer = 'high' WHERE external_userid = 'wm_b'")
    )
    for name, layer in (("autumn", "potential"), ("winter", "high")):
        source = GREETING.replace("name: autumn", f"name: {name}")
        shop.branch.campaign(source.replace("everyone", f"{{layer: [{layer}]}}"))
    shop.branch.only("autumn", "winter")
    shop.branch.plan()
    shop.step()
    assert (shop.made(), sorted(shop.branch.tasks())) == (1, ["accepted", "waiting"])
    shop.tap()
    assert len(shop.seen()) == 1
    shop.step(12)
    shop.tap()
    assert (shop.made(), shop.seen()) == (2, ["wm_a", "wm_b"])


# -- doubt


def lost(shop: MomentShop, action: str) -> None:
    shop.platform.faults.add(pattern=ADD, action=action, count=1)


def test_I2_a_lost_answer_is_found_in_the_list_and_published_once(shop: MomentShop) -> None:
    shop.meet("wm_a")
    lost(shop, "hang_after")
    shop.run()
    assert (shop.made(), shop.branch.tasks()) == (1, ["accepted"])
    assert errands(shop.branch.store.read(), "CreateMassSend") == ["done"]
    shop.tap()
    shop.branch.mass.poll()
    assert shop.seen() == ["wm_a"]


def test_I2_what_is_absent_three_times_over_five_minutes_is_planned_anew_and_made_once(
    shop: MomentShop,
) -> None:
    shop.meet("wm_a")
    lost(shop, "hang")
    shop.run()
    assert (shop.made(), shop.branch.tasks()) == (0, ["uncertain"])
    shop.step(12, seconds=40)
    assert (shop.made(), shop.branch.tasks()) == (1, ["absent", "accepted"])


def test_a_job_that_is_not_done_is_waited_for_and_never_counted_as_absent(shop: MomentShop) -> None:
    shop.meet("wm_a")
    shop.platform.world.settings = shop.platform.world.settings.with_clock(shop.branch.clock)
    object.__setattr__(shop.platform.world.settings, "dispatch_seconds", 1800.0)
    shop.run()
    shop.step(20, seconds=60)
    assert (shop.made(), shop.branch.tasks()) == (1, ["calling"])
    shop.branch.later(minutes=15)
    shop.step()
    assert (shop.made(), shop.branch.tasks()) == (1, ["accepted"])


def test_a_job_that_wecom_refuses_fails_with_its_code_and_is_not_tried_for_ever(
    shop: MomentShop,
) -> None:
    shop.meet("wm_a")
    shop.world.staff["lin"].contact = True

    def lose_the_member(path: str) -> None:
        if path == ADD:
            shop.world.staff["lin"].contact = False

    shop.platform.before = lose_the_member
    shop.run()
    assert shop.branch.pushes() == [("wm_a", "failed", "errcode 40003", 1)]


class Killed(BaseException):
    """The process ends here."""


def crash(shop: MomentShop) -> None:
    shop.branch.box = Outbox(shop.branch.store, shop.branch.clock, shop.branch.box._perform)
    shop.branch.box.resume()


def dying(at: str, moment: str, platform: Platform) -> Callable[[], None]:
    left = [True]

    def die(path: str) -> None:
        if path.endswith(at) and left:
            left.clear()
            raise Killed

    setattr(platform, moment, die)
    return lambda: setattr(platform, moment, lambda _path: None)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("at", ["mark_tag", "add_moment_task", "get_moment_task_result"])
def test_I2_a_death_around_any_call_makes_one_moment_and_loses_nobody(
    shop: MomentShop, at: str, moment: str
) -> None:
    shop.meet("wm_a", "wm_b")
    dying(at, moment, shop.platform)
    with pytest.raises(Killed):
        shop.run()
    crash(shop)
    shop.step(14, seconds=40)
    assert shop.made() == 1
    shop.tap()
    shop.branch.mass.poll()
    assert shop.seen() == ["wm_a", "wm_b"]
    assert set(shop.branch.statuses().values()) == {"confirmed"}


def test_a_moment_that_a_restored_store_has_forgotten_is_adopted_and_stopped(
    shop: MomentShop,
) -> None:
    shop.meet("wm_a")
    shop.run()
    shop.branch.store.write(lambda db: db.run("UPDATE push SET task_id = NULL"))
    shop.branch.store.write(lambda db: db.run("DELETE FROM send_task"))
    shop.branch.store.write(lambda db: db.run("DELETE FROM outbox"))
    shop.branch.store.write(lambda db: db.run("UPDATE push SET status = 'planned'"))
    shop.branch.mass.__dict__.pop("doubts", None)  # the process began anew
    shop.step(1)
    assert shop.made() == 1
    shop.step(4, seconds=60)  # results may be two minutes old
    open_ones = [each for each in shop.world.moments.values() if not each.cancelled]
    assert len(open_ones) == 1


# -- stopping


def test_C3_a_refusal_before_the_tap_stops_the_moment_and_the_rest_sees_another(
    shop: MomentShop,
) -> None:
    shop.meet("wm_a", "wm_b")
    shop.run()
    shop.branch.refuse("wm_a")
    shop.branch.work()
    assert [each.cancelled for each in shop.world.moments.values()] == [True]
    shop.step(6)
    shop.tap()
    shop.branch.mass.poll()
    assert shop.seen() == ["wm_b"]
    assert shop.branch.pushes() == [
        ("wm_a", "dropped", "gate", 2),
        ("wm_b", "confirmed", "sent", 2),
    ]


def test_C3_a_refusal_between_marking_and_the_call_keeps_the_person_out(shop: MomentShop) -> None:
    shop.meet("wm_a", "wm_b")
    left, carrying = [True], []

    def refuse(path: str) -> None:
        if path == MARK and left:
            left.clear()
            shop.branch.refuse("wm_a")
        if path == ADD:
            carrying.append([pair.external_userid for pair in shop.friends() if pair.tags])

    shop.platform.after = refuse
    shop.run()
    shop.step(4)
    shop.tap()
    assert (carrying, shop.seen()) == ([["wm_b"]], ["wm_b"])


def test_G1_a_kill_switch_stops_a_moment_that_waits_for_its_tap(shop: MomentShop) -> None:
    shop.meet("wm_a")
    shop.run()
    shop.branch.store.write(
        lambda db: db.run("INSERT INTO kill_switch (scope, engaged) VALUES ('bank', 1)")
    )
    shop.branch.mass.expire()
    shop.branch.work()
    shop.tap()
    assert shop.seen() == []
    assert shop.branch.tasks() == ["cancelled"]


def test_F1_a_moment_that_nobody_published_is_stopped_at_the_closing_hour(shop: MomentShop) -> None:
    shop.meet("wm_a")
    shop.run()
    shop.branch.later(hours=12)
    shop.branch.mass.expire()
    shop.branch.work()
    shop.branch.mass.release()
    shop.tap()
    assert shop.seen() == []
    assert (shop.branch.tasks(), shop.branch.statuses()) == (["cancelled"], {"wm_a": "held"})


def test_F4_moments_and_mass_sends_are_counted_apart(shop: MomentShop) -> None:
    from bot.store import weighing  # noqa: PLC0415  # this test alone

    shop.meet("wm_a")
    shop.run()
    db = shop.branch.store.read()
    assert db.value("SELECT channel FROM push") == "moments"
    shop.branch.store.write(
        lambda db: db.run(
            "INSERT INTO push (key, external_userid, purpose, status, due_at, useful_until,"
            " changed_at, channel) VALUES ('k', 'wm_a', 'service', 'planned', 0, 0, 0,"
            " 'mass_single')"
        )
    )
    number = db.value("SELECT id FROM push WHERE key = 'k'")
    found = weighing.standings(db, [number], shop.branch.clock.now(), "month_days")
    assert found[number]["channel"] == 0


# -- the rest of its life


def test_a_picture_is_uploaded_for_moments_when_the_task_is_handed_over(
    shop: MomentShop, tmp_path: Path
) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + b"tea" * 20
    (tmp_path / "tea.png").write_bytes(picture)
    shop.branch.rules = replace(shop.branch.rules, media=tmp_path)
    uploaded: list[tuple[str, str]] = []

    def upload(kind: str, filename: str, content: bytes) -> Media:
        assert content == picture
        uploaded.append((kind, filename))
        made = f"media-{len(uploaded)}"
        shop.world.media[made] = records.Media(made, "attachment", filename, content, None)
        return Media(made, None)

    shop.branch.wecom.media_upload_attachment = upload  # type: ignore[attr-defined]  # no files on the short wire
    digest = hashlib.sha256(picture).hexdigest()
    shop.meet("wm_a")
    shop.meet("wm_b", sender="zhou")
    named = f"attachments: [{{kind: image, file: tea.png, sha256: {digest}}}]"
    shop.run(GREETING.replace("holdout: 0", f"holdout: 0\n{named}"))
    assert uploaded == [("image", "tea.png")]
    carried = [each.attachments for each in shop.world.moments.values()]
    assert carried == [[{"msgtype": "image", "image": {"media_id": "media-1"}}]] * 2


def test_WeCom_has_no_reminder_of_moments_and_the_apps_own_goes_out(shop: MomentShop) -> None:
    shop.meet("wm_a")
    shop.run()
    asked = len(shop.platform.api.seen)
    add_errand(shop.branch, RemindMassSend(1, "nudge-1"))
    shop.branch.work()
    assert len(shop.platform.api.seen) == asked


def test_the_reminder_tells_the_member_where_moments_wait(shop: MomentShop) -> None:
    shop.meet("wm_a")
    shop.run()
    shop.branch.later(hours=3)
    assert shop.branch.store.write(shop.chaser.chase) == 1
    told = shop.branch.store.read().value("SELECT payload FROM outbox WHERE kind = 'TellStaff'")
    assert json.loads(told)["values"]["place"] == "「客户朋友圈」"


def test_eleven_senders_keep_to_ten_tasks_a_minute(shop: MomentShop) -> None:
    for number in range(11):
        userid = f"m{number}"
        shop.world.add_staff(userid, userid)
        shop.branch.store.write(
            lambda db, u=userid: db.run(  # type: ignore[misc]  # a default binds
                "INSERT INTO staff (userid, name, branch) VALUES (:id, :id, '东山支行')", id=u
            )
        )
        shop.meet(f"wm_{number}", sender=userid)
    shop.run()
    shop.step(14, seconds=60)
    assert shop.made() == 11
    assert [one for one in shop.platform.api.calls_of("add_moment_task") if one.errcode] == []
