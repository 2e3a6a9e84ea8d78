"""On what condition a benefit may be given: a closed list, and never money (K6). Pure."""

from __future__ import annotations

import re

from bot.importing.cells import Unreadable

SLUGS = ("attendance", "check_in", "feedback", "birthday", "membership_age")
"""The closed list."""
CONDITIONS = {
    **{slug: slug for slug in SLUGS},
    **dict.fromkeys(("到场", "参加活动", "到场参加活动"), "attendance"),
    **dict.fromkeys(("签到", "到店签到", "网点签到"), "check_in"),
    **dict.fromkeys(("反馈", "填写反馈", "意见反馈"), "feedback"),
    **dict.fromkeys(("生日", "生日当月"), "birthday"),
    **dict.fromkeys(("会员年限", "加好友年限"), "membership_age"),
}
"""Every accepted spelling and its slug."""
_LISTED = "到场、签到、反馈、生日、会员年限"
# A deposit, a balance, a transfer, an account or card, a product, or bringing somebody.
_MONEY = re.compile(
    r"存款|存钱|存入|存满|存够|存\s*[\d一二三四五六七八九十百]|定期|余额|资产|日均|达标|新资金|行外资金"
    r"|转账|转入|汇款|汇入|打款|开户|开卡|办卡|信用卡|理财|基金|保险|国债|存单|贷款|购买产品|aum"
    r"|老带新|介绍|推荐|拉新|拉人|带[^,,。;;]{0,4}(?:人|友|客户|来)",
    re.IGNORECASE,
)


def is_about_money(text: str) -> bool:
    """Whether words tie something to money with the bank, or to bringing somebody."""
    return bool(_MONEY.search(text))


def condition(text: str) -> str:
    """A condition of the closed list.

    Raises:
        Unreadable: It is none; says so where it is about money.
    """
    slug = CONDITIONS.get(text.lower())
    if slug is not None:
        return slug
    if is_about_money(text):
        raise Unreadable(
            "送权益不能以存款、余额、转账、开户办卡、买产品或介绍别人来办为条件(规则 K6),"
            f"这一行没有收下;条件只能填:{_LISTED}"
        )
    raise Unreadable(f"不在可填的条件里,请填:{_LISTED}(规则 K6)")
