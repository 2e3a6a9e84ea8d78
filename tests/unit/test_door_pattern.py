"""The door's pattern for everyday content is never laxer than the XML parser."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.web.door import _is_usual, _moment
from bot.wire import parse_fields

PIECES = st.sampled_from(
    [
        "<xml>",
        "</xml>",
        "<a>",
        "</a>",
        "<B1_>",
        "</B1_>",
        "<a/>",
        "<![CDATA[",
        "]]>",
        "]",
        "&amp;",
        "&",
        "文 字",
        "\n",
        "\t",
        "\x0b",
        "\x00",
        "\x7f",
        "\ufffe",
        "\ufeff",
        "😀",
        "<!-- -->",
        "<?pi ?>",
        ' x="1"',
    ]
)


@given(st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join))
def test_what_the_pattern_lets_pass_the_parser_accepts(inside: str) -> None:
    for content in (inside, f"<xml>{inside}</xml>", f"<xml><a><![CDATA[{inside}]]></a></xml>"):
        raw = content.encode("utf-8", "surrogatepass")
        if _is_usual(raw):
            parse_fields(raw)


def test_everyday_content_passes_without_the_parser() -> None:
    content = (
        "<xml><ToUserName><![CDATA[ww]]></ToUserName>\n<CreateTime>1796000000</CreateTime>"
        "<Event><![CDATA[change_external_contact]]></Event><Content><![CDATA[你好 >]]></Content>"
        "</xml>"
    )
    assert _is_usual(content.encode())


def test_a_key_begins_with_the_moment_of_the_event_where_there_is_one() -> None:
    assert _moment(b"<xml><CreateTime>1796000000</CreateTime></xml>") == b"1796000000"
    assert _moment(b"<xml><CreateTime>soon</CreateTime></xml>") == b""
    assert _moment(b"hello") == b""
