"""Forms of address, words for dates and maturities, and the voice check over every shipped text."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest

from bot.clock import SHANGHAI
from bot.errors import Invalid
from bot.model import Layer, Purpose
from scheduler.campaigns import Campaign, load_campaigns
from scheduler.messages import FORMS, Message, load_messages
from scheduler.voice import Words, day_words, load_words, moment_words
from scheduler.words import Renderer

TEMPLATES = Path(__file__).parents[3] / "templates"
WORDS = TEMPLATES / "messages" / "words.yaml"
CAMPAIGNS = load_campaigns(TEMPLATES / "campaigns")
MESSAGES = load_messages(TEMPLATES / "messages")
SAMPLE = {
    "address": "王姐",
    "branch": "城东支行",
    "sender_name": "小陈",
    "stop_way": "不想收到这类消息,点这里就行:https://bank.example/out/abcdefghijklmnop",
    "hours": "工作日9:00–17:00",
    "deadline": "明天09:20",
    "customer": "王秀兰",
    "topic": "大额存单",
    "matter": "投诉",
    "assignee": "小陈",
    "manager": "小陈",
    "layer": "高端",
    "states": "有效、升温",
    "place": "「城东邻里」群",
    "heard_at": "今天10:32",
    "quote": "大额存单现在几个点?我有二十万",
    "fact": "月日均过了50万",
    "why": "三个月没联系",
    "todo": "打个电话问问近况",
    "link": "https://bank.example/login/abc",
    "event": "茶艺课",
    "starts": "周六15:00",
    "names": "王姐2位、李叔(候补)",
    "left": 3,
    "count": 3,
    "offer_merchant": "老街面馆",
    "offer_benefit": "招牌牛肉面一碗",
    "offer_address": "东山路12号",
    "offer_until": "12月31日(周四)",
    "offer_condition": "来网点签到就能领",
}
TODAY = date(2026, 11, 28)


@pytest.fixture(scope="module")
def words() -> Words:
    return load_words(WORDS)


@pytest.mark.parametrize(
    ("name", "remark", "gender", "expected"),
    [
        ("王秀兰", "王姐", "female", "王姐"),
        ("李强", "李叔(12月到期)", "male", "李叔"),
        ("", "陈老师-一中", "", "陈老师"),
        ("张三", "张总 城东建材", "", "张总"),
        ("李明", "李阿姨", "", "李阿姨"),
        ("欧阳娜", "欧阳大姐", "female", "欧阳大姐"),
        ("王秀兰", "秀兰姐 12月", "female", "秀兰姐"),
        ("王秀兰", "王秀兰老师", "female", "王秀兰老师"),
        # What only looks like a form of address is not one.
        ("王秀兰", "王姐夫", "female", "王女士"),
        ("王秀兰", "王姐家装修款", "female", "王女士"),
        ("王秀兰", "老王", "female", "王女士"),
        ("王秀兰", "二姐", "female", "王女士"),
        ("王秀兰", "菜场姐", "female", "王女士"),
        ("王秀兰", "白菜姐", "female", "王女士"),
        ("李强", "总", "male", "李先生"),
        ("李强", "李叔转介绍的客户", "male", "李先生"),
        # Without a remark: surname and title, when both are sure.
        ("诸葛亮", "", "male", "诸葛先生"),
        ("欧阳小娜", "", "female", "欧阳女士"),
        ("赵敏", "", "female", "赵女士"),
        ("", "王秀兰 存单", "female", "王女士"),
        ("赵敏", "", "", "您好"),
        ("赵敏", "", "unknown", "您好"),
        ("欧阳", "", "male", "您好"),
        ("平安是福", "", "male", "您好"),
        ("Amy", "", "female", "您好"),
        ("阿依古丽·买买提", "", "female", "您好"),
        ("王", "", "male", "您好"),
        ("", "", "female", "您好"),
        ("{{ 7*7 }}", "{% x %}", "male", "您好"),
        ("王\u200b秀兰", "", "female", "王女士"),
    ],
)
def test_people_are_addressed_as_their_follow_user_does_or_formally_or_not_by_name(
    words: Words, name: str, remark: str, gender: str, expected: str
) -> None:
    assert expected == words.address(name, remark, gender)


@pytest.mark.parametrize(
    ("day", "expected"),
    [(date(2026, 12, 8), "12月8日(周二)"), (date(2027, 1, 3), "2027年1月3日(周日)")],
)
def test_a_day_is_told_with_its_weekday_and_the_year_only_when_it_is_another(
    day: date, expected: str
) -> None:
    assert expected == day_words(day, TODAY)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-28T15:30:00+08:00", "今天15:30"),
        ("2026-11-28T23:30:00+00:00", "明天07:30"),
        ("2026-11-27T09:05:00+08:00", "昨天09:05"),
        ("2026-12-08T09:20:00+08:00", "12月8日(周二)09:20"),
    ],
)
def test_a_moment_is_told_from_today(moment: str, expected: str) -> None:
    now = datetime(2026, 11, 28, 9, tzinfo=SHANGHAI)
    assert expected == moment_words(datetime.fromisoformat(moment), now)


def test_a_moment_without_zone_is_refused() -> None:
    naive = datetime(2026, 11, 28, 9)  # noqa: DTZ001  # the point
    with pytest.raises(Invalid):
        moment_words(naive, datetime(2026, 11, 28, 9, tzinfo=SHANGHAI))


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (["time_deposit"], "一笔定期存款"),
        (["large_cd", "large_cd"], "两笔大额存单"),
        (["time_deposit", "large_cd", "time_deposit"], "两笔定期存款、一笔大额存单"),
        (["insurance"], "一份保险"),
        (["time_deposit"] * 11, "11笔定期存款"),
    ],
)
def test_all_that_falls_due_on_a_day_is_one_phrase(
    words: Words, kinds: list[str], expected: str
) -> None:
    assert expected == words.maturity(kinds, date(2026, 12, 8), TODAY)["holdings"]


def test_holdings_of_different_kinds_get_the_wording_that_is_true_for_all(words: Words) -> None:
    found = words.maturity(["time_deposit", "wealth"], date(2026, 12, 8), TODAY)
    assert words.groups["mixed"].unattended == found["unattended"]


@pytest.mark.parametrize("kinds", [["mortgage"], ["time_deposit", "gold"], []])
def test_a_kind_without_wording_gets_no_notice(words: Words, kinds: list[str]) -> None:
    with pytest.raises(Invalid):
        words.maturity(kinds, date(2026, 12, 8), TODAY)


def test_the_way_out_is_a_word_where_the_talk_is_read_and_a_link_elsewhere(words: Words) -> None:
    assert "回复「退订」" in words.stop_way()
    assert words.stop_way("https://bank.example/out/abc").endswith("https://bank.example/out/abc")
    assert "回复" not in words.stop_way("https://bank.example/out/abc")


def test_everything_on_screen_has_its_chinese(words: Words) -> None:
    assert set(Layer) == set(words.layers)
    assert {"large_cd": "大额存单", "queue": "排队", "transfer_out": "转走资金"}.items() <= (
        words.topics.items()
    )


@pytest.mark.parametrize(
    ("text", "purpose", "word"),
    [
        ("尊敬的客户\n——城东支行 小陈", Purpose.GREETING, "尊敬的"),
        ("亲\uff0c在吗\n——城东支行 小陈", Purpose.MARKETING, "开头"),
        ("收益高达3%\n——城东支行 小陈", Purpose.MARKETING, "高达"),
        ("限时\n退订\n——城东支行 小陈", Purpose.MARKETING, "限时"),
        ("祝您生日快乐!\uff01\n——城东支行 小陈", Purpose.GREETING, "感叹号"),
        ("祝您生日快乐🎂🎁\n——城东支行 小陈", Purpose.GREETING, "表情"),
        ("王姐,定期到期了🎂", Purpose.SERVICE, "表情"),
        ("祝您" + "快乐" * 30 + "\n——城东支行 小陈", Purpose.GREETING, "太长"),
        ("长" * 121, Purpose.SERVICE, "太长"),
        ("长" * 161, Purpose.MARKETING, "太长"),
        ("祝您生日快乐", Purpose.GREETING, "署名"),
        ("周六有茶艺课\n——城东支行 小陈", Purpose.MARKETING, "退订"),
        ("祝您快乐,来看看存款\n——城东支行 小陈", Purpose.GREETING, "存款"),
        ("祝您快乐,不想收到回复退订\n——城东支行 小陈", Purpose.GREETING, "退订"),
        ("您有一笔20万元定期到期", Purpose.SERVICE, "金额"),
        ("您有一笔20万定期到期", Purpose.SERVICE, "金额"),
        ("您尾号1234的定期到期", Purpose.SERVICE, "账号"),
        ("【通知】到期了", Purpose.SERVICE, "【】"),
        ("你有一笔定期到期", Purpose.SERVICE, "您"),
    ],
)
def test_what_breaks_the_voice_is_named(
    words: Words, text: str, purpose: Purpose, word: str
) -> None:
    assert any(word in problem for problem in words.check_voice(text, purpose))


def test_good_texts_pass(words: Words) -> None:
    greeting = "李叔,今天农历八月十六,祝您生日快乐,身体硬朗。\n——城东支行 小陈"
    invitation = (
        "陈老师,周六(28日)下午3点支行有场茶艺课,老师是茶厂的周师傅,十二个位子。想来回复「报名」,"
        "带朋友说一声几位。不想收到活动消息,回复「退订」就行。\n——城东支行 小陈"
    )
    notice = "王姐,您有一笔定期12月8日(周二)到期。到期前后来网点或手机银行都能办。"
    assert words.check_voice(greeting, Purpose.GREETING) == []
    assert words.check_voice(invitation, Purpose.MARKETING) == []
    assert words.check_voice(notice, Purpose.SERVICE) == []


def campaign_values(campaign: Campaign, words: Words, step: int) -> list[dict[str, str | int]]:
    if campaign.occasion == "birthday":
        return [
            {**SAMPLE, "calendar": "solar"},
            {**SAMPLE, "calendar": "lunar", "lunar_day": "农历闰六月二十九", "address": "欧阳老师"},
        ]
    if campaign.occasion != "maturity":
        own = {"years": 10, "festival": "中秋", "weekday": "周五", "season": "Q4", "step": step}
        return [{**SAMPLE, **own}, {**SAMPLE, **own, "stop_way": words.stop_way()}]
    kinds = [*([kind] for kind in words.products), ["time_deposit", "large_cd", "wealth"]]
    return [
        {**SAMPLE, "step": step, **words.maturity(kind, date(2027, 12, 28), TODAY)}
        for kind in kinds
    ]


@pytest.mark.parametrize("campaign", CAMPAIGNS, ids=lambda each: each.name)
def test_every_shipped_campaign_keeps_the_voice(campaign: Campaign, words: Words) -> None:
    renderer = Renderer()
    for step in campaign.steps:
        for values in campaign_values(campaign, words, step):
            text = renderer.render(campaign, values)
            assert words.check_voice(text, campaign.purpose) == [], text
            assert "\n——城东支行 小陈" in text


@pytest.mark.parametrize(
    "message", [m for m in MESSAGES.values() if FORMS[m.form].for_customer], ids=lambda m: m.name
)
def test_every_shipped_message_to_customers_keeps_the_voice(message: Message, words: Words) -> None:
    for text in Renderer().render_parts(message, SAMPLE).values():
        assert words.check_voice(text, Purpose.SERVICE) == [], text


@pytest.mark.parametrize(
    "message", [m for m in MESSAGES.values() if m.form == "card"], ids=lambda m: m.name
)
def test_every_card_fits_its_space_and_suggests_a_reply_in_our_voice(
    message: Message, words: Words
) -> None:
    long = SAMPLE | dict.fromkeys(("customer", "topic", "matter", "quote", "fact"), "长" * 90)
    parts = Renderer().render_parts(message, long)
    assert len(parts["title"]) <= 36
    assert len(parts["title"].encode()) <= 128
    assert sum(len(parts[part].encode()) for part in ("why", "todo", "quote")) <= 512
    assert parts["title"].startswith("长" * 11)
    shown = Renderer().render_parts(message, SAMPLE)
    assert not any(shown[part].endswith("…") for part in shown)
    assert words.check_voice(shown["reply"], Purpose.SERVICE) == []
    assert all(len(label) <= 10 for label in message.buttons.values())


def test_a_maturity_notice_tells_kind_day_and_what_happens_without_action(words: Words) -> None:
    maturity = next(each for each in CAMPAIGNS if each.name == "maturity")
    fields = words.maturity(["time_deposit"], date(2026, 12, 8), TODAY)
    texts = {
        step: Renderer().render(maturity, {**SAMPLE, "step": step, **fields}) for step in (30, 1, 0)
    }
    for text in texts.values():
        for part in ("定期存款", "12月8日(周二)", "续存", "不办的话"):
            assert part in text
    assert "明天12月8日" in texts[1]
    assert "今天12月8日" in texts[0]


def test_a_lunar_birthday_is_wished_with_its_lunar_day() -> None:
    birthday = next(each for each in CAMPAIGNS if each.name == "birthday")
    lunar = {**SAMPLE, "calendar": "lunar", "lunar_day": "农历八月十六"}
    assert "今天农历八月十六" in Renderer().render(birthday, lunar)
    assert "农历" not in Renderer().render(birthday, {**SAMPLE, "calendar": "solar"})
    with pytest.raises(Invalid, match="lunar_day"):
        Renderer().render(birthday, {**SAMPLE, "calendar": "lunar"})


def changed(folder: Path, old: str, new: str) -> Path:
    text = WORDS.read_text(encoding="utf-8")
    assert old in text
    file = folder / "words.yaml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("nobody: 您好", "nobody: ''"),
        ("  mixed:", "  mixd:"),
        ("measure: 份, group: insurance", "measure: 份, group: insurances"),
        ("  fraud: 疑似诈骗\n", ""),
        ("  greeting_most: 60", "  greeting_most: 很短"),
        ("  female: 女士", "  woman: 女士"),
    ],
)
def test_a_mistake_in_the_words_names_file_and_line(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(Invalid, match=r"^words\.yaml 第 \d+ 行:"):
        load_words(changed(tmp_path, old, new))
