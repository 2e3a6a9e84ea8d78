"""``qunguan rules train``: from what people decided to doubt, and into a bot that reads."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from madeup import TOKEN, MadeUp
from madeup_town import NOW

from bot.app import Bot
from bot.errors import Invalid
from bot.facts import Evidence, Fact, FactType, Speech
from bot.rulerecord import train
from config.settings import Settings

HOBBY = {"type": "interest.hobby", "value": {"name": "钓鱼"}}
GOOD = [
    f"{when}{who}{where}"
    for when, who, where in itertools.product(
        ("周末", "清明", "国庆"),
        ("跟老哥", "和老伴", "一个人"),
        ("去水库钓鱼", "去河边钓鱼", "上山钓鱼"),
    )
]
BAD = [
    f"{start}钓鱼{what}"
    for start, what in itertools.product(
        ("我爱", "平时爱看", "我喜欢"), ("这个游戏", "直播", "的视频")
    )
]


class FishReader:
    """One rule: whoever says 钓鱼 fishes."""

    def read(self, speech: Speech) -> list[Fact]:
        start = speech.text.find("钓鱼")
        if start < 0:
            return []
        words = Evidence(start, start + 2, "钓鱼")
        return [Fact(FactType.HOBBY, {"name": "钓鱼"}, words, 0.9, "fish", "1")]


@pytest.fixture
def folder(madeup: MadeUp, tmp_path: Path) -> Path:
    assert madeup.database
    return tmp_path / "store"


@pytest.fixture
def bot(folder: Path, madeup: MadeUp) -> Iterator[Bot]:
    found = build(folder, madeup)
    yield found
    found.database.close()


def build(folder: Path, madeup: MadeUp, **more: Any) -> Bot:
    found = Bot(
        Settings(
            _env_file=None,
            qunguan_data_dir=folder,
            qunguan_secret_key="a secret for tests only",
            qunguan_api_token=TOKEN,
            **more,
        )
    )
    found.clock = madeup.clock
    found.reader = FishReader()  # type: ignore[assignment]  # one rule, whatever the shipped ones are
    return found


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Lines of which people say that every second way of speaking of fishing is no hobby."""
    file = tmp_path / "labelled.jsonl"
    lines = [(text, [HOBBY]) for text in GOOD] + [(text, []) for text in BAD]
    file.write_text(
        "\n".join(
            json.dumps({"id": n, "sent_at": NOW.isoformat(), "text": text, "facts": facts})
            for n, (text, facts) in enumerate(lines)
        ),
        "utf-8",
    )
    return file


def hobbies(bot: Bot, text: str) -> list[Fact]:
    return bot.listener.read(Speech(text, NOW))


def test_what_was_learnt_is_reported_kept_and_in_the_trail(
    madeup: MadeUp, bot: Bot, labelled: Path
) -> None:
    told = list(train(bot, labelled))
    assert len(told) == 2
    assert told[0].startswith("爱好:对 27 条、不对 ")
    assert "对的误交人 0 条" in told[0]
    assert told[0].endswith("采用")
    assert "管 1 类事实" in told[1]
    assert "QUNGUAN_DOUBTS=on" in told[1]
    row = madeup.database.read().one("SELECT * FROM audit ORDER BY id DESC LIMIT 1")
    assert row is not None
    assert (row["act"], row["object"] in told[1]) == ("train_doubts", True)
    assert bot.settings.doubts_file.exists()


def test_training_twice_gives_the_same_file(bot: Bot, labelled: Path) -> None:
    list(train(bot, labelled))
    before = bot.settings.doubts_file.read_bytes()
    list(train(bot, labelled))
    assert before == bot.settings.doubts_file.read_bytes()


def test_doubt_is_off_unless_the_setting_says_so(
    madeup: MadeUp, bot: Bot, folder: Path, labelled: Path
) -> None:
    list(train(bot, labelled))
    bold = build(folder, madeup, qunguan_doubts="on")
    texts = ("我喜欢钓鱼这个视频", "清明和老哥去水库钓鱼")
    assert [[fact.settled for fact in hobbies(bot, text)] for text in texts] == [[True]] * 2
    assert [[fact.settled for fact in hobbies(bold, text)] for text in texts] == [[False], [True]]
    bold.database.close()


def test_what_was_learnt_may_not_outlive_the_words(
    madeup: MadeUp, bot: Bot, folder: Path, labelled: Path
) -> None:
    list(train(bot, labelled))
    madeup.clock.move(timedelta(days=91))
    bold = build(folder, madeup, qunguan_doubts="on")
    assert [fact.settled for fact in hobbies(bold, "我喜欢钓鱼这个视频")] == [True]
    bold.database.close()


@pytest.mark.parametrize("content", [None, "broken"])
def test_without_a_file_that_can_be_used_the_rules_read_alone(
    madeup: MadeUp, folder: Path, content: str | None
) -> None:
    if content:
        (folder / "doubts.json").write_text(content, "utf-8")
    bold = build(folder, madeup, qunguan_doubts="on")
    assert [fact.settled for fact in hobbies(bold, "我喜欢钓鱼")] == [True]
    bold.database.close()


def test_with_too_few_verdicts_it_says_how_many_are_needed(bot: Bot) -> None:
    with pytest.raises(Invalid, match=r"至少要 30 条判断.*至少 5 条不对.*核实和否定更多"):
        list(train(bot, None))
    assert not bot.settings.doubts_file.exists()


def test_what_people_rejected_in_the_console_counts(
    madeup: MadeUp, bot: Bot, labelled: Path
) -> None:
    hobby = "UPDATE fact SET status = 'rejected' WHERE id = :id"
    madeup.write(lambda db: db.run(hobby, id=madeup.ids["hobby"]))
    madeup.write(
        lambda db: db.run(
            "INSERT INTO verdict (given_on, msgid, external_userid, fact_id, type, rule,"
            " confidence, verdict, given) SELECT '2026-12-01', msgid, external_userid, id, type,"
            " rule, confidence, 'rejected', value FROM fact WHERE id = :id",
            id=madeup.ids["hobby"],
        )
    )
    (told, _) = train(bot, labelled)
    with_file = int(told.partition("不对 ")[2].partition(" ")[0])
    madeup.write(lambda db: db.run("DELETE FROM verdict"))
    (told, _) = train(bot, labelled)
    assert with_file == int(told.partition("不对 ")[2].partition(" ")[0]) + 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "不是有效的 JSON"),
        ('{"id": 1, "text": "x", "sent_at": "2026-01-01T00:00:00+08:00"}', "facts"),
        ('{"id": 1, "text": "x", "sent_at": "now", "facts": []}', "sent_at"),
        (
            '{"id":1,"text":"x","sent_at":"2026-01-01T00:00+08:00","facts":[],"rejected":1}',
            "reject",
        ),
    ],
)
def test_a_line_that_cannot_be_used_is_named(
    bot: Bot, tmp_path: Path, line: str, told: str
) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(f"\n{line}\n", "utf-8")
    with pytest.raises(Invalid, match=rf"x\.jsonl 第 2 行:.*{told}"):
        list(train(bot, file))
