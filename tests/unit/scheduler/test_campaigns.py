"""Campaign and message files: their mistakes, and the release that pins them."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from bot.errors import Invalid
from bot.model import Channel, Layer, Purpose
from scheduler.campaigns import Campaign, load_campaigns, parse_campaign
from scheduler.messages import load_messages
from scheduler.release import (
    is_released,
    load_release,
    text_hash,
    verify_release,
    write_release,
)
from scheduler.voice import load_words

TEMPLATES = Path(__file__).parents[3] / "templates"


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    copy = tmp_path / "templates"
    shutil.copytree(TEMPLATES, copy)
    return copy


def shipped(name: str, folder: Path = TEMPLATES) -> Campaign:
    return next(c for c in load_campaigns(folder / "campaigns") if c.name == name)


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_shipped_campaigns_are_a_plain_greeting_and_a_service_notice() -> None:
    birthday, maturity = shipped("birthday"), shipped("maturity")
    assert (birthday.purpose, birthday.steps) == (Purpose.GREETING, (0,))
    assert (maturity.purpose, maturity.steps) == (Purpose.SERVICE, (30, 7, 1, 0))
    assert birthday.personal
    assert Layer.POTENTIAL not in birthday.layers
    assert maturity.holdout == 0


def test_a_greeting_is_useful_until_its_day_ends_in_shanghai() -> None:
    birthday, maturity = shipped("birthday"), shipped("maturity")
    day = date(2026, 12, 31)
    assert datetime(2026, 12, 31, 16, tzinfo=UTC) == birthday.useful_until(0, day)
    assert datetime(2027, 1, 3, 16, tzinfo=UTC) == maturity.useful_until(7, day)


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "word"),
    [
        ("birthday", "purpose: greeting", "purpose: marketing", 7, "greeting"),
        ("birthday", "occasion: birthday", "occasion: birthdays", 4, "maturity"),
        ("birthday", "steps: [0]", "steps: [1]", 2, "steps"),
        ("birthday", "steps: [0]", "steps: []", 2, "steps"),
        ("maturity", "steps: [30, 7, 1, 0]", "steps: [7, 30, 1, 0]", 2, "从大到小"),
        ("maturity", "steps: [30, 7, 1, 0]", "steps: [30, 7, 1]", 9, "不认识 0"),
        ("maturity", "holdout: 0", "holdout: 10", 12, "对照组"),
        ("birthday", "holdout: 0", "hold_out: 0", 2, "holdout"),
        ("birthday", "approver: compliance", "approver: compliance\nsender: x", 14, "sender"),
        ("birthday", "approver: compliance", "approver: owner", 13, "compliance"),
        ("birthday", "channel: mass_single", "channel: kf", 8, "mass_single"),
        ("birthday", "personal: true", "personal: yes", 10, "true"),
        ("birthday", "personal: true", "personal: false", 2, "layers"),
        ("birthday", "layers: [middle, high, private]", "layers: [rich]", 11, "middle"),
        ("birthday", "version: 1", "version: 一", 3, "整数"),
        ("birthday", "name: birthday", "name: geburtstag", 2, "birthday"),
        ("birthday", "audience: everyone", "audience: 所有人", 6, "小写字母"),
        ("birthday", "{0: 当天}", "{0: 当日}", 9, "时长"),
        ("birthday", "{{ address }}", "{{ phone }}", 15, "phone"),
        ("birthday", "{{ address }}", "您好", 15, "address"),
        ("birthday", "{{ address }}", "{{ holdings }}", 15, "holdings"),
        ("birthday", "——{{ branch }} {{ sender_name }}", "——{{ branch }}", 15, "署名"),
        ("birthday", "{% endif %}", "", 16, "成对"),
        ("birthday", "---\nname", "name", 1, "---"),
        ("birthday", "steps: [0]", "steps: [0", 6, "格式"),
    ],
)
def test_a_mistake_in_a_campaign_names_file_line_and_fix(
    templates: Path, name: str, old: str, new: str, line: int, word: str
) -> None:
    edit(templates / "campaigns" / f"{name}.md", old, new)
    with pytest.raises(Invalid) as caught:
        load_campaigns(templates / "campaigns")
    where, _, what = str(caught.value).partition(" 行:")
    assert f"{name}.md 第 {line}" == where
    assert word in what


def test_a_campaign_without_words_is_refused(templates: Path) -> None:
    file = templates / "campaigns" / "birthday.md"
    head = file.read_text(encoding="utf-8").split("\n---\n")[0]
    file.write_text(f"{head}\n---\n\n", encoding="utf-8")
    with pytest.raises(Invalid, match="没有话术"):
        load_campaigns(templates / "campaigns")


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("## why", "## reason", "依次写"),
        ("## why", "## title", "各一次"),
        ("## quote\n「{{ quote }}」", "「{{ quote }}」", "## quote"),
        ("{{ topic }}", "{{ product }}", "product"),
        ("form: card", "form: kard", "card"),
        ("later: 稍后", "later: 稍后再联系这位客户吧好不好", "10"),
    ],
)
def test_a_mistake_in_a_message_names_file_and_fix(
    templates: Path, old: str, new: str, word: str
) -> None:
    edit(templates / "messages" / "card_interest.md", old, new)
    with pytest.raises(Invalid, match=rf"^card_interest\.md 第 \d+ 行:.*{word}"):
        load_messages(templates / "messages")


def test_a_message_tells_its_fields_and_buttons() -> None:
    card = load_messages(TEMPLATES / "messages")["card_interest"]
    expected = {"customer", "topic", "deadline", "quote", "heard_at", "place", "address"}
    assert expected == card.fields
    assert list(card.buttons.values()) == ["已联系", "稍后", "不需要"]


def test_the_group_welcome_leaves_the_name_to_the_platform() -> None:
    assert "%NICKNAME%" in load_messages(TEMPLATES / "messages")["group_welcome"].words


def test_the_release_pins_every_shipped_text() -> None:
    assert verify_release(TEMPLATES) == []
    release = load_release(TEMPLATES)
    texts = [
        *load_campaigns(TEMPLATES / "campaigns"),
        *load_messages(TEMPLATES / "messages").values(),
    ]
    own = {text.name for text in texts if not is_released(text, release)}
    assert own == {
        "alliance",
        "near_line",
        "dormant",
        "newcomer",
    }  # marketing waits for its approval
    assert len(texts) - len(own) + 1 == len(release)  # and words.yaml


def test_a_changed_word_is_no_longer_of_the_release(templates: Path) -> None:
    edit(templates / "campaigns" / "birthday.md", "身体健康", "身体安康")
    birthday, maturity = shipped("birthday", templates), shipped("maturity", templates)
    release = load_release(templates)
    assert verify_release(templates) == ["campaigns/birthday.md"]
    assert not is_released(birthday, release)
    assert is_released(maturity, release)
    assert text_hash(birthday) != text_hash(shipped("birthday"))


def test_changed_wording_of_maturities_is_no_longer_of_the_release(templates: Path) -> None:
    file = templates / "messages" / "words.yaml"
    release = load_release(templates)
    assert is_released(load_words(file), release)
    edit(file, "按活期计息", "利息照旧")
    assert not is_released(load_words(file), release)
    assert verify_release(templates) == ["messages/words.yaml"]


def test_an_added_or_removed_text_is_reported(templates: Path) -> None:
    (templates / "messages" / "login.md").unlink()
    added = (templates / "messages" / "help.md").read_text(encoding="utf-8")
    (templates / "messages" / "help2.md").write_text(added, encoding="utf-8")
    assert verify_release(templates) == ["messages/help2.md", "messages/login.md"]


def test_windows_line_ends_are_the_same_text(templates: Path) -> None:
    file = templates / "campaigns" / "birthday.md"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert verify_release(templates) == []
    assert load_campaigns(TEMPLATES / "campaigns")[0] == load_campaigns(templates / "campaigns")[0]


def test_a_new_release_pins_what_is_there(templates: Path) -> None:
    edit(templates / "campaigns" / "birthday.md", "身体健康", "身体安康")
    write_release(templates)
    assert verify_release(templates) == []


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"sha256": 3}'])
def test_a_damaged_release_pins_nothing(templates: Path, text: str) -> None:
    (templates / "release.json").write_text(text, encoding="utf-8")
    with pytest.raises(Invalid, match=r"release\.json"):
        verify_release(templates)


def test_a_missing_release_pins_nothing(templates: Path) -> None:
    (templates / "release.json").unlink()
    with pytest.raises(Invalid, match=r"release\.json"):
        load_release(templates)


MOMENT = """---
name: tip
version: 1
occasion: monthly
month_days: [5]
steps: [0]
audience: everyone
purpose: marketing
about: bank
channel: moments
latest_useful: {0: 当天}
personal: false
holdout: 0
approver: compliance
---
转账前多问一句,陌生链接不要点。
{{ stop_way }}
——{{ branch }} {{ sender_name }}
"""
_PICTURE = f"kind: image, file: a.png, sha256: {'0' * 64}"
_CARD = f'kind: link, title: 讲座, url: "https://a.example/b", file: a.png, sha256: {"0" * 64}'


def carrying(*attachments: str) -> str:
    rows = ", ".join(f"{{{each}}}" for each in attachments)
    return MOMENT.replace("holdout: 0", f"holdout: 0\nattachments: [{rows}]")


def test_a_campaign_may_go_into_moments_with_nine_pictures_or_one_link() -> None:
    assert parse_campaign(MOMENT, "tip.md").channel is Channel.MOMENTS
    for some in ([_PICTURE] * 9, [_CARD]):
        assert len(parse_campaign(carrying(*some), "tip.md").attachments) == len(some)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (MOMENT.replace("personal: false", "personal: true\nlayers: [high]"), "朋友圈不带称呼"),
        (
            MOMENT.replace("monthly", "birthday").replace("month_days: [5]\n", ""),
            "只能是 greeting",
        ),
        (
            MOMENT.replace("monthly", "near_line").replace("month_days: [5]\n", ""),
            "发到朋友圈不带称呼",
        ),
        (
            MOMENT.replace("marketing\nabout: bank", "service").replace("{{ stop_way }}\n", ""),
            "monthly 只能是 greeting、marketing",
        ),
        (MOMENT.replace("{{ stop_way }}\n", ""), "stop_way"),
        (MOMENT.replace("转账前", "转" * 1800), "朋友圈文字最多"),
        (
            MOMENT.replace("about: bank", "about: product").replace(
                "holdout: 0", "holdout: 0\nproduct_kinds: [time_deposit]\nproducts: [TD1]"
            ),
            "朋友圈里不发因人而异的产品",
        ),
        (carrying(_PICTURE, _CARD), "朋友圈只能带"),
        (carrying(_CARD, _CARD), "朋友圈只能带"),
        (carrying('kind: link, title: 讲座, url: "https://a.example/b"'), "朋友圈只能带"),
        (carrying(_CARD.replace("讲座", "a" * 65)), "title 最多 64"),
    ],
)
def test_what_a_moment_cannot_be_is_told_with_the_fix(source: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        parse_campaign(source, "tip.md")
