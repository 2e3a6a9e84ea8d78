"""Rendering: what is missing, empty, unknown or too long stops a text; values are never code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.sandbox import SandboxedEnvironment

from bot.errors import Invalid
from bot.yamlfile import Place
from scheduler.campaigns import load_campaigns
from scheduler.words import FIELDS, Renderer, check_template, cut, plain

TEMPLATES = Path(__file__).parents[3] / "templates"
SIGNED = {"branch": "城东支行", "sender_name": "小陈"}


@dataclass(frozen=True)
class Plain:
    words: str
    name: str = "sample"


@dataclass(frozen=True)
class Parts:
    parts: Mapping[str, str]
    limits: Mapping[str, int] = field(default_factory=dict)
    name: str = "sample"


LIST = Parts(
    {"head": "共{{ count }}件", "item": "{{ fact }}", "more": "还有{{ count }}件", "none": "没有"}
)


def render(words: str, **values: Any) -> str:
    return Renderer().render(Plain(words), values)


def test_a_text_is_its_template_with_the_values() -> None:
    expected = "王姐,您好。\n——城东支行 小陈"
    words = "{{ address }},您好。\n——{{ branch }} {{ sender_name }}"
    assert expected == render(words, address="王姐", **SIGNED)


@pytest.mark.parametrize("calendar", ["solar", "lunar"])
def test_a_shipped_text_is_what_plain_jinja_makes_of_it(calendar: str) -> None:
    birthday = next(c for c in load_campaigns(TEMPLATES / "campaigns") if c.name == "birthday")
    values = SIGNED | {"address": "李叔", "calendar": calendar, "lunar_day": "农历八月十六"}
    expected = SandboxedEnvironment().from_string(birthday.words).render(values)
    assert expected == Renderer().render(birthday, values)


@pytest.mark.parametrize("value", [None, "", " ", "\n", "\u200b\u200d", 1.5, True, ["王姐"], b"x"])
def test_a_value_that_is_none_empty_or_of_another_type_stops_the_text(value: Any) -> None:
    with pytest.raises(Invalid, match="address"):
        render("{{ address }},您好", address=value)


def test_a_missing_value_stops_the_text_and_is_named() -> None:
    with pytest.raises(Invalid, match="sender_name"):
        render("——{{ branch }} {{ sender_name }}", branch="城东支行")


def test_an_error_never_carries_the_value() -> None:
    with pytest.raises(Invalid) as caught:
        render("{{ address }}", address="王秀兰" * 10)
    assert "王秀兰" not in str(caught.value)


def test_values_that_no_text_uses_do_no_harm() -> None:
    assert render("{{ address }}", address="王姐", quote=None) == "王姐"


@pytest.mark.parametrize(
    "value", ["{{ 7*7 }}", "{% if 1 %}x{% endif %}", "{{ branch }}", "{# x #}", "{{address}}"]
)
def test_a_value_is_printed_and_never_read_as_a_template(value: str) -> None:
    renderer = Renderer()
    first = renderer.render(Plain("{{ quote }}"), {"quote": value})
    assert value == first
    assert value == renderer.render(Plain("{{ quote }}"), {"quote": first})


@given(st.text(min_size=1, max_size=60))
def test_whatever_a_customer_writes_stays_on_one_line_without_hidden_characters(value: str) -> None:
    if not plain(value):
        return
    found = render("「{{ quote }}」", quote=value)
    assert found.isprintable()
    assert found.startswith("「")
    assert found.endswith("」")


def test_line_breaks_direction_marks_and_zero_width_characters_are_taken_out() -> None:
    assert render("{{ quote }}", quote="王\u202e姐\r\n\n你\u200b好\x07\u3000呀") == "王姐 你好 呀"


def test_a_value_that_is_too_long_stops_a_customers_text_and_is_cut_for_employees() -> None:
    with pytest.raises(Invalid, match="address"):
        render("{{ address }}", address="长" * 13)
    assert render("{{ customer }}", customer="长" * 13) == "长" * 11 + "…"
    assert render("{{ address }}", address="长" * 12) == "长" * 12


@pytest.mark.parametrize(
    "words",
    [
        "{{ address.__class__ }}",
        "{{ address | upper }}",
        "{{ address() }}",
        "{{ 'x' * 999999999 }}",
        "{{ address[0] }}",
        "{% for x in address %}{{ x }}{% endfor %}",
        "{% set address = 'x' %}{{ address }}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% macro x() %}{% endmacro %}",
        "{% raw %}{{ x }}{% endraw %}{{ range }}",
        "{{ step is divisibleby 3 }}",
        "{{ self }}",
    ],
)
def test_a_template_that_could_do_more_than_print_fields_is_refused(words: str) -> None:
    with pytest.raises(Invalid):
        check_template(words, Place("x.md", 1), FIELDS)


def test_a_mistake_in_a_template_names_file_line_and_what_is_allowed() -> None:
    place = Place("birthday.md", 10)
    with pytest.raises(Invalid, match=r"^birthday\.md 第 11 行:不认识变量 nmae.*address"):
        check_template("您好\n{{ nmae }}", place, {"address"})
    with pytest.raises(Invalid, match=r"^birthday\.md 第 12 行"):
        check_template("您好\n\n{{ address }", place, {"address"})


def test_a_field_may_be_left_out_only_where_the_template_says_so() -> None:
    words = "已转给同事{% if deadline is defined %},{{ deadline }}前回您{% endif %}。"
    assert render(words) == "已转给同事。"
    assert render(words, deadline="今天15:30") == "已转给同事,今天15:30前回您。"
    with pytest.raises(Invalid, match="deadline"):
        render(words, deadline=None)


def test_the_same_template_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = Renderer()
    renderer.render(Plain("{{ address }}"), {"address": "王姐"})
    monkeypatch.setattr(renderer, "_compile", None)
    assert renderer.render(Plain("{{ address }}"), {"address": "李叔"}) == "李叔"


def test_parts_are_cut_to_the_bytes_that_the_platform_shows() -> None:
    message = Parts({"title": "{{ customer }}在问{{ topic }}", "why": "原样"}, {"title": 18})
    found = Renderer().render_parts(message, {"customer": "王秀兰", "topic": "大额存单"})
    assert found == {"title": "王秀兰在问…", "why": "原样"}


@given(st.text(max_size=50), st.integers(min_value=3, max_value=60))
def test_a_cut_text_never_exceeds_its_bytes_and_never_breaks_a_character(
    text: str, most: int
) -> None:
    found = cut(text, most)
    assert len(found.encode()) <= most
    assert found == text or text.startswith(found.removesuffix("…"))


def test_a_list_shows_what_fits_and_counts_the_rest() -> None:
    items = [{"fact": "办" * 10}] * 9
    shown = Renderer().render_items(LIST, items, {"count": 9}, most_bytes=100)
    assert len(shown.encode()) <= 100
    assert shown.split("\n") == ["共9件", "办" * 10, "办" * 10, "还有7件"]


def test_a_list_that_fits_has_no_rest_and_an_empty_one_says_so() -> None:
    renderer = Renderer()
    assert renderer.render_items(LIST, [{"fact": "一"}], {"count": 1}) == "共1件\n一"
    assert renderer.render_items(LIST, [], {"count": 0}) == "没有"
