"""The sample branch in the real World: filled, talking, and served by its staff."""

import threading
from collections import Counter
from datetime import UTC, date, datetime

import pytest

from bot.clock import SHANGHAI, FixedClock
from bot.errors import Invalid
from bot.sandbox.archive import RETENTION
from bot.sandbox.records import Fields
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.town import Staffers, Story, Town, load_town, populate
from bot.sandbox.town.people import KF_ID
from bot.sandbox.town.staffers import likely_button
from bot.sandbox.world import World

DAY = date(2026, 12, 1)
START = datetime(2026, 12, 1, 8, 55, tzinfo=SHANGHAI)
CARD: Fields = {
    "card_type": "button_interaction",
    "button_list": [
        {"text": "稍后处理", "key": "later"},
        {"text": "已联系", "key": "contacted"},
    ],
}


@pytest.fixture(scope="module")
def town() -> Town:
    return load_town()


@pytest.fixture
def world(town: Town) -> World:
    world = World(SandboxSettings(clock=FixedClock(START)))
    populate(world, town, DAY)
    return world


def said(world: World, beat: str, town: Town) -> list[Fields]:
    texts = {line.text for line in town.lines() if line.beat == beat}
    return [entry for entry in world.history if entry.get("text") in texts]


def send(world: World, userid: str, task_id: str) -> None:
    card = CARD | {"task_id": task_id}
    world.put_app_message(1, "template_card", card, [userid])


# ----------------------------------------------------------------------------------- populate


def test_the_branch_stands_before_the_doors_open(world: World, town: Town) -> None:
    assert len(world.customers) == len(town.people)
    assert len(world.groups) == len(town.groups) == 3
    assert {pair.remark for pair in world.friendships.values()} >= {"王姐", "李叔", "孙大姐"}
    assert len(world.archive.entries) > len(town.history)


def test_nobody_is_called_back_about_the_past(world: World) -> None:
    assert world.unsent == []
    assert world.now() == START.astimezone(UTC)
    world.say("liumin", "开门了", peer="hejia")
    assert len(world.unsent) == 1


def test_what_was_said_before_today_is_in_the_archive_with_its_own_time(world: World) -> None:
    times = [entry.at for entry in world.archive.entries]
    assert times == sorted(times)
    assert times[0].astimezone(SHANGHAI).date() == date(2026, 11, 27)
    assert min(times) > START - RETENTION


def test_every_answer_about_archiving_comes_before_the_first_word(world: World) -> None:
    kinds = [entry.plain["msgtype"] for entry in world.archive.entries]
    assert set(kinds[: kinds.count("agree")]) == {"agree"}


def test_a_world_with_people_is_not_filled_again(world: World, town: Town) -> None:
    with pytest.raises(Invalid, match="已经有人"):
        populate(world, town, DAY)


# --------------------------------------------------------------------------------- the story


def test_the_live_part_plays_in_a_world_that_nobody_disturbs(world: World, town: Town) -> None:
    story = Story(world, town)
    story.tell()
    happened = Counter(entry["kind"] for entry in world.history)
    events = Counter(str(one.fields.get("ChangeType", "")) for one in world.unsent)
    assert story.skipped == 0
    assert happened["recalled"] == 1
    assert happened["kf_entered"] == 2
    assert events["add_external_contact"] == 2
    assert events["update"] == 2


def test_new_friends_bring_a_welcome_code(world: World, town: Town) -> None:
    Story(world, town).tell()
    codes = [
        one.fields["WelcomeCode"]
        for one in world.unsent
        if one.fields.get("ChangeType") == "add_external_contact"
    ]
    assert len(set(codes)) == 2
    assert set(codes) <= set(world.welcome_codes)


def test_only_who_agreed_is_archived_and_only_from_then_on(world: World, town: Town) -> None:
    Story(world, town).tell()
    archived = {
        beat: {entry["archived"] for entry in said(world, beat, town)}
        for beat in ("before_agreement", "after_agreement", "unread", "opt_out", "large_cd")
    }
    assert archived == {
        "before_agreement": {False},
        "after_agreement": {True},
        "unread": {False},
        "opt_out": {True},
        "large_cd": {True},
    }


def test_a_recalled_fact_is_taken_back_in_the_archive(world: World, town: Town) -> None:
    Story(world, town).tell()
    (fact,) = said(world, "recalled_fact", town)
    (revoked,) = [e.plain for e in world.archive.entries if e.plain["msgtype"] == "revoke"]
    assert revoked["revoke"] == {"pre_msgid": fact["msgid"]}


def test_a_reply_carries_the_words_of_another_as_the_archive_writes_them(
    world: World, town: Town
) -> None:
    Story(world, town).tell()
    replies = [
        message.text
        for message in world.messages.values()
        if message.text.startswith("这是一条引用/回复消息：\n")
    ]
    assert len(replies) == 2
    assert any("本金有闪失" in text.partition("------")[0] for text in replies)


def test_customer_service_is_asked_and_an_agent_writes_only_when_it_is_theirs(
    world: World, town: Town
) -> None:
    Story(world, town).tell()
    happened = Counter(entry["kind"] for entry in world.history)
    assert happened["kf_said"] >= 4
    assert happened["kf_servicer_said"] == 0
    assert len(world.kf_accounts[KF_ID].log) == happened["kf_said"] + happened["kf_entered"]


def test_the_story_goes_on_without_who_was_thrown_out(world: World, town: Town) -> None:
    street = town.groups["street"].chat_id
    world.leave_group(street, town.person("孙大姐"), removed=True)
    story = Story(world, town)
    story.tell()
    lines = [line for _, line in town.today if line.who == "孙大姐" and line.group]
    assert len(lines) == story.skipped


def test_everything_is_said_once_and_then_there_is_silence(world: World, town: Town) -> None:
    story = Story(world, town, pace=100_000, patience=0.0)
    story.start()
    story.join(timeout=60)
    texts = Counter(
        entry["text"] for entry in world.history if entry["kind"] == "said" and entry["text"]
    )
    assert story.told.is_set()
    assert not story.is_alive()
    assert story.skipped == 0
    assert max(texts.values()) == 1


def test_a_paused_story_says_nothing_and_can_be_stopped(world: World, town: Town) -> None:
    story = Story(world, town, pace=100_000)
    before = len(world.history)
    story.pause()
    story.start()
    story.stop()
    assert before == len(world.history)
    assert not story.is_alive()


def test_the_same_branch_happens_the_same_way(town: Town) -> None:
    histories = []
    for _ in range(2):
        world = World(SandboxSettings(clock=FixedClock(START)))
        populate(world, town, DAY)
        Story(world, load_town()).tell()
        histories.append(world.history)
    assert histories[0] == histories[1]


# --------------------------------------------------------------------------------- the staff


def test_a_mass_send_is_confirmed_some_seconds_after_it_came(world: World, town: Town) -> None:
    staffers = Staffers(world, town)
    wang = town.person("王姐")
    mass = world.create_mass("single", {"chenxiaoyu": [wang]}, "生日快乐", [])
    assert staffers.look(100.0) == 1
    assert not mass.tasks["chenxiaoyu"].sent
    assert staffers.look(108.0) == 0
    assert mass.tasks["chenxiaoyu"].sent
    assert [one["text"] for one in world.delivered(channel="mass_single")] == ["生日快乐"]


def test_a_moment_is_published_some_seconds_after_it_came(world: World, town: Town) -> None:
    staffers = Staffers(world, town)
    moment = world.create_moment(["chenxiaoyu"], [], "天冷了,出门记得添衣。", [])
    staffers.look(100.0)
    assert not moment.tasks["chenxiaoyu"].published
    staffers.look(108.0)
    assert moment.tasks["chenxiaoyu"].published


def test_what_came_before_anybody_looked_is_not_forgotten(world: World, town: Town) -> None:
    mass = world.create_mass("single", {"hejia": [town.person("鲁叔")]}, "到期提醒", [])
    staffers = Staffers(world, town)
    staffers.look(0.0)
    staffers.look(10.0)
    assert mass.tasks["hejia"].sent


def test_a_cancelled_task_is_not_sent(world: World, town: Town) -> None:
    staffers = Staffers(world, town)
    mass = world.create_mass("single", {"chenxiaoyu": [town.person("王姐")]}, "活动", [])
    staffers.look(0.0)
    world.cancel_mass(mass)
    assert staffers.look(10.0) == 0
    assert world.delivered() == []


def test_a_card_is_answered_with_the_likely_button(world: World, town: Town) -> None:
    staffers = Staffers(world, town)
    send(world, "mazhiyuan", "case-1")
    staffers.look(0.0)
    staffers.look(8.0)
    pressed = [e for e in world.history if e["kind"] == "card_pressed"]
    assert [(e["userid"], e["task_id"], e["key"]) for e in pressed] == [
        ("mazhiyuan", "case-1", "contacted")
    ]


def test_one_colleague_leaves_every_second_card_for_later(world: World, town: Town) -> None:
    staffers = Staffers(world, town)
    send(world, "tangwei", "case-1")
    send(world, "tangwei", "case-2")
    staffers.look(0.0)
    assert staffers.look(10.0) == 1
    assert staffers.look(100.0) == 0


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (CARD, "contacted"),
        ({"button_list": [{"text": "同意", "key": "yes"}, {"text": "驳回", "key": "no"}]}, "yes"),
        ({"button_list": [{"type": 1, "text": "打开", "url": "https://bank.invalid"}]}, ""),
        ({"card_type": "text_notice"}, ""),
    ],
)
def test_the_likely_button_is_having_been_in_touch(body: Fields, expected: str) -> None:
    assert expected == likely_button(body)


def test_the_staff_work_by_themselves_until_they_go_home(world: World, town: Town) -> None:
    staffers = Staffers(world, town, pace=1000)
    sent = threading.Event()
    confirmed = world.confirm_task

    def watch(userid: str, msgid: str) -> dict[str, int]:
        answer = confirmed(userid, msgid)
        sent.set()
        return answer

    world.confirm_task = watch  # type: ignore[method-assign]  # a bell, not a stand-in
    staffers.start()
    world.create_mass("single", {"chenxiaoyu": [town.person("李叔")]}, "祝您生日快乐", [])
    assert sent.wait(timeout=30)
    staffers.stop()
    assert not staffers.is_alive()
