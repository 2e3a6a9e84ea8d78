"""Rates, rests, lanes and members' caps, on a clock that stands still."""

from __future__ import annotations

import threading

import pytest

from bot.errors import Retry
from bot.wecom.pacing import MEMBER_CAPS, PATIENCE_SECONDS, PER_MINUTE, Bucket, Pacing

PATH = "/cgi-bin/externalcontact/mark_tag"


class Time:
    def __init__(self) -> None:
        self.now = 50.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def pacing(time: Time) -> Pacing:
    return Pacing(time.monotonic, time.sleep)


def _turn(pacing: Pacing, path: str = PATH, per_minute: int = PER_MINUTE) -> None:
    with pacing.turn(path, per_minute):
        pass


def test_the_pace_stays_well_below_the_platforms_ten_thousand_a_minute() -> None:
    # A burst and a whole minute at the full rate.
    assert PER_MINUTE + PER_MINUTE // 60 < 10_000 * 0.7


def test_a_bucket_lets_a_burst_pass_and_then_keeps_its_rate() -> None:
    bucket = Bucket(per_minute=60, burst=3)
    assert [bucket.take(0.0, patience=10.0) for _ in range(5)] == [0.0, 0.0, 0.0, 1.0, 2.0]


def test_a_bucket_that_was_left_alone_is_full_again_and_not_fuller() -> None:
    bucket = Bucket(per_minute=60, burst=2)
    for _ in range(2):
        bucket.take(0.0, patience=0.0)
    assert [bucket.take(1000.0, patience=10.0) for _ in range(3)] == [0.0, 0.0, 1.0]


def test_a_turn_that_nobody_waits_for_is_not_taken() -> None:
    bucket = Bucket(per_minute=60, burst=1)
    bucket.take(0.0, patience=0.0)
    assert [bucket.take(0.0, patience=0.5) for _ in range(3)] == [1.0, 1.0, 1.0]


def test_in_any_minute_no_more_calls_leave_than_the_rate_and_one_burst(
    pacing: Pacing, time: Time
) -> None:
    left: list[float] = []
    while time.now < 170:
        _turn(pacing, per_minute=600)
        left.append(time.now)
    most = max(sum(start <= moment < start + 60 for moment in left) for start in left)
    assert most <= 600 + 10
    assert most >= 590


def test_a_queue_longer_than_the_patience_gives_the_work_back(time: Time) -> None:
    pacing = Pacing(time.monotonic, lambda _: None)  # many threads wait at one moment
    for _ in range(1 + int(PATIENCE_SECONDS)):
        _turn(pacing, per_minute=60)
    with pytest.raises(Retry) as retry:
        _turn(pacing, per_minute=60)
    assert retry.value.after == PATIENCE_SECONDS + 1


def test_bulk_on_one_interface_leaves_the_others_their_pace(pacing: Pacing, time: Time) -> None:
    for _ in range(20):
        _turn(pacing, "/cgi-bin/externalcontact/add_msg_template", per_minute=60)
    time.slept.clear()
    _turn(pacing, "/cgi-bin/externalcontact/send_welcome_msg", per_minute=60)
    assert time.slept == []


def test_calls_that_may_not_run_side_by_side_wait_for_each_other(pacing: Pacing) -> None:
    entered = threading.Event()

    def third() -> None:
        with pacing.turn(PATH, parallel=2):
            entered.set()

    with pacing.turn(PATH, parallel=2):
        with pacing.turn(PATH, parallel=2):
            thread = threading.Thread(target=third)
            thread.start()
            assert not entered.wait(0.05)
        assert entered.wait(5)
    thread.join()


def test_calls_under_way_when_a_rest_begins_do_not_make_it_an_hour(
    pacing: Pacing, time: Time
) -> None:
    assert [pacing.park(PATH, 60, 3600) for _ in range(10)] == [60.0] * 10
    time.now += 60
    assert pacing.park(PATH, 60, 3600) == 3600


def test_a_late_success_does_not_end_a_rest(pacing: Pacing, time: Time) -> None:
    pacing.park(PATH, 60, 3600)
    pacing.passed(PATH)
    with pytest.raises(Retry):
        pacing.check(PATH)
    time.now += 60
    pacing.check(PATH)
    assert pacing.park(PATH, 60, 3600) == 3600


def test_one_friendship_has_one_lane_and_most_others_have_another(pacing: Pacing) -> None:
    lane = pacing.lane("zhangsan", "wm1")
    others = {id(pacing.lane("zhangsan", f"wm{number}")) for number in range(500)}
    assert lane is pacing.lane("zhangsan", "wm1")
    assert len(others) == 64


def test_member_caps_are_below_what_wecom_drops_silently() -> None:
    ours = dict(MEMBER_CAPS)
    assert ours[60.0] < 30
    assert ours[3600.0] < 1000


def test_a_member_gets_no_more_than_the_cap_in_any_minute_and_any_hour(
    pacing: Pacing, time: Time
) -> None:
    admitted: list[float] = []
    while time.now < 50 + 2 * 3600:
        try:
            pacing.admit(["zhangsan"])
        except Retry as retry:
            time.now += retry.after
        else:
            admitted.append(time.now)
    minute = max(sum(start <= one < start + 60 for one in admitted) for start in admitted[:1200])
    hour = max(sum(start <= one < start + 3600 for one in admitted) for start in admitted[:1200])
    assert (minute, hour) == (28, 950)


def test_a_message_to_two_members_counts_for_neither_when_one_is_full(pacing: Pacing) -> None:
    for _ in range(28):
        pacing.admit(["zhangsan"])
    for _ in range(5):
        with pytest.raises(Retry):
            pacing.admit(["lisi", "zhangsan"])
    for _ in range(28):
        pacing.admit(["lisi"])


def test_members_are_the_same_in_any_case_and_count_once_a_message(pacing: Pacing) -> None:
    for _ in range(28):
        pacing.admit(["ZhangSan", "zhangsan"])
    with pytest.raises(Retry):
        pacing.admit(["ZHANGSAN"])


def test_members_without_messages_for_an_hour_are_forgotten(pacing: Pacing, time: Time) -> None:
    pacing.admit([f"member{number}" for number in range(5000)])
    time.now += 3600
    pacing.admit(["zhangsan"])
    assert list(pacing._sent) == ["zhangsan"]  # memory has no other face


def test_messages_of_an_earlier_process_count_until_they_leave_the_minute(
    pacing: Pacing, time: Time
) -> None:
    span, most = MEMBER_CAPS[0]
    pacing.recall([("ZhangSan", 10.0)] * (most - 1) + [("zhangsan", 50.0)])
    with pytest.raises(Retry) as wait:
        pacing.admit(["zhangsan"])
    assert span - 50.0 == wait.value.after
    time.now += span - 50.0
    pacing.admit(["zhangsan"])
