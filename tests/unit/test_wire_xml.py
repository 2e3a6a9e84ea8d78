"""The inner XML: what it becomes, and everything it must not be."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.elements import Fields
from bot.errors import Invalid
from bot.wire import MAX_DEPTH, MAX_MARKUP, parse, parse_fields

SAMPLES = Path(__file__).parents[1] / "samples" / "wecom"
SHEETS = {
    f"{path.parent.name}/{path.name}": path.read_bytes()
    for folder in ("callback", "reply")
    for path in sorted((SAMPLES / folder).glob("*.xml"))
}
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE xml [<!ENTITY a "ha">'
    + b"".join(
        b'<!ENTITY %c "%b">' % (name, b"&%c;" % (name - 1) * 10) for name in range(ord("b"), 123)
    )
    + b"]><xml><Content>&z;</Content></xml>"
)


def test_text_is_the_same_in_cdata_and_plain() -> None:
    assert parse_fields(b"<xml><A><![CDATA[x&y]]></A><B>x&amp;y</B></xml>") == {
        "A": "x&y",
        "B": "x&y",
    }


def test_elements_nest_and_repeat() -> None:
    xml = b"""<xml>
      <List><Item>Jack</Item> <Item>Rose</Item><Item></Item></List>
      <Box><Inner><Key>k</Key></Inner></Box>
      <Empty/><None></None><Blank> </Blank>
    </xml>"""
    assert parse_fields(xml) == {
        "List": {"Item": ["Jack", "Rose", ""]},
        "Box": {"Inner": {"Key": "k"}},
        "Empty": "",
        "None": "",
        "Blank": " ",
    }


@pytest.mark.parametrize("xml", [b"<xml/>", b"<xml></xml>", b"<xml> words </xml>"])
def test_an_event_without_elements_has_no_fields(xml: bytes) -> None:
    assert parse_fields(xml) == {}


def test_long_text_and_broken_text_stay_whole() -> None:
    words = "网点" * 30_000
    xml = f"<xml><A>{words}</A><B>a<!-- c -->b<![CDATA[c]]>d&#x4e2d;</B></xml>".encode()
    assert parse_fields(xml) == {"A": words, "B": "abcd中"}


def test_utf8_is_read_whatever_the_declaration_says() -> None:
    xml = '<?xml version="1.0" encoding="ISO-8859-1"?><xml><A>存档😀</A></xml>'.encode()
    assert parse_fields(xml) == {"A": "存档😀"}


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"hello",
        b"{}",
        b"<xml>",
        b"<xml></XML>",
        b"<xml></xml><xml></xml>",
        b"<other><A>1</A></other>",
        b"<xml><A>\xff\xfe</A></xml>",
        b"<xml><A>\x00</A></xml>",
        b"<xml>&nbsp;</xml>",
        b"<xml a='1' a='2'/>",
    ],
)
def test_what_is_not_well_formed_is_invalid(xml: bytes) -> None:
    with pytest.raises(Invalid):
        parse_fields(xml)


@pytest.mark.parametrize(
    "xml",
    [
        b"<!DOCTYPE xml><xml/>",
        b'<!DOCTYPE xml SYSTEM "http://example.invalid/x.dtd"><xml/>',
        b'<?xml version="1.0"?><!DOCTYPE xml [<!ENTITY a "b">]><xml><A>&a;</A></xml>',
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><xml><A>&a;</A></xml>',
        b'<!DOCTYPE x [<!ENTITY % p SYSTEM "http://example.invalid/"> %p;]><xml/>',
        b'\xef\xbb\xbf\n<!--c--><!DOCTYPE xml [<!ATTLIST xml a CDATA "b">]><xml/>',
        '<!DOCTYPE xml [<!ENTITY a "b">]><xml><A>&a;</A></xml>'.encode("utf-16"),
        BOMB,
    ],
)
def test_a_doctype_is_refused_wherever_it_stands(xml: bytes) -> None:
    with pytest.raises(Invalid):
        parse_fields(xml)
    with pytest.raises(Invalid):
        parse(xml)


def test_the_word_doctype_in_a_message_is_only_text() -> None:
    xml = b"<xml><Content><![CDATA[<!DOCTYPE html>&a;]]></Content></xml>"
    assert parse_fields(xml) == {"Content": "<!DOCTYPE html>&a;"}


def test_nesting_is_bounded() -> None:
    def nested(depth: int) -> bytes:
        return b"<xml>" + b"<A>" * depth + b"</A>" * depth + b"</xml>"

    assert parse_fields(nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, MAX_MARKUP // 2 - 2, 100_000):
        with pytest.raises(Invalid):
            parse_fields(nested(depth))


def test_the_number_of_elements_is_bounded() -> None:
    assert len(parse_fields(b"<xml>" + b"<A/>" * (MAX_MARKUP - 2) + b"</xml>")) == 1
    with pytest.raises(Invalid):
        parse_fields(b"<xml>" + b"<A/>" * (MAX_MARKUP - 1) + b"</xml>")


def test_a_group_of_500_may_join_at_once() -> None:
    items = "".join(f"<Item>wm{index:030d}</Item>" for index in range(500))
    xml = f"<xml><MemChangeList>{items}</MemChangeList></xml>".encode()
    assert parse_fields(xml) == {
        "MemChangeList": {"Item": [f"wm{index:030d}" for index in range(500)]}
    }


# --- the standard library's tree as the oracle -------------------------------------------


def _plain(element: Element) -> object:
    if not len(element):
        return element.text or ""
    found: dict[str, list[object]] = {}
    for child in element:
        found.setdefault(child.tag, []).append(_plain(child))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _by_library(xml: bytes) -> Fields | None:
    try:
        root = fromstring(xml)
    except ParseError:
        return None
    found = _plain(root)
    if root.tag != "xml":
        return None
    return found if isinstance(found, dict) else {}


def _by_wire(xml: bytes) -> Fields | None:
    try:
        return parse_fields(xml)
    except Invalid:
        return None


@pytest.mark.parametrize("name", SHEETS)
def test_every_sample_is_read_as_the_standard_library_reads_it(name: str) -> None:
    assert _by_wire(SHEETS[name]) == _by_library(SHEETS[name]) is not None


@pytest.mark.parametrize("name", SHEETS)
def test_white_space_between_elements_means_nothing(name: str) -> None:
    compact = re.sub(rb">\s+<", b"><", SHEETS[name])
    assert parse_fields(SHEETS[name]) == parse_fields(compact)


TREES = st.recursive(
    st.sampled_from(["", "x", " y ", "<![CDATA[]]>", "<![CDATA[<b>]]>", "&lt;", "群"]),
    lambda inner: st.lists(st.tuples(st.sampled_from("abc"), inner), max_size=4).map(
        lambda pairs: "\n".join(f"<{name}>{body}</{name}>" for name, body in pairs)
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None, database=None)
@given(TREES)
def test_every_tree_is_read_as_the_standard_library_reads_it(tree: str) -> None:
    xml = f"<xml>{tree}</xml>".encode()
    assert _by_wire(xml) == _by_library(xml)


@settings(max_examples=100, deadline=None, database=None)
@given(
    st.lists(
        st.sampled_from(
            ["<xml>", "</xml>", "<a>", "</a>", "<!DOCTYPE xml>", "<![CDATA[", "]]>", "&a;", "<?p?>"]
        )
        | st.text(max_size=3)
    ).map("".join)
)
def test_no_text_makes_any_other_error(xml: str) -> None:
    content = xml.encode("utf-8", "surrogatepass")
    try:
        parse(content)
    except Invalid:
        return
    assert content.startswith(b"<xml>")
