"""Each kind of decrypted record, whole; and nothing but damage for what is no record."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.archive.record import KNOWN_KINDS, parse_record
from bot.archive.strict import DamagedRecord, Reason
from bot.model import ArchivedMessage, ChatId, MsgId

FOLDER = Path(__file__).parents[1] / "samples" / "wecom" / "archive"
TEXTS = {
    file.stem: file.read_text(encoding="utf-8")
    for file in FOLDER.glob("*.json")
    if not file.name.startswith(("api.", "_getchatdata"))
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
fuzz = settings(max_examples=80, deadline=None, database=None)


def wanted(
    msgid: str,
    sender: str,
    receivers: str,
    chat_id: str,
    milliseconds: int,
    kind: str,
    **more: Any,
) -> ArchivedMessage:
    sent_at = EPOCH + timedelta(milliseconds=milliseconds)
    people = tuple(receivers.split())
    return ArchivedMessage(MsgId(msgid), 7, sender, people, ChatId(chat_id), sent_at, kind, **more)


QUOTE = "这是一条引用/回复消息：\nnick\n666\n------\n@nick777"
WANTED = {
    "_official_decrypted": wanted(
        "CAQQ2fbb4QUY0On2rYSAgAMgip/yzgs=", "XuJinSheng", "icefog", "", 0, "text", text="666"
    ),
    "agree": wanted(
        "8891446340739254950_1603875826",
        "wmGAgeDQAAvQeaTqWwkMTxGMkvI7OOuQ",
        "kenshin",
        "",
        1603875826656,
        "agree",
        agreed=True,
    ),
    "calendar": wanted(
        "2345881211604379705_1603877680",
        "ken",
        "icef test",
        "wr2LO0CAAAFrTZCGWWAxBA",
        1603877680795,
        "calendar",
    ),
    "card": wanted(
        "13714216591700685558_1603875680",
        "kenshin",
        "wmGAgeDQAAy2Dtr0F8aK4dTuatfm-5Rg",
        "",
        1603875680377,
        "card",
    ),
    "chatrecord": wanted(
        "11354299838102555191_1603875658",
        "ken",
        "icef",
        "",
        1603875657905,
        "chatrecord",
        text="test\ntest2",
        quoted=((0, 4), (5, 10)),
    ),
    "collect": wanted(
        "2500536226619379797_1576034482",
        "nick",
        "XuJinSheng lisi",
        "wrjc7bDwYAOAhf9quEwRRxyyoMm0QAAA",
        1576034482344,
        "collect",
    ),
    "disagree": wanted(
        "17972321270926900092_1603875944",
        "wmErxtDgAA9AW32YyyuYRimKr7D1KWlw",
        "kenshin",
        "",
        1603875944122,
        "disagree",
        agreed=False,
    ),
    "docmsg": wanted(
        "9732089160923053207_1603877765",
        "ken",
        "icef test",
        "wrJawBCQAAStr3jxVxEH",
        1603877765291,
        "docmsg",
    ),
    "emotion": wanted(
        "6623217619416669654_1603875612",
        "icef",
        "wmErxtDgAAhteCglUZH2kUt3rq431qmg",
        "",
        1603875611148,
        "emotion",
    ),
    "external_redpacket": wanted(
        "8632214264349267353_1603786184",
        "woJ7ijBwAAmqwojT8r_DaNMbr_NAvaag",
        "woJ7ijBwAA6SjS_sIyPLZtyEPJlT7Cfw tiny-six768",
        "wrJ7ijBwAAG1vly_DzVI72Ghc-PtA5Dw",
        1603786183955,
        "external_redpacket",
    ),
    "file": wanted(
        "18039699423706571225_1603875608",
        "kens",
        "wmErxtDgAArDlFIhf76O6w4GxU81al8w",
        "",
        1603875608214,
        "file",
    ),
    "image": wanted("CAQQvPnc4QUY0On2rYSAgAMgooLa0Q8=", "XuJinSheng", "icefog", "", 0, "image"),
    "link": wanted(
        "11788441727514772650_1603875624",
        "kenshin",
        "0000726",
        "",
        1603875624476,
        "link",
        text="邀请你加入群聊\n技术支持群，进入可查看详情",
        quoted=((0, 7), (8, 21)),
    ),
    "location": wanted(
        "2641513858500683770_1603876152",
        "icefog",
        "wmN6etBgAA0sbJ3invMvRxPQDFoq9uWA",
        "",
        1603876152141,
        "location",
    ),
    "markdown": wanted(
        "7546287934688259248_1603875715",
        "ken",
        "icef test",
        "wr0SfLCgAAgCaCPeM33UNe",
        1603875715782,
        "markdown",
        text="请前往系统查看，谢谢。",
    ),
    "meeting": wanted(
        "5935786683775673543_1603877328",
        "ken",
        "icef test",
        "wr2vOpDgAAN4zVWKbS",
        1603877328914,
        "meeting",
    ),
    "meeting_notification": wanted(
        "14158408185591086566_1700815962253",
        "zhangsan",
        "DuDuDu",
        "",
        1700815958880,
        "meeting_notification",
    ),
    "meeting_voice_call": wanted(
        "17952229780246929345_1594197637",
        "wo137MCgAAYW6pIiKKrDe5SlzEhSgwbA",
        "wo137MCgAAYW6pIiKKrDe5SlzEhSgwbA",
        "",
        1594197581203,
        "meeting_voice_call",
    ),
    "mixed": wanted(
        "DAQQluDa4QUY0On4kYSABAMgzPrShAE=",
        "HeMiao",
        "HeChangTian LiuZeYu",
        "wr_tZ2BwAAUwHpYMwy9cIWqnlU3Hzqfg",
        1577414359072,
        "mixed",
        text="你好[微笑]\n",
    ),
    "news": wanted(
        "118732825779547782215", "kens", "icef test", "wrErxtDgAA0jgXE5", 1603876045165, "news"
    ),
    "qydiskfile": wanted(
        "904076622482680588_1666602581569_external",
        "WoBeiQi...",
        "wmYKhyDwAAxda9Vrt7e6h0CgRhRVlGdQ",
        "",
        1666602577356,
        "qydiskfile",
    ),
    "redpacket": wanted(
        "333590477316965370_1603877439", "kens", "1000000444696", "", 1603877439038, "redpacket"
    ),
    "revoke": wanted(
        "15775510700152506326_1603875615",
        "kenshin",
        "wmUu0zBgAALV7ZymkcMyxvbTe8YdWxxA",
        "",
        1603875615723,
        "revoke",
        recalls="14822339130656386894_1603875600",
    ),
    "sphfeed": wanted(
        "5702551662099334532_1619511584_external",
        "yangzhu1",
        "wmJSb5CgAA4aWXWndJspQGpJMDbsMwMA",
        "",
        1619511584444,
        "sphfeed",
    ),
    "switch": wanted("125289002219525886280", "XuJinSheng", "", "", 1554119421840, "switch"),
    "text": wanted(
        "CAQQluDa4QUY0On2rYSAgAMgzPrShAE=",
        "XuJinSheng",
        "icefog",
        "",
        1547087894783,
        "text",
        text="test",
    ),
    "text.external_group": wanted(
        "10291826311984719822_1763000000123_external",
        "wmErxtDgAA9AW32YyyuYRimKr7D1KWlw",
        "kenshin wmGAgeDQAAvQeaTqWwkMTxGMkvI7OOuQ",
        "wrErxtDgAAQ1Lz3fQkXh0Z7t3l2p9yAA",
        1763000000123,
        "text",
        text="请问明天网点几点开门？",
    ),
    "text.quote_reply": wanted(
        "CAQQluDa4QUY0On2rYSAgAMgzPrShAE=",
        "XuJinSheng",
        "icefog",
        "",
        1547087894783,
        "text",
        text=QUOTE,
        quoted=((0, QUOTE.index("@")),),
    ),
    "text.unknown_type": wanted(
        "7034011508132300161_1603875600",
        "kenshin",
        "icefog",
        "",
        1603875600000,
        "text",
        text="【未知消息类型】",
        quoted=((0, 8),),
    ),
    "todo": wanted(
        "7034011508132300161_1603875600", "kenshin", "icefog", "", 1603875600000, "todo"
    ),
    "video": wanted(
        "17955920891003447432_1603875627",
        "kenshin",
        "wmGAgeDQAAHuRJbt4ZQI_1cqoQcf41WQ",
        "",
        1603875626823,
        "video",
    ),
    "voice": wanted(
        "10958372969718811103_1603875609",
        "wmGAgeDQAAdBjb8CK4ieMPRm7Cqm-9VA",
        "kenshin",
        "",
        1603875609704,
        "voice",
    ),
    "voip_doc_share": wanted(
        "16527954622422422847_1594199256",
        "zhangsan",
        "wo137MCgAAYW6pIiKKrDe5SlzEhSgwbA",
        "",
        1594199235014,
        "voip_doc_share",
    ),
    "voiptext": wanted(
        "10950316726562067988_1666601563058", "icef", "WoBeiQi...", "", 1666601558876, "voiptext"
    ),
    "vote": wanted(
        "7034011508132300161_1603875600",
        "kenshin",
        "icefog",
        "wrjc7bDwYAOAhf9quEwRRxyyoMm0QAAA",
        1603875600000,
        "vote",
    ),
    "weapp": wanted(
        "11930598857592605935_1603875608",
        "kens",
        "wmGAgeDQAAsgQetTQGqRbMxrkodpM3fA",
        "",
        1603875608691,
        "weapp",
    ),
}


def text_record(**changed: Any) -> dict[str, Any]:
    return json.loads(TEXTS["text"]) | {"msgid": "m"} | changed


def parse(record: dict[str, Any]) -> ArchivedMessage:
    return parse_record(json.dumps(record), 7, "m")


def damage(record: dict[str, Any]) -> tuple[Reason, str]:
    with pytest.raises(DamagedRecord) as caught:
        parse(record)
    return caught.value.reason, caught.value.where


def test_every_sample_has_its_expectation() -> None:
    assert set(WANTED) == set(TEXTS)


def test_every_documented_kind_has_a_sample() -> None:
    expected = KNOWN_KINDS
    assert expected == {message.kind for message in WANTED.values()} - {"switch"}


@pytest.mark.parametrize("name", sorted(WANTED))
def test_a_sample_becomes_the_message_that_it_is(name: str) -> None:
    expected = WANTED[name]
    parsed = parse_record(TEXTS[name], 7, expected.msgid)
    assert expected == ArchivedMessage(
        **{key: getattr(parsed, key) for key in ArchivedMessage.__slots__} | {"raw": ""}
    )
    assert TEXTS[name] == parsed.raw


def test_an_inner_msgid_that_differs_from_the_outer_is_damage() -> None:
    with pytest.raises(DamagedRecord) as caught:
        parse_record(TEXTS["text"], 7, "other")
    expected = Reason.MSGID_DIFFERS
    assert expected == caught.value.reason


def test_an_unknown_kind_is_kept_raw_even_where_common_fields_are_missing() -> None:
    record = {"msgid": "m", "action": "send", "msgtype": "hologram", "hologram": [1]}
    expected = ArchivedMessage(
        MsgId("m"), 7, "", (), ChatId(""), EPOCH, "hologram", raw=json.dumps(record)
    )
    assert expected == parse(record)


def test_an_unknown_field_does_no_harm() -> None:
    expected = "test"
    assert expected == parse(text_record(newfield={"a": 1})).text


@pytest.mark.parametrize("name", ["from", "tolist", "msgtime", "text"])
def test_a_known_kind_without_a_field_of_its_own_is_damage(name: str) -> None:
    record = text_record()
    del record[name]
    assert (Reason.FIELD, name) == damage(record)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("msgtime", "1547087894783"),
        ("msgtime", True),
        ("msgtime", 1.5),
        ("msgtime", -1),
        ("msgtime", 10**18),
        ("from", None),
        ("tolist", "icefog"),
        ("tolist", [1]),
        ("roomid", 0),
        ("msgtype", None),
        ("text", "test"),
        ("from", "a\x00"),
    ],
)
def test_a_field_of_another_type_is_damage_that_names_it(name: str, value: object) -> None:
    assert (Reason.FIELD, name) == damage(text_record(**{name: value}))


@pytest.mark.parametrize("text", ["", "[]", "null", '{"msgid":NaN}', "{" * 20, "[" * 100_000])
def test_what_is_no_json_object_is_damage(text: str) -> None:
    with pytest.raises(DamagedRecord) as caught:
        parse_record(text, 7, "m")
    expected = Reason.NOT_JSON
    assert expected == caught.value.reason


def test_no_damage_tells_what_the_message_said() -> None:
    with pytest.raises(DamagedRecord) as caught:
        parse(text_record(**{"from": ["secret words"]}))
    assert "secret" not in str(caught.value)


def test_characters_that_no_store_can_keep_are_replaced_one_by_one() -> None:
    parsed = parse(text_record(text={"content": "a\x00b\ud800c😀"}))
    expected = "a\ufffdb\ufffdc😀"
    assert expected == parsed.text


def test_an_answer_counts_for_the_person_and_the_moment_that_it_names_itself() -> None:
    answer = {"userid": "wmSomebody", "agree_time": 1_603_875_999_000}
    record = text_record(msgtype="agree", agree=answer)
    parsed = parse(record)
    moment = EPOCH + timedelta(milliseconds=1_603_875_999_000)
    assert ("wmSomebody", moment, True) == (parsed.sender, parsed.sent_at, parsed.agreed)


def test_a_recall_without_its_target_is_damage() -> None:
    record = text_record(action="recall", msgtype="revoke", revoke={"pre_msgid": ""})
    expected = (Reason.FIELD, "pre_msgid")
    assert expected == damage(record)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
kinds = st.sampled_from(["text", "mixed", "chatrecord", "link", "markdown", "agree", "revoke"])
names = st.sampled_from(["msgid", "action", "from", "tolist", "roomid", "msgtime", "item", "info"])
bodies = st.dictionaries(names | kinds | st.sampled_from(["content", "type"]), json_values)


@fuzz
@given(kinds, bodies, bodies)
def test_any_json_gives_a_message_or_damage(kind: str, changed: dict, body: dict) -> None:
    try:
        parsed = parse(text_record(msgtype=kind) | {kind: body, "info": body} | changed)
    except DamagedRecord:
        return
    expected = "m"
    assert expected == parsed.msgid
    assert all(0 <= start < end <= len(parsed.text) for start, end in parsed.quoted)


@fuzz
@given(st.text() | st.binary().map(lambda noise: noise.decode("latin-1")))
def test_any_text_gives_damage(text: str) -> None:
    with pytest.raises(DamagedRecord):
        parse_record(text, 7, "m")
