"""The closed schema of facts: which keys a type has, and what may stand under each. Pure.

Rules keep to it by their tests; people and models are held to it here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from bot.errors import Invalid
from bot.facts import FactType
from bot.model import PRODUCT_KINDS

_LONGEST_WORDS = 20
# No fact type may hold these, so nothing that is free text may bring them in.
_BARRED = re.compile(
    "宗教|信教|基督|天主|佛教|佛堂|伊斯兰|清真|道教|教会|教堂|寺庙|民族|党员|入党|政治|选举|上访|信访"
    "|同性|出轨|小三|婚外|性病|性生活|坐牢|判刑|犯罪|前科|吸毒|拘留|癌|肿瘤|化疗|糖尿|抑郁|肝炎|尿毒"
    "|透析|中风|瘫痪|病|手术|住院|低保|贫困|欠债|高利贷|破产|离婚|家暴|吵架|打架|断绝关系"
)


@dataclass(frozen=True, slots=True)
class Key:
    """What may stand under one key.

    Attributes:
        kind: ``choice`` of ``options``, ``whole`` or ``number`` from ``least`` to ``most``,
            ``date`` (an ISO day), ``words`` (at most 20 characters).
    """

    kind: str
    options: tuple[str, ...] = ()
    least: int = 0
    most: int = 0

    def flaw(self, value: Any) -> str:
        """What is wrong with a value, in words that follow the key's name; "" for nothing."""
        match self.kind:
            case "choice":
                good = isinstance(value, str) and value in self.options
                return "" if good else f"应当是 {'、'.join(self.options)} 之一"
            case "date":
                return "" if _is_day(value) else "应当是日期,例如 2026-12-01"
            case "words":
                return _flaw_of_words(value)
        whole = self.kind == "whole"
        good = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if good and self.least <= value <= self.most:
            return ""
        return f"应当是 {self.least} 到 {self.most} 之间的{'整数' if whole else '数'}"


def _is_day(value: Any) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _flaw_of_words(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST_WORDS:
        return f"应当是一到 {_LONGEST_WORDS} 个字的说法"
    return "含有不得登记的内容(健康、宗教、政治、家庭矛盾等)" if barred(value) else ""


def barred(words: str) -> bool:
    """Whether words speak of what no fact may hold: illness, faith, politics, quarrels, need."""
    return bool(_BARRED.search(words))


def _choice(options: str) -> Key:
    return Key("choice", tuple(options.split()))


_DAY, _WORDS = Key("date"), Key("words")
_AMOUNT = Key("whole", least=1, most=100_000_000_000)
_PRODUCT = Key("choice", PRODUCT_KINDS)
_DATES = {"date_from": _DAY, "date_to": _DAY}
_SCOPE = {"scope": _choice("all marketing calls")}

SCHEMA: Mapping[FactType, Mapping[str, Key]] = {
    FactType.CHILDREN: {
        "count": Key("whole", least=1, most=20),
        "stage": _choice("infant kindergarten primary middle high university working"),
        "age": Key("whole", least=0, most=80),
        "exam": _choice("zhongkao gaokao"),
    },
    FactType.ELDERS: {
        "count": Key("whole", least=1, most=12),
        "relation": _choice("parents grandparents in_laws"),
    },
    FactType.LIFE_EVENT: {
        "kind": _choice(
            "wedding childbirth pregnancy house_purchase renovation car_purchase relocation"
            " retirement job_change business_opening study_abroad hospital demolition graduation"
        ),
        **_DATES,
    },
    FactType.BIRTHDAY: {
        "calendar": _choice("solar lunar"),
        "year": Key("whole", least=1900, most=2100),
        "month": Key("whole", least=1, most=12),
        "day": Key("whole", least=1, most=31),
    },
    FactType.OCCUPATION: {
        "group": _choice(
            "salaried executive business_owner merchant farmer public_servant teacher medical"
            " driver retiree student homemaker freelancer"
        ),
        "trade": _WORDS,
        "area_mu": Key("number", least=0, most=1_000_000),
    },
    FactType.HOBBY: {
        "name": _choice(
            "读书 茶艺 插花 广场舞 唱歌 书法 摄影 旅游 钓鱼 跑步 健身 瑜伽 高尔夫 羽毛球 乒乓球"
            " 篮球 游泳 登山 骑行 棋牌 烹饪 烘焙 园艺 宠物 亲子 美容 养生 收藏 电影 戏曲"
        )
    },
    FactType.CONCERN: {
        "topic": _choice("rate safety liquidity education pension health housing tax inflation")
    },
    FactType.RISK_APPETITE: {"appetite": _choice("conservative balanced aggressive")},
    FactType.PRODUCT_INTEREST: {"product": _PRODUCT},
    FactType.OTHER_BANK: {
        "bank": _WORDS,
        "product": _PRODUCT,
        "amount": _AMOUNT,
        "rate": Key("number", least=0, most=100),
        **_DATES,
    },
    FactType.MATURITY: {"product": _PRODUCT, "amount": _AMOUNT, **_DATES},
    FactType.INFLOW: {"amount": _AMOUNT, **_DATES, "source": _WORDS},
    FactType.OUTFLOW: {"amount": _AMOUNT, **_DATES, "purpose": _WORDS},
    FactType.CHURN: {"kind": _choice("transfer_out close_account rate_shopping dormant")},
    FactType.COMPLAINT: {"topic": _choice("queue attitude fee loss system privacy product other")},
    FactType.REFERRAL: {"count": Key("whole", least=1, most=1000)},
    FactType.CONTACT_REQUEST: {"channel": _choice("call visit message"), **_DATES},
    FactType.RSVP: {
        "response": _choice("yes no maybe"),
        "party": Key("whole", least=1, most=1000),
    },
    FactType.OPT_OUT: _SCOPE,
    FactType.OPT_IN: _SCOPE,
}
"""The keys of each type, in the order in which a person would fill them in."""

_NEEDS: Mapping[FactType, tuple[str, ...]] = {
    FactType.CHILDREN: ("count", "stage", "age", "exam"),
    FactType.LIFE_EVENT: ("kind",),
    FactType.BIRTHDAY: ("month", "year"),
    FactType.OCCUPATION: ("group", "trade"),
    FactType.HOBBY: ("name",),
    FactType.CONCERN: ("topic",),
    FactType.RISK_APPETITE: ("appetite",),
    FactType.PRODUCT_INTEREST: ("product",),
    FactType.CHURN: ("kind",),
    FactType.COMPLAINT: ("topic",),
    FactType.RSVP: ("response", "party"),
    FactType.OPT_OUT: ("scope",),
    FactType.OPT_IN: ("scope",),
}
"""Of these keys at least one must be there: without it the fact says nothing."""


def check_value(
    fact_type: FactType,
    given: Mapping[str, Any],
    kept: Mapping[str, Any] | None = None,
    called: Callable[[str], str] = str,
) -> dict[str, Any]:
    """Hold what somebody gives to the schema; nothing is guessed or mended.

    Args:
        fact_type: What the value is of.
        given: The keys to check; ``None`` under a key takes it out.
        kept: What is known already and is not checked again.
        called: How errors call a key.

    Returns:
        The whole value, as it is to be kept.

    Raises:
        Invalid: An unknown key, a value out of bounds, dates the wrong way round, or nothing
            said at all; names the key, never the value.
    """
    keys = SCHEMA[fact_type]
    for name, each in given.items():
        if name not in keys:
            raise Invalid(f"{fact_type} 没有 {name} 这一项,可用的有:{'、'.join(keys)}")
        flaw = keys[name].flaw(each) if each is not None else ""
        if flaw:
            raise Invalid(f"{called(name)} {flaw}")
    whole = {name: each for name, each in {**(kept or {}), **given}.items() if each is not None}
    first, last = whole.get("date_from"), whole.get("date_to")
    if first and last and first > last:
        raise Invalid(f"{called('date_from')} 不能晚于 {called('date_to')}")
    needed = _NEEDS.get(fact_type, ())
    if needed and not any(name in whole for name in needed):
        raise Invalid(
            f"至少要写明 {'、'.join(called(name) for name in needed)}"
            f"{' 中的一项' if len(needed) > 1 else ''}"
        )
    return whole
