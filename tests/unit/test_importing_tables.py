"""Headers and rows: English and Chinese names, what is missing, what contradicts itself."""

from collections.abc import Sequence
from typing import Any

import pytest

from bot.errors import Invalid
from bot.importing import TABLES, ImportReport, Row, RowProblem, report_lines
from bot.importing.cells import Cell
from bot.importing.tables import Header, table_of


def read(kind: str, titles: Sequence[Cell], *row: Cell) -> Row:
    return Header(table_of(kind), titles).row(2, row)


def values(kind: str, titles: Sequence[Cell], *row: Cell) -> dict[str, Any]:
    done = read(kind, titles, *row)
    assert done.problems == ()
    return done.values


CUSTOMER = (
    ("external_userid", "外部联系人ID", "wm_made_up", "wm_made_up"),
    ("core_id", "客户号", "K001", "K001"),
    ("name", "姓名", "测试客户甲", "测试客户甲"),
    ("phone", "手机号", "13800000000", "13800000000"),
    ("gender", "性别", "女", "female"),
    ("address", "地址", "测试路 1 号", "测试路 1 号"),
    ("occupation", "职业", "教师", "教师"),
    ("assets", "资产", "12.5万", 125_000),
    ("assets_month_avg", "月日均", "100,000", 100_000),
    ("risk_level", "风险等级", "C3", "C3"),
    ("risk_valid_to", "风评有效期", "2027/1/1", "2027-01-01"),
    ("manager", "客户经理", "lihua", "lihua"),
    ("branch", "网点", "甲支行", "甲支行"),
    ("key_person", "关键人", "是", 1),
    ("prospect", "潜在户", "否", 0),
    ("postloan_check_on", "贷后检查日", "20261201", "2026-12-01"),
)


@pytest.mark.parametrize("language", [0, 1])
def test_a_customer_in_english_and_in_chinese_in_any_order(language: int) -> None:
    columns = CUSTOMER[::-1]
    titles = [column[language] for column in columns]
    expected = {name: value for name, _, _, value in CUSTOMER}
    assert values("customers", titles, *[column[2] for column in columns]) == expected


@pytest.mark.parametrize(
    ("kind", "titles"),
    [
        (
            "holdings",
            "客户号 外部联系人ID 账户标识 产品 类别 金额 开立日 到期日 利率 状态 客户经理",
        ),
        ("consents", "外部联系人ID 用途 同意 渠道 告知版本 凭证 时间"),
        ("consents", "手机号 用途 同意 渠道 告知版本 凭证 时间"),
        ("staff", "账号 姓名 网点 上级机构 角色 资格 代理人"),
        (
            "customers",
            (
                "外部联系人ID 客户号 姓名 手机号 性别 生日 生日历法 闰月 地址 职业 资产 月日均"
                " 风险等级 风评有效期 客户经理 网点 关键人 潜在户 贷后检查日"
            ),
        ),
    ],
)
def test_every_chinese_title_is_known(kind: str, titles: str) -> None:
    assert Header(table_of(kind), titles.split()).unknown == []


@pytest.mark.parametrize("kind", list(TABLES))
def test_every_english_title_is_known(kind: str) -> None:
    names = [column.name for column in table_of(kind).columns]
    assert Header(table_of(kind), names).unknown == []


def test_titles_may_carry_stars_blanks_units_and_full_width() -> None:
    titles = ["* 账户标识", "客 户 号", "金额(元)", "利率（％）", "External UserID"]
    assert Header(table_of("holdings"), titles).unknown == []


def test_a_title_in_another_unit_is_not_taken_for_yuan() -> None:
    assert Header(table_of("holdings"), ["账户标识", "客户号", "金额(万元)"]).unknown == [
        "金额(万元)"
    ]


def test_unknown_titles_are_told_without_long_numbers() -> None:
    header = Header(table_of("staff"), ["userid", "备注", "13800000000", ""])
    assert header.unknown == ["备注", "…"]


def test_a_missing_column_is_answered_with_what_is_expected() -> None:
    with pytest.raises(Invalid, match=r"account_ref/账户标识.*可用的列:core_id/客户号") as caught:
        Header(table_of("holdings"), ["测试客户甲", "13800000000", "客户号"])
    assert "13800000000" not in str(caught.value)


def test_a_column_that_is_there_twice_is_refused() -> None:
    with pytest.raises(Invalid, match="不止一次:手机号"):
        Header(table_of("customers"), ["phone", "手机号"])


def test_an_unknown_kind_is_answered_with_the_known_ones() -> None:
    with pytest.raises(Invalid, match="customers、holdings、consents、staff、products、events"):
        table_of("clients")


@pytest.mark.parametrize(
    ("calendar", "leap", "birthday", "expected"),
    [
        ("农历", "否", "1962-08-16", ("lunar", 1962, 8, 16, 0)),
        ("lunar", "", "08-16", ("lunar", None, 8, 16, 0)),
        ("农历", "是", "1963-04-01", ("lunar", 1963, 4, 1, 1)),
        ("", "", "1990-02-03", ("solar", 1990, 2, 3, 0)),
        ("", "", "农历1962-02-30", ("lunar", 1962, 2, 30, 0)),
        ("公历", "", "02-29", ("solar", None, 2, 29, 0)),
        ("", "是", "06-01", ("lunar", None, 6, 1, 1)),
    ],
)
def test_birthdays_unfold_to_the_customers_columns(
    calendar: str, leap: str, birthday: str, expected: tuple[Any, ...]
) -> None:
    titles = ["客户号", "生日历法", "闰月", "生日"]
    got = values("customers", titles, "K001", calendar, leap, birthday)
    names = ("calendar", "year", "month", "day", "leap")
    assert tuple(got[f"birthday_{name}"] for name in names) == expected


@pytest.mark.parametrize(
    ("calendar", "leap", "birthday", "column"),
    [
        ("公历", "", "1990-02-30", "生日"),
        ("公历", "", "1990-02-29", "生日"),
        ("农历", "", "08-31", "生日"),
        ("公历", "", "农历08-16", "生日历法"),
        ("公历", "是", "08-16", "闰月"),
    ],
)
def test_birthdays_that_contradict_themselves_are_reported(
    calendar: str, leap: str, birthday: str, column: str
) -> None:
    titles = ["客户号", "生日历法", "闰月", "生日"]
    row = read("customers", titles, "K001", calendar, leap, birthday)
    assert [problem.column for problem in row.problems] == [column]


def test_every_bad_cell_of_a_row_is_reported_with_its_title_and_without_its_value() -> None:
    row = read("customers", ["客户号", "资产", "手机号"], "K001", "八万八", "电话本")
    assert row.problems == (
        RowProblem(
            2, "资产", "不是金额,请写成 120000、120,000.00 或 12万;不能为负(现在形如 字字字)"
        ),
        RowProblem(2, "手机号", "不是电话号码,请只填一个号码(7–15 位数字)(现在形如 字字字)"),
    )


def test_a_row_about_nobody_is_reported() -> None:
    row = read("customers", ["客户号", "手机号", "姓名"], "", "", "测试客户甲")
    assert [problem.problem for problem in row.problems] == ["手机号、客户号 至少填一个"]


def test_cells_that_are_equal_but_not_written_alike_are_told_apart() -> None:
    header = Header(table_of("customers"), ["客户号", "资产"])
    done = [header.row(2, ("K001", cell)) for cell in (1.0, True, 1)]
    assert [row.values.get("assets") for row in done] == [1, None, 1]


def test_more_cells_than_titles_are_reported() -> None:
    row = read("staff", ["userid"], "lihua", "", "甲支行")
    assert len(row.problems) == 1
    assert values("staff", ["userid", "name"], "lihua", "", "", "") == {"userid": "lihua"}


def test_a_maturity_before_the_opening_is_reported() -> None:
    titles = ["账户标识", "客户号", "开立日", "到期日"]
    row = read("holdings", titles, "A1", "K001", "2026-01-02", "2026-01-01")
    assert [problem.column for problem in row.problems] == ["到期日"]


def test_the_report_reads_as_chinese_sentences() -> None:
    report = ImportReport("holdings", dry_run=True, total=4, new=1, unchanged=1, closed=2)
    report.refuse([RowProblem(3, "金额", "不是金额"), RowProblem(3, "", "多了列")])
    report.unmatched, report.unknown_columns = 1, ("备注",)
    assert report_lines(report, shown=1) == [
        "试运行:持有产品导入,什么都没有写入",
        "共 4 行,新增 1,更新 0,未变 1,等待匹配客户 1,有问题 1,对账单中已没有而结清 2",
        "不认识的列(已忽略):备注",
        "第 3 行「金额」:不是金额",
        "……另有 1 处问题,见问题清单文件",
    ]
