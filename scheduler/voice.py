"""How the bank speaks: forms of address, dates in words, maturity wording, and the voice check.

The words themselves are data (``templates/messages/words.yaml``). Pure.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from bot.clock import SHANGHAI
from bot.errors import Invalid
from bot.model import Layer, Purpose
from bot.yamlfile import Section, parse_section, read_text
from scheduler.textfile import digest_of
from scheduler.thresholds import KINDS
from scheduler.words import plain

_HAN = re.compile(r"[\u3400-\u9fff]+")
_URL = re.compile(r"https?://[!-~]+")
_EMOJI = re.compile(r"[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]")
_SUM = re.compile(r"\d\s*[万亿千百]?元|[\d一二两三四五六七八九十百千]\s*[万亿]")
_ACCOUNT = re.compile(r"\d{8,}|尾号")
_COUNTS = "零一两三四五六七八九十"
_WEEKDAYS = "一二三四五六日"
SIGNATURE = "——{{ branch }} {{ sender_name }}"
"""The last line of every campaign."""


@dataclass(frozen=True, slots=True)
class Product:
    """How a product of ours is called, and to which group its wording belongs."""

    words: str
    measure: str
    group: str


@dataclass(frozen=True, slots=True)
class Group:
    """What a holder can do when it falls due, and what happens when they do nothing."""

    options: str
    unattended: str


@dataclass(frozen=True, slots=True)
class Voice:
    """The rules of voice that a program can check."""

    most: Mapping[Purpose, int]
    openers: tuple[str, ...]
    forbidden: tuple[str, ...]
    selling: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """All of ``words.yaml``.

    Attributes:
        kin: Forms of address that follow a surname or a given name, longest first.
        titles: Forms that may follow a full name too, longest first.
        topics: On screen, for products, topics of complaints and kinds of leaving.
        matters: On screen, for each kind of case.
        layers: On screen.
        text_hash: SHA-256 of the file; maturity notices carry its wording, so the release pins it.
    """

    nobody: str
    genders: Mapping[str, str]
    kin: tuple[str, ...]
    titles: tuple[str, ...]
    surnames: frozenset[str]
    compound_surnames: frozenset[str]
    products: Mapping[str, Product]
    groups: Mapping[str, Group]
    stop_reply: str
    stop_link: str
    topics: Mapping[str, str]
    matters: Mapping[str, str]
    layers: Mapping[Layer, str]
    voice: Voice
    text_hash: str

    def address(self, name: str, remark: str, gender: str) -> str:
        """How to address somebody: 王姐 as the follow user does, else 王女士, else 您好.

        Args:
            name: The real name, "" when unknown; never a WeChat nickname, since 高兴 would
                become 高女士.
            remark: The follow user's own note; only a leading form of address is taken from it.
            gender: ``female``, ``male`` or anything else for unknown.
        """
        noted = _leading_han(remark)
        return (
            self._as_noted(noted, name)
            or self._formal(plain(name), gender)
            or self._formal(noted, gender)
            or self.nobody
        )

    def maturity(self, kinds: Sequence[str], on: date, today: date) -> dict[str, str]:
        """The fields of a maturity notice: everything of one customer that falls due on a day.

        Args:
            kinds: Product slugs, one a holding.
            on: The day.
            today: The day of sending.

        Raises:
            Invalid: A kind has no maturity wording; such a holding gets no notice.
        """
        unknown = [kind for kind in kinds if kind not in self.products]
        if unknown or not kinds:
            raise Invalid(f"产品 {'、'.join(unknown)} 没有到期提醒的说法,请在 words.yaml 补上")
        held = Counter(self.products[kind] for kind in kinds)
        groups = {self.products[kind].group for kind in kinds}
        group = self.groups[groups.pop() if len(groups) == 1 else "mixed"]
        return {
            "holdings": "、".join(
                f"{_count(held[each])}{each.measure}{each.words}" for each in held
            ),
            "day": day_words(on, today),
            "options": group.options,
            "unattended": group.unattended,
        }

    def stop_way(self, link: str = "") -> str:
        """How to refuse: by a word where the conversation is read, else by the link."""
        return f"{self.stop_link}{link}" if link else self.stop_reply

    def check_voice(self, text: str, purpose: Purpose) -> list[str]:
        """What a rendered text for customers does against the rules of voice; empty is good."""
        voice = self.voice
        found = [f"不要写「{word}」" for word in voice.forbidden if word in text]
        found += [f"不要用「{word}」开头" for word in voice.openers if text.startswith(word)]
        length = len(re.sub(r"\s", "", _URL.sub("", text)))
        if length > voice.most[purpose]:
            found.append(f"太长:{length} 字,请缩到 {voice.most[purpose]} 字以内")
        if text.count("!") + text.count("\uff01") > 1:
            found.append("感叹号最多一个")
        if len(_EMOJI.findall(text)) > (purpose is not Purpose.SERVICE):
            found.append("表情最多一个,服务通知里不用")
        if "【" in text:
            found.append("不要用【】")
        if "你" in text:
            found.append("用「您」,不用「你」")
        return found + self._check_purpose(text, purpose)

    def _check_purpose(self, text: str, purpose: Purpose) -> list[str]:
        found = []
        if purpose is not Purpose.SERVICE and not text.splitlines()[-1].startswith("——"):
            found.append("结尾要有署名,例如 ——城东支行 小陈")
        if purpose is Purpose.MARKETING and "退订" not in text and not _URL.search(text):
            found.append("营销消息要写明怎样退订")
        if purpose is Purpose.SERVICE and (_SUM.search(text) or _ACCOUNT.search(text)):
            found.append("服务通知里不写金额和账号")
        if purpose is Purpose.GREETING:
            body = text.rpartition("\n")[0]
            found += [f"问候里不提「{w}」" for w in (*self.voice.selling, "退订") if w in body]
        return found

    def _as_noted(self, noted: str, name: str) -> str:
        for form in self.titles:
            stem = noted.removesuffix(form)
            if stem != noted and self._is_family(stem, given=2):
                return noted
        for form in self.kin:
            stem = noted.removesuffix(form)
            if stem != noted and (self._is_family(stem, given=0) or _is_given(stem, name)):
                return noted
        return ""

    def _is_family(self, stem: str, given: int) -> bool:
        """A surname, with at most so many characters of a given name."""
        length = self._surname_length(stem)
        return bool(length) and len(stem) - length <= given

    def _surname_length(self, name: str) -> int:
        if name[:2] in self.compound_surnames:
            return 2
        return int(name[:1] in self.surnames)

    def _formal(self, name: str, gender: str) -> str:
        title = self.genders.get(gender)
        length = self._surname_length(name)
        if not title or not length or not _HAN.fullmatch(name):
            return ""
        return name[:length] + title if 1 <= len(name) - length <= 2 else ""


def _leading_han(remark: str) -> str:
    found = _HAN.match(plain(remark))
    return found.group() if found else ""


def _is_given(stem: str, name: str) -> bool:
    return bool(stem) and stem in name[1:]


def _count(number: int) -> str:
    return _COUNTS[number] if number < len(_COUNTS) else str(number)


def day_words(day: date, today: date) -> str:
    """12月8日(周二); with the year when it is not this one."""
    year = "" if day.year == today.year else f"{day.year}年"
    return f"{year}{day.month}月{day.day}日(周{_WEEKDAYS[day.weekday()]})"


def moment_words(moment: datetime, now: datetime) -> str:
    """今天15:30, 明天09:20, else 12月8日(周二)09:20, in Asia/Shanghai.

    Raises:
        Invalid: A moment has no zone.
    """
    if moment.tzinfo is None or now.tzinfo is None:
        raise Invalid("时间缺少时区,请传入带时区的时间")
    local, today = moment.astimezone(SHANGHAI), now.astimezone(SHANGHAI).date()
    near = {today: "今天", today + timedelta(days=1): "明天", today - timedelta(days=1): "昨天"}
    return f"{near.get(local.date()) or day_words(local.date(), today)}{local:%H:%M}"


def load_words(path: Path) -> Words:
    """Read and check ``words.yaml``.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    source = read_text(path)
    top = parse_section(source, path.name)
    genders, stop = top.section("genders"), top.section("stop")
    groups = _groups(top.section("groups"))
    layers = _labels(top.section("layers"), Layer)
    found = Words(
        nobody=top.value("nobody").text(6),
        genders={name: genders.value(name).text(4) for name in ("female", "male")},
        kin=_texts(top, "kin"),
        titles=_texts(top, "titles"),
        surnames=frozenset(top.value("surnames").text(2000)),
        compound_surnames=frozenset(_texts(top, "compound_surnames")),
        products=_products(top.section("products"), groups),
        groups=groups,
        stop_reply=stop.value("reply").text(60),
        stop_link=stop.value("link").text(60),
        topics=_labels(top.section("topics")),
        matters=_labels(top.section("matters"), KINDS),
        layers={Layer(slug): label for slug, label in layers.items()},
        voice=_voice(top.section("voice")),
        text_hash=digest_of(source),
    )
    for section in (genders, stop, top):
        section.close()
    return found


def _texts(section: Section, key: str) -> tuple[str, ...]:
    """Longest first, so that 阿姨 is found before 姨."""
    return tuple(sorted((item.text(20) for item in section.values(key)), key=len, reverse=True))


def _groups(section: Section) -> Mapping[str, Group]:
    found = {}
    for name in section.keys():  # noqa: SIM118  # a Section is no dict
        group = section.section(name)
        found[name] = Group(group.value("options").text(60), group.value("unattended").text(60))
        group.close()
    if "mixed" not in found:
        raise section.wrong("groups 里缺少 mixed(几类产品同一天到期时的说法),请补上")
    return MappingProxyType(found)


def _products(section: Section, groups: Mapping[str, Group]) -> Mapping[str, Product]:
    found = {}
    for kind in section.keys():  # noqa: SIM118  # a Section is no dict
        product = section.section(kind)
        found[kind] = Product(
            words=product.value("words").text(8),
            measure=product.value("measure").text(1),
            group=product.value("group").choice(groups),
        )
        product.close()
    return MappingProxyType(found)


def _labels(section: Section, needed: Iterable[str] = ()) -> Mapping[str, str]:
    """Chinese by slug; every needed slug must be there."""
    for slug in needed:
        section.value(slug)
    found = {slug: section.value(slug).text(12) for slug in section.keys()}  # noqa: SIM118  # no dict
    return MappingProxyType(found)


def _voice(section: Section) -> Voice:
    most = {purpose: section.value(f"{purpose}_most").whole(1, 1000) for purpose in Purpose}
    found = Voice(
        most,
        _texts(section, "openers"),
        _texts(section, "forbidden"),
        _texts(section, "selling"),
    )
    section.close()
    return found
