"""The sample branch as it is written: enough people, enough to say, every beat of the story."""

import csv
import re
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from lunar_python import Solar
from openpyxl import load_workbook

from bot.errors import Invalid
from bot.sandbox.town import Town, core_files, load_town
from bot.sandbox.town.people import HERE, Birthday

DAY = date(2026, 12, 1)
BEATS = {
    "active",
    "active_history",
    "advert",
    "after_agreement",
    "agree_late",
    "before_agreement",
    "birthday",
    "bond_interest",
    "children",
    "churn",
    "competitor_maturity",
    "complaint",
    "concern",
    "contact_request",
    "correction",
    "disagree",
    "elders",
    "fraud",
    "group_join",
    "hobby",
    "hypothesis",
    "inflow",
    "invitation",
    "joke",
    "large_cd",
    "loan_interest",
    "negation",
    "occupation",
    "opt_in",
    "opt_out",
    "other_people",
    "outflow",
    "own_maturity",
    "quoted",
    "recall",
    "recalled_fact",
    "referral",
    "risk",
    "sign_up",
    "sign_up_maybe",
    "sign_up_no",
    "unanswered",
    "unread",
    "wedding",
    "welcome",
}


@pytest.fixture(scope="module")
def town() -> Town:
    return load_town()


def spoken(town: Town) -> list[str]:
    return [line.text for line in town.lines() if not line.do]


def words_by_day(town: Town, who: str) -> Counter[int]:
    past = Counter(ago for ago, _, line in town.history if line.who == who and not line.do)
    return past + Counter({0: sum(line.who == who and not line.do for _, line in town.today)})


def crosses(days: Counter[int]) -> bool:
    return sum(days.values()) >= 5 and len(days) >= 3


def test_at_least_sixty_people_speak_today_and_some_only_read(town: Town) -> None:
    speakers = {line.who for _, line in town.today} & set(town.people)
    silent = {one.key for one in town.people.values() if one.quiet}
    assert len(town.people) >= 64
    assert len(speakers) >= 60
    assert len(silent) >= 4
    assert not silent & {line.who for line in town.lines()}


def test_several_hundred_lines_are_said_and_none_twice(town: Town) -> None:
    lines = spoken(town)
    repeated = [text for text, times in Counter(lines).items() if times > 1]
    assert repeated == []
    assert len(lines) >= 400
    assert sum(bool(line.group) for _, line in town.today) >= 250


@pytest.mark.parametrize("beat", sorted(BEATS))
def test_the_story_has_the_beat(town: Town, beat: str) -> None:
    assert beat in {line.beat for line in town.lines()}


def test_the_refusal_is_said_in_the_words_of_the_demo(town: Town) -> None:
    (refusal,) = [line for line in town.lines() if line.beat == "opt_out"]
    assert refusal.text == "别再给我发广告了"


def test_who_refuses_would_otherwise_be_greeted_tomorrow_and_reminded_in_a_week(
    town: Town,
) -> None:
    (refusal,) = [line for line in town.lines() if line.beat == "opt_out"]
    person = town.people[refusal.who]
    assert person.consents == ("marketing",)
    assert person.birthday == Birthday(ahead=1)
    assert [held.due for held in person.holdings] == [7]


def test_no_number_looks_like_a_real_telephone() -> None:
    written = "".join(file.read_text(encoding="utf-8") for file in sorted(HERE.rglob("*.yaml")))
    phones = [one.phone for one in load_town().people.values()]
    assert re.findall(r"(?<!\d)1[3-9]\d{9}(?!\d)", written + " ".join(phones)) == []
    assert all(phone.startswith("100") and len(phone) == 11 for phone in phones)


def test_people_are_told_apart_by_remark_name_and_nickname(town: Town) -> None:
    people = town.people.values()
    assert len(people) == len({one.nick for one in people}) == len({one.name for one in people})


def test_every_speaker_in_a_group_is_in_it_or_joins_first(town: Town) -> None:
    inside = {
        (key, who)
        for key, group in town.groups.items()
        for who in [group.owner, *group.staff, *(one.key for one in town.members(key))]
    }
    strangers = []
    for line in town.lines():
        if line.do == "join":
            inside.add((line.group, line.who))
        elif line.group and (line.group, line.who) not in inside:
            strangers.append((line.group, line.who))
    assert strangers == []


def test_one_to_one_only_friends_talk(town: Town) -> None:
    wrong = [
        line.text
        for line in town.lines()
        if line.dm and not line.do and line.who not in (line.dm, town.people[line.dm].follow)
    ]
    assert wrong == []


def test_only_one_person_crosses_the_line_of_activity_and_with_her_first_word_today(
    town: Town,
) -> None:
    crossing = [key for key in town.people if crosses(words_by_day(town, key))]
    (active,) = [line for _, line in town.today if line.beat == "active"]
    before = Counter(ago for ago, _, line in town.history if line.who == active.who)
    first = next(line for _, line in town.today if line.who == active.who)
    assert crossing == [active.who]
    assert before == {-4: 1, -2: 2, -1: 1}
    assert first == active


def test_others_are_chatty_and_stay_below_the_line(town: Town) -> None:
    chatty = [key for key in town.people if sum(words_by_day(town, key).values()) >= 8]
    assert len(chatty) >= 5


def test_the_live_part_takes_less_than_two_minutes_and_the_rest_trickles(town: Town) -> None:
    live = [at for at, _ in town.today]
    later = [at for at, _ in town.later]
    assert live == sorted(live)
    assert live[-1] < 110
    assert later == sorted(later)
    assert min(after - before for before, after in pairwise(later)) >= 5


def test_lines_of_one_conversation_keep_their_order(town: Town) -> None:
    order = [line.beat or line.text for _, line in town.today if line.dm == "柯姐"]
    agreed = order.index("agree_late")
    assert order.index("before_agreement") < agreed < order.index("after_agreement")


@pytest.mark.parametrize("day", [DAY, date(2027, 2, 28), date(2028, 2, 29), date(2026, 6, 14)])
def test_two_have_their_birthday_on_the_demos_day_and_one_of_them_by_the_moon(
    town: Town, day: date
) -> None:
    moon = Solar.fromYmd(day.year, day.month, day.day).getLunar()
    solar, lunar = set(), set()
    for one in town.people.values():
        if one.birthday and one.birthday.ahead == 0:
            (lunar if one.birthday.lunar else solar).add(one.birthday.born(day, one.age)[5:])
    assert solar == {day.strftime("%m-%d")}
    assert lunar == {f"{abs(moon.getMonth()):02d}-{moon.getDay():02d}"}


def test_a_birthday_resolves_on_every_day_of_four_years(town: Town) -> None:
    for ago in range(0, 4 * 365, 5):
        day = DAY + timedelta(days=ago)
        born = [one.birthday.born(day, one.age) for one in town.people.values() if one.birthday]
        assert all(re.fullmatch(r"(19|20)\d\d-\d\d-\d\d", text) for text in born)


def test_something_matures_in_thirty_seven_one_and_no_days(town: Town) -> None:
    dues = Counter(held.due for one in town.people.values() for held in one.holdings)
    assert {30, 7, 1, 0} <= set(dues)


def test_a_line_of_somebody_unknown_is_refused(tmp_path: Path) -> None:
    (tmp_path / "talk").mkdir()
    (tmp_path / "people.yaml").write_bytes((HERE / "people.yaml").read_bytes())
    for part in ("history", "today", "later"):
        (tmp_path / "talk" / f"{part}.yaml").write_text(
            "scenes: [{where: street, day: -1, at: '9:00', start: 0, span: 1, lines: [{谁: 哦}]}]",
            encoding="utf-8",
        )
    with pytest.raises(Invalid, match=r"不是 people\.yaml 里的人"):
        load_town(tmp_path)


# -------------------------------------------------------------------- the core system's files


def table(file: Path, encoding: str = "utf-8-sig") -> list[dict[str, str]]:
    with file.open(encoding=encoding, newline="") as written:
        return list(csv.DictReader(written))


def test_the_core_systems_files_meet_through_number_and_phone(tmp_path: Path, town: Town) -> None:
    files = core_files(DAY, tmp_path, town=town)
    customers = table(files["customers"])
    known = {row["core_id"] for row in customers}
    phones = {row["phone"] for row in customers}
    assert len(customers) >= 60
    assert {row["core_id"] for row in table(files["holdings"])} <= known
    assert {row["手机号"] for row in table(files["consents"], "gb18030")} <= phones
    assert {row["external_userid"] for row in customers} <= {
        one.external_userid for one in town.people.values()
    }


def test_maturities_are_counted_from_the_demos_day(tmp_path: Path, town: Town) -> None:
    dues = {row["matures_on"] for row in table(core_files(DAY, tmp_path, town=town)["holdings"])}
    assert {"2026-12-01", "2026-12-02", "2026-12-08", "2026-12-31"} <= dues


def test_the_staff_file_is_a_workbook_with_chinese_headers(tmp_path: Path, town: Town) -> None:
    book = load_workbook(core_files(DAY, tmp_path, town=town)["staff"], read_only=True)
    rows = list(book.worksheets[0].iter_rows(values_only=True))
    book.close()
    assert rows[0] == ("账号", "姓名", "网点", "上级机构", "角色", "资格", "代理人")
    assert len(rows) == 1 + len(town.staff)


def test_some_refused_marketing_at_the_counter_and_some_never_answered(
    tmp_path: Path, town: Town
) -> None:
    rows = table(core_files(DAY, tmp_path, town=town)["consents"], "gb18030")
    granted = Counter((row["用途"], row["同意"]) for row in rows)
    assert granted["marketing", "是"] >= 50
    assert granted["marketing", "否"] >= 1
    assert granted["profiling_sensitive", "是"] >= 5


def test_an_event_for_a_group_names_it_as_the_group_is_called(town: Town) -> None:
    names = {each.name for each in town.groups.values()}
    assert [] == [each["code"] for each in town.events if each["audience"] not in names]
