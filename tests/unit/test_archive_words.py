"""What a message says, and which words are somebody else's."""

import json

import pytest

from bot.archive.strict import DamagedRecord
from bot.archive.words import SILENT, Spoken, flattened, foreign, joined, own, spoken

HEAD = "这是一条引用/回复消息："


def own_words(said: Spoken) -> str:
    """The text without its quoted spans."""
    kept = "".join(
        character
        for place, character in enumerate(said.text)
        if not any(start <= place < end for start, end in said.quoted)
    )
    return kept.strip()


def item(kind: str, **content: object) -> dict:
    return {"type": kind, "content": json.dumps(content, ensure_ascii=False)}


@pytest.mark.parametrize(
    ("text", "mine"),
    [
        (f"{HEAD}\n张三\n10万存定期\n------\n好的", "好的"),
        (f'{HEAD}\n"\n张三：\n10万\n"\n------\n好的\n明天来', "好的\n明天来"),
        (f"{HEAD}\r\n张三\r\n10万\r\n------\r\n好的", "好的"),
        ("This is a quote/reply:\nnick\n666\n------\nok", "ok"),
        ("This is a quote/reply：\nnick\n666\n---------\nok", "ok"),
        (f"{HEAD}\n张三\n{HEAD}\n李四\n退订\n------\n为什么\n------\n不知道", "不知道"),
        (f"{HEAD}\n张三\n别再发了\n------", ""),
        (f"{HEAD}\n张三\n别再发了", ""),
        ("别再发了\n------\n谢谢", "别再发了\n------\n谢谢"),
        (f"你说的“{HEAD}”是什么", f"你说的“{HEAD}”是什么"),
        ("【未知消息类型】", ""),
        ("", ""),
    ],
)
def test_only_the_answer_is_the_senders_own(text: str, mine: str) -> None:
    said = flattened(text)
    assert (text, mine) == (said.text, own_words(said))


def test_parts_stand_on_lines_of_their_own_and_spans_move_with_them() -> None:
    parts = [own("甲\n"), SILENT, foreign("乙丙"), own("丁")]
    assert Spoken("甲\n乙丙\n丁", ((2, 4),)) == joined(parts)


def test_mixed_keeps_own_text_and_marks_a_link_as_quoted() -> None:
    items = [
        item("text", content="看这个"),
        item("image", sdkfileid="x"),
        item("link", title="利率上调", description="活动"),
        item("text", content="是真的吗"),
    ]
    said = spoken({"mixed": {"item": items}}, "mixed")
    expected = ("看这个\n利率上调\n活动\n是真的吗", ((4, 8), (9, 11)))
    assert expected == (said.text, said.quoted)


def test_every_word_of_a_forwarded_record_is_quoted_at_any_depth() -> None:
    inner = {"item": [item("ChatRecordText", content="里层")]}
    items = [
        item("ChatRecordText", content="外层"),
        item("ChatRecordMixed", item=[item("text", content="图文")]),
        item("ChatRecordImage", sdkfileid="x"),
        item("chatrecord", **inner),
        item("ChatRecordLink", title="标题"),
    ]
    said = spoken({"chatrecord": {"title": "群聊", "item": items}}, "chatrecord")
    expected = ("外层\n图文\n里层\n标题", "")
    assert expected == (said.text, own_words(said))


def test_records_within_records_without_end_are_damage() -> None:
    body: dict = {"item": []}
    for _ in range(8):
        body = {"item": [item("chatrecord", **body)]}
    with pytest.raises(DamagedRecord):
        spoken({"chatrecord": body}, "chatrecord")


@pytest.mark.parametrize("items", ["x", ["x"], [{"type": 1}], [{"type": "text", "content": "{"}]])
def test_an_item_that_cannot_be_read_is_damage(items: object) -> None:
    with pytest.raises(DamagedRecord):
        spoken({"mixed": {"item": items}}, "mixed")


def test_a_picture_whose_content_is_odd_does_not_silence_the_words_beside_it() -> None:
    items = [{"type": "image", "content": None}, item("text", content="在吗")]
    assert own("在吗") == spoken({"mixed": {"item": items}}, "mixed")
