"""The import tables: their columns, and how a row of cells becomes one of values. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from bot.errors import Invalid
from bot.importing import cells
from bot.importing.cells import Birthday, Cell, Reader, Unreadable, clean
from bot.importing.conditions import condition, is_about_money
from bot.importing.report import RowProblem, shape
from bot.model import PRODUCT_KINDS

PRODUCT_WORDS = {
    **{kind: kind for kind in PRODUCT_KINDS},
    **dict.fromkeys(("活期存款", "活期", "活期储蓄"), "demand_deposit"),
    **dict.fromkeys(("定期存款", "定期", "定期储蓄", "整存整取"), "time_deposit"),
    **dict.fromkeys(("大额存单", "大额"), "large_cd"),
    **dict.fromkeys(("国债", "储蓄国债"), "treasury_bond"),
    **dict.fromkeys(("理财", "理财产品", "结构性存款"), "wealth"),
    **dict.fromkeys(("基金",), "fund"),
    **dict.fromkeys(("保险",), "insurance"),
    **dict.fromkeys(("黄金", "贵金属", "积存金"), "gold"),
    **dict.fromkeys(("房贷", "按揭", "住房贷款", "个人住房贷款", "住房按揭贷款"), "mortgage"),
    **dict.fromkeys(("经营贷", "经营贷款", "个人经营贷款", "农户贷款"), "business_loan"),
    **dict.fromkeys(("消费贷", "消费贷款", "个人消费贷款"), "consumer_loan"),
    **dict.fromkeys(("信用卡",), "credit_card"),
    **dict.fromkeys(("代发工资", "代发"), "payroll"),
    **dict.fromkeys(("收款码",), "payment_code"),
    **dict.fromkeys(("社保卡", "社会保障卡"), "social_security_card"),
    **dict.fromkeys(("手机银行",), "mobile_banking"),
    **dict.fromkeys(("外汇", "外币"), "foreign_exchange"),
    **dict.fromkeys(("个人养老金", "养老金账户", "个人养老金账户"), "pension_account"),
}
HOLDING_STATUSES = {
    **{slug: slug for slug in ("open", "closed", "renewed")},
    **dict.fromkeys(("正常", "在存", "未到期", "有效"), "open"),
    **dict.fromkeys(("已结清", "结清", "已销户", "销户", "已支取"), "closed"),
    **dict.fromkeys(("已续存", "续存", "已转存", "转存"), "renewed"),
}
ROLES = {
    **{slug: slug for slug in ("owner", "manager", "head", "city", "compliance", "admin")},
    **dict.fromkeys(("群主",), "owner"),
    **dict.fromkeys(("客户经理",), "manager"),
    **dict.fromkeys(("网点负责人", "营业经理", "支行行长"), "head"),
    **dict.fromkeys(("分行",), "city"),
    **dict.fromkeys(("合规", "合规岗", "合规人员"), "compliance"),
    **dict.fromkeys(("管理员",), "admin"),
}
CONSENT_PURPOSES = {
    **{
        slug: slug
        for slug in ["service", "marketing", "profiling", "profiling_sensitive", "archive_analysis"]
    },
    **dict.fromkeys(("服务", "服务通知"), "service"),
    **dict.fromkeys(("营销", "营销推广", "营销信息"), "marketing"),
    **dict.fromkeys(("画像", "客户画像", "个性化"), "profiling"),
    **dict.fromkeys(("敏感画像", "敏感信息", "敏感个人信息"), "profiling_sensitive"),
    **dict.fromkeys(("存档分析", "会话存档", "会话存档分析"), "archive_analysis"),
}
_USUAL_EVENT_MS = 2 * 3_600_000
_CALENDARS = {
    **dict.fromkeys(("公历", "阳历", "新历", "solar"), "solar"),
    **dict.fromkeys(("农历", "阴历", "旧历", "lunar"), "lunar"),
}
_GENDERS = {
    **dict.fromkeys(("男", "男性", "先生", "male", "m"), "male"),
    **dict.fromkeys(("女", "女性", "女士", "female", "f"), "female"),
    **dict.fromkeys(("未知", "未说明", "unknown"), ""),
}


class Row(NamedTuple):
    """One row of a table.

    Attributes:
        values: By English column name; only cells that are filled and readable.
        problems: Why the row cannot be used; empty for a good one.
    """

    line: int
    values: dict[str, Any]
    problems: tuple[RowProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column, its names in Chinese headers and the reader of its cells."""

    name: str
    read: Reader
    chinese: tuple[str, ...]
    repeats: bool = True
    """Many rows have the same value."""


@dataclass(frozen=True, slots=True)
class Table:
    """A kind of file.

    Attributes:
        needed: Groups of columns; the header must have one of each group, and every row a
            value in one of each group.
        finish: Checks and unfolds what spans columns; may raise ``Spoiled``.
    """

    columns: tuple[Column, ...]
    needed: tuple[tuple[str, ...], ...]
    finish: Callable[[dict[str, Any]], None]


class Spoiled(Exception):
    """Two cells of a row that contradict each other: the column to blame and the reason."""

    def __init__(self, column: str, problem: str) -> None:
        super().__init__(problem)
        self.column = column
        self.problem = problem


# -- what spans columns ----------------------------------------------------------------------


def _as_is(values: dict[str, Any]) -> None:
    """Nothing to check."""


def _unfold_birthday(values: dict[str, Any]) -> None:
    """``birthday`` and its companions become the customer's own columns."""
    calendar, leap = values.pop("birthday_calendar", None), values.pop("leap_month", None)
    born: Birthday | None = values.pop("birthday", None)
    if born is None:
        return
    if calendar is None:
        calendar = "lunar" if born.lunar or leap else "solar"
    elif born.lunar is not None and born.lunar != (calendar == "lunar"):
        raise Spoiled("birthday_calendar", "与生日里写的历法不一致,请核对")
    if leap and calendar == "solar":
        raise Spoiled("leap_month", "公历没有闰月,请核对生日历法")
    _check_birthday(born, calendar)
    values.update(
        birthday_calendar=calendar,
        birthday_month=born.month,
        birthday_day=born.day,
        birthday_year=born.year,
        birthday_leap=leap or 0,
    )


def _check_birthday(born: Birthday, calendar: str) -> None:
    if calendar == "lunar":
        if not (1 <= born.month <= 12 and 1 <= born.day <= 30):
            raise Spoiled("birthday", "农历没有这一天,请核对月份和日期")
        return
    try:
        date(born.year or 2000, born.month, born.day)
    except ValueError:
        raise Spoiled("birthday", "没有这一天,请核对月份、日期和生日历法") from None


def _check_term(values: dict[str, Any]) -> None:
    opened, matures = values.get("opened_on"), values.get("matures_on")
    if opened and matures and matures < opened:
        raise Spoiled("matures_on", "早于开立日,请核对这两列")


def _check_hours(values: dict[str, Any]) -> None:
    """Two hours and sign-up until the start unless the file says otherwise."""
    starts = values["starts_at"]
    values.setdefault("ends_at", starts + _USUAL_EVENT_MS)
    values.setdefault("sign_up_until", starts)
    if values["ends_at"] <= starts:
        raise Spoiled("ends_at", "不晚于开始时间,请核对这两列")
    if values["sign_up_until"] > values["ends_at"]:
        raise Spoiled("sign_up_until", "晚于活动结束,请核对")


def _check_validity(values: dict[str, Any]) -> None:
    begins, ends = values.get("valid_from"), values.get("valid_to")
    if begins and ends and ends < begins:
        raise Spoiled("valid_to", "早于生效日,请核对这两列")
    if values.get("kind") in RISKY_KINDS and not values.get("risk_level"):
        raise Spoiled("risk_level", "理财、基金、保险和黄金必须有风险等级,请补上 R1–R5")
    if _STRUCTURED in values.get("name", "") and values.get("kind") != "wealth":
        raise Spoiled("kind", "结构性存款按理财管,类别请填 理财 或 结构性存款")


def _check_offer(values: dict[str, Any]) -> None:
    """K6: neither the condition nor the words of a benefit may be about money with us."""
    for column in ("benefit", "merchant"):
        if is_about_money(values.get(column, "")):
            raise Spoiled(
                column, "不能和存款、余额、转账、开户办卡、产品或介绍别人挂钩(规则 K6),请改写"
            )
    _check_validity(values)


# -- the tables ------------------------------------------------------------------------------

_EXTERNAL = Column("external_userid", cells.external_userid, ("外部联系人ID",), repeats=False)
_CORE = Column("core_id", cells.reference, ("客户号", "核心客户号"), repeats=False)
_PHONE = Column("phone", cells.phone, ("手机号", "手机", "电话"), repeats=False)
_MANAGER = Column("manager", cells.userid, ("客户经理",))
_BRANCH = Column("branch", cells.words(64), ("网点",))
_AS_OF = Column("as_of", cells.day, ("数据日期", "截至日期"))
_PERSON = ("external_userid", "phone", "core_id")

TABLES = {
    "customers": Table(
        (
            _EXTERNAL,
            _CORE,
            Column("name", cells.words(64), ("姓名", "客户姓名"), repeats=False),
            _PHONE,
            Column("gender", cells.one_of(_GENDERS), ("性别",)),
            Column("birthday", cells.birthday, ("生日", "出生日期")),
            Column("birthday_calendar", cells.one_of(_CALENDARS), ("生日历法",)),
            Column("leap_month", cells.yes, ("闰月",)),
            Column("address", cells.words(200), ("地址",), repeats=False),
            Column("occupation", cells.words(64), ("职业",)),
            Column("assets", cells.money, ("资产",)),
            Column("assets_month_avg", cells.money, ("月日均",)),
            Column("risk_level", cells.risk_level, ("风险等级",)),
            Column("risk_valid_to", cells.day, ("风评有效期",)),
            _MANAGER,
            _BRANCH,
            Column("key_person", cells.yes, ("关键人",)),
            Column("prospect", cells.yes, ("潜在户",)),
            Column("postloan_check_on", cells.day, ("贷后检查日",)),
            _AS_OF,
        ),
        (_PERSON,),
        _unfold_birthday,
    ),
    "holdings": Table(
        (
            _CORE,
            _EXTERNAL,
            _PHONE,
            Column("account_ref", cells.reference, ("账户标识",), repeats=False),
            Column("product", cells.words(100), ("产品", "产品名称")),
            Column("kind", cells.one_of(PRODUCT_WORDS), ("类别", "产品类别")),
            Column("amount", cells.money, ("金额",)),
            Column("opened_on", cells.day, ("开立日",)),
            Column("matures_on", cells.day, ("到期日",)),
            Column("rate", cells.rate, ("利率",)),
            Column("status", cells.one_of(HOLDING_STATUSES), ("状态",)),
            _MANAGER,
            _AS_OF,
        ),
        (("account_ref",), _PERSON),
        _check_term,
    ),
    "consents": Table(
        (
            _EXTERNAL,
            _PHONE,
            _CORE,
            Column("purpose", cells.one_of(CONSENT_PURPOSES), ("用途",)),
            Column("granted", cells.yes, ("同意", "是否同意")),
            Column("channel", cells.words(64), ("渠道",)),
            Column("notice_version", cells.words(64), ("告知版本",)),
            Column("proof", cells.words(200), ("凭证",), repeats=False),
            Column("at", cells.moment, ("时间",)),
            _AS_OF,
        ),
        (("purpose",), ("granted",), ("at",), _PERSON),
        _as_is,
    ),
    "staff": Table(
        (
            Column("userid", cells.userid, ("账号",)),
            Column("name", cells.words(64), ("姓名",), repeats=False),
            _BRANCH,
            Column("parent_branch", cells.words(64), ("上级机构",)),
            Column("role", cells.one_of(ROLES), ("角色",)),
            Column("certificates", cells.certificates, ("资格",)),
            Column("deputy", cells.userid, ("代理人",)),
            _AS_OF,
        ),
        (("userid",),),
        _as_is,
    ),
    "products": Table(
        (
            Column("code", cells.reference, ("代码", "产品代码"), repeats=False),
            Column("name", cells.words(60), ("名称", "产品名称"), repeats=False),
            Column("kind", cells.one_of(PRODUCT_WORDS), ("类别", "产品类别")),
            Column("issuer", cells.words(60), ("发行方", "管理人")),
            Column("risk_level", cells.product_risk, ("风险等级",)),
            Column("rate", cells.rate, ("利率",)),
            Column("minimum", cells.money, ("起点", "起购金额", "起存金额")),
            Column("term", cells.words(30), ("期限",)),
            Column("fees", cells.words(100), ("费用",)),
            Column("valid_from", cells.day, ("生效", "生效日")),
            Column("valid_to", cells.day, ("失效", "失效日")),
            Column("contract_version", cells.words(40), ("合同版本",)),
            Column("registration", cells.words(60), ("登记编码",)),
            Column("url", cells.link, ("链接",)),
            _AS_OF,
        ),
        (("code",), ("name",), ("kind",)),
        _check_validity,
    ),
}
TABLES["events"] = Table(
    (
        Column("code", cells.reference, ("代码", "活动代码"), repeats=False),
        Column("name", cells.words(40), ("名称", "活动名称")),
        Column("kind", cells.words(30), ("类别", "活动类别")),
        _BRANCH,
        Column("starts_at", cells.moment, ("开始", "开始时间")),
        Column("ends_at", cells.moment, ("结束", "结束时间")),
        Column("place", cells.words(60), ("地点",)),
        Column("seats", cells.count, ("名额",)),
        Column("host", cells.words(30), ("主讲",)),
        Column("sign_up_until", cells.moment, ("报名截止",)),
        Column("audience", cells.words(60), ("对象",)),
        _AS_OF,
    ),
    (("code",), ("name",), ("starts_at",), ("seats",)),
    _check_hours,
)
TABLES["referrals"] = Table(
    (
        _EXTERNAL,
        _PHONE,
        _CORE,
        Column("referrer", cells.external_userid, ("介绍人",), repeats=False),
        Column("referrer_phone", cells.phone, ("介绍人手机号",), repeats=False),
        Column("at", cells.moment, ("时间",)),
        _AS_OF,
    ),
    (_PERSON, ("referrer", "referrer_phone"), ("at",)),
    _as_is,
)
TABLES["offers"] = Table(
    (
        Column("code", cells.code, ("代码", "权益代码"), repeats=False),
        Column("merchant", cells.words(24), ("商户", "商户名称")),
        Column("kind", cells.words(12), ("类别", "权益类别")),
        Column("benefit", cells.words(40), ("权益", "权益内容")),
        _BRANCH,
        Column("place", cells.words(40), ("地址",)),
        Column("segment", cells.words(40), ("客群", "分群")),
        Column("condition", condition, ("条件", "领取条件")),
        Column("stock", cells.count, ("份数", "库存")),
        Column("valid_from", cells.day, ("生效", "生效日")),
        Column("valid_to", cells.day, ("失效", "失效日", "截止日")),
        _AS_OF,
    ),
    (
        ("code",),
        ("merchant",),
        ("kind",),
        ("benefit",),
        ("place",),
        ("condition",),
        ("stock",),
        ("valid_to",),
    ),
    _check_offer,
)
RISKY_KINDS = frozenset({"wealth", "fund", "insurance", "gold"})
"""Kinds that nobody may be offered without a risk level."""
_STRUCTURED = "结构性"


def table_of(kind: str) -> Table:
    """The table of a kind of file.

    Raises:
        Invalid: There is none.
    """
    if kind not in TABLES:
        raise Invalid(f"--kind 无法识别,请填 {'、'.join(TABLES)} 之一")
    return TABLES[kind]


# -- header and rows -------------------------------------------------------------------------


class Header:
    """A file's first row, matched with its table.

    Raises:
        Invalid: A needed column is missing, or a column is there twice.
    """

    def __init__(self, table: Table, titles: Sequence[Cell]) -> None:
        self._table = table
        self._width = len(titles)
        known = _names(table)
        self._columns: list[tuple[int, str, Column]] = []
        self._readers: list[tuple[int, str, Callable[[Cell], Any]]] = []
        self.unknown: list[str] = []
        for index, title in enumerate(titles):
            text = clean(title) or ""
            column = known.get(_plain_title(text))
            if column is not None:
                self._columns.append((index, text, column))
                read = cells.filled(column.read, repeats=column.repeats)
                self._readers.append((index, column.name, read))
            elif text:
                self.unknown.append(_harmless(text))
        self._titles = {column.name: text for _, text, column in self._columns}
        self._check()

    def _check(self) -> None:
        names = [column.name for *_, column in self._columns]
        missing = [group for group in self._table.needed if not set(group) & set(names)]
        if missing:
            raise Invalid(_missing_columns(self._table, missing))
        if twice := sorted({self._titles[name] for name in names if names.count(name) > 1}):
            raise Invalid(f"表头里这些列出现了不止一次:{'、'.join(twice)};请只保留一列")

    def row(self, line: int, row: Sequence[Cell]) -> Row:
        """Read one row of cells."""
        values: dict[str, Any] = {}
        problems: list[RowProblem] = []
        width = len(row)
        for index, name, read in self._readers:
            if index >= width:
                continue
            try:
                value = read(row[index])
            except Unreadable as wrong:
                form = shape(clean(row[index]) or "")
                problems.append(RowProblem(line, self._titles[name], f"{wrong}(现在形如 {form})"))
            else:
                if value is not None:
                    values[name] = value
        if width > self._width and any(clean(cell) for cell in row[self._width :]):
            problems.append(
                RowProblem(line, "", "比表头多出了列,可能是内容里的分隔符没有加引号,请检查")
            )
        if not problems:
            problems.extend(self._whole(line, values))
        return Row(line, values, tuple(problems))

    def _whole(self, line: int, values: dict[str, Any]) -> Iterable[RowProblem]:
        """What is wrong with the row as a whole."""
        for group in self._table.needed:
            if values.keys().isdisjoint(group):
                names = "、".join(self._titles[name] for name in group if name in self._titles)
                hint = "至少填一个" if len(group) > 1 else "不能为空"
                yield RowProblem(line, "", f"{names} {hint}")
        try:
            self._table.finish(values)
        except Spoiled as wrong:
            title = self._titles.get(wrong.column) or self._titles.get("birthday", "")
            yield RowProblem(line, title, wrong.problem)


def recognised(table: Table, titles: Sequence[Cell]) -> int:
    """How many titles are columns of the table."""
    known = _names(table)
    return sum(_plain_title(clean(title) or "") in known for title in titles)


def _names(table: Table) -> dict[str, Column]:
    return {
        _plain_title(name): column
        for column in table.columns
        for name in (column.name, *column.chinese)
    }


def _plain_title(title: str) -> str:
    """A title without case, blanks, stars and units: ``资产(元)`` is ``资产``."""
    text = unicodedata.normalize("NFKC", title).casefold()
    text = re.sub(r"\((?:元|%|userid)\)$", "", text)
    return re.sub(r"[\s*_\-]", "", text)


def _harmless(title: str) -> str:
    """A title for the report: short, and no long numbers in case it is no title at all."""
    return re.sub(r"\d{4,}", "…", title[:20])


def _missing_columns(table: Table, missing: list[tuple[str, ...]]) -> str:
    chinese = {column.name: column.chinese[0] for column in table.columns}

    def both(names: Iterable[str]) -> str:
        return " 或 ".join(f"{name}/{chinese[name]}" for name in names)

    needed = ";".join(both(group) for group in missing)
    known = "、".join(f"{name}/{title}" for name, title in chinese.items())
    return f"表头缺少必需的列:{needed}。第一行应是表头,可用的列:{known}"
