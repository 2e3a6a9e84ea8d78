"""Files as core systems and Excel write them: encodings, delimiters, workbooks, damage."""

import csv
import io
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import Invalid
from bot.importing import ImportReport, RowProblem, Sheet, open_sheet, problem_line, write_problems

STAFF = "账号,姓名,网点\nlihua,测试员工甲,甲支行\nwangwu,测试员工乙,乙支行\n"
EXPECTED: list[dict[str, Any]] = [
    {"userid": "lihua", "name": "测试员工甲", "branch": "甲支行"},
    {"userid": "wangwu", "name": "测试员工乙", "branch": "乙支行"},
]


def sheet(tmp_path: Path, content: bytes | str, kind: str = "staff") -> Sheet:
    file = tmp_path / "file.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return open_sheet(file, kind)


def good(opened: Sheet) -> list[dict[str, Any]]:
    rows = list(opened.rows)
    assert [row.problems for row in rows if row.problems] == []
    return [row.values for row in rows]


def workbook(tmp_path: Path, *rows: tuple[Any, ...], first_row: int = 1) -> Path:
    book = openpyxl.Workbook()
    book.create_sheet("说明", 0)["A1"] = "请在第二页填写"
    for number, row in enumerate(rows, first_row):
        for column, cell in enumerate(row, 1):
            book.worksheets[1].cell(number, column, cell)
    book.save(tmp_path / "file.xlsx")
    return tmp_path / "file.xlsx"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk"])
def test_the_encoding_is_found(tmp_path: Path, encoding: str) -> None:
    assert good(sheet(tmp_path, STAFF.encode(encoding))) == EXPECTED


def test_gb18030_with_four_bytes_is_found(tmp_path: Path) -> None:
    content = STAFF.replace("甲支行", "㐀支行").encode("gb18030")
    assert good(sheet(tmp_path, content))[0]["branch"] == "㐀支行"


def test_gb18030_that_is_utf8_by_accident_is_still_chinese(tmp_path: Path) -> None:
    content = b"userid,name\nlihua," + "通".encode("gb18030")
    assert content.decode("utf-8") != content.decode("gb18030")
    assert good(sheet(tmp_path, content)) == [{"userid": "lihua", "name": "通"}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_the_delimiter_and_the_line_ends_are_found(
    tmp_path: Path, delimiter: str, newline: str
) -> None:
    content = STAFF.replace(",", delimiter).replace("\n", newline)
    assert good(sheet(tmp_path, content)) == EXPECTED


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    assert good(sheet(tmp_path, "\n\n" + STAFF + "\n,,\n\n")) == EXPECTED


def test_a_bad_row_is_named_by_the_line_on_which_it_begins(tmp_path: Path) -> None:
    content = 'name,userid\n"甲\n乙\n丙",lihua\n\n"丁\n戊",不对\n甲,wangwu\n己,也不对\n'
    rows = list(sheet(tmp_path, content).rows)
    assert [(row.line, bool(row.problems)) for row in rows] == [
        (2, False),
        (6, True),
        (8, False),
        (9, True),
    ]
    assert [row.problems[0].line for row in rows if row.problems] == [6, 9]


@pytest.mark.parametrize("tail", ['wang"wu"', '"wang"wu,甲'])
def test_a_torn_quote_costs_its_row_only(tmp_path: Path, tail: str) -> None:
    rows = list(sheet(tmp_path, f"userid,name\n{tail}\nlihua,甲\n").rows)
    assert [bool(row.problems) for row in rows] == [True, False]


def test_a_quote_that_never_ends_is_reported_with_what_it_swallowed(tmp_path: Path) -> None:
    rows = list(sheet(tmp_path, 'userid,name\nlihua,甲\nwangwu,"乙\nzhao,丙\n').rows)
    assert [row.line for row in rows] == [2, 3]
    assert "到第 4 行为止都没有读入" in rows[1].problems[0].problem


def test_a_file_of_torn_quotes_is_given_up_and_says_so(tmp_path: Path) -> None:
    rows = list(sheet(tmp_path, "userid,name\n" + '"a"b,c\n' * 50).rows)
    assert len(rows) == 11
    assert "没有读入" in rows[-1].problems[0].problem


def test_a_workbook_with_typed_cells_is_read_from_the_sheet_that_fits(tmp_path: Path) -> None:
    path = workbook(
        tmp_path,
        ("客户号", "手机号", "资产", "生日", "贷后检查日", "关键人"),
        (1234567, 13800000000, 1234.56, date(1962, 8, 16), datetime(2026, 12, 1), True),  # noqa: DTZ001  # Excel knows no zones
    )
    assert good(open_sheet(path, "customers")) == [
        {
            "core_id": "1234567",
            "phone": "13800000000",
            "assets": 1234,
            "birthday_calendar": "solar",
            "birthday_year": 1962,
            "birthday_month": 8,
            "birthday_day": 16,
            "birthday_leap": 0,
            "postloan_check_on": "2026-12-01",
            "key_person": 1,
        }
    ]


def test_rows_of_a_workbook_are_numbered_as_excel_shows_them(tmp_path: Path) -> None:
    path = workbook(tmp_path, ("账号",), ("lihua",), ("不对",), first_row=3)
    assert [(row.line, len(row.problems)) for row in open_sheet(path, "staff").rows] == [
        (4, 0),
        (5, 1),
    ]


def test_a_long_number_that_excel_rounded_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path, ("账户标识", "客户号"), (6222000000000000123, "K001"))
    assert [len(row.problems) for row in open_sheet(path, "holdings").rows] == [1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "空的"),
        (b"\n\n \n", "没有内容"),
        (STAFF.encode("utf-16"), "UTF-16"),
        (b"\xef\xbb\xbf" + STAFF.encode("gb18030"), "已损坏"),
        (STAFF.encode() + b"\xe7", "损坏的字符"),
        (b"userid,name\nlihua,\xff\xff\n", "既不是 UTF-8 也不是"),
        (b"PK\x03\x04 no workbook", "Excel"),
        (b"\xd0\xcf\x11\xe0 no workbook", "Excel"),
        ("姓名,网点\n甲,乙\n".encode(), "缺少必需的列:userid/账号"),
    ],
)
def test_files_that_cannot_be_used_say_what_to_do(
    tmp_path: Path, content: bytes, words: str
) -> None:
    with pytest.raises(Invalid, match=words):
        list(sheet(tmp_path, content).rows)


def test_a_file_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="打不开文件"):
        open_sheet(tmp_path / "nothing.csv", "staff")
    with pytest.raises(Invalid, match="打不开文件"):
        open_sheet(tmp_path, "staff")


def test_the_same_bytes_have_the_same_hash(tmp_path: Path) -> None:
    assert sheet(tmp_path, STAFF).file_hash == sheet(tmp_path, STAFF).file_hash
    assert sheet(tmp_path, STAFF).file_hash != sheet(tmp_path, STAFF + "\n").file_hash


def test_problems_are_written_beside_the_file_for_excel(tmp_path: Path) -> None:
    report = ImportReport("staff")
    assert write_problems(report, tmp_path / "file.csv") is None
    report.refuse([RowProblem(3, "账号", "不对,请改")])
    target = write_problems(report, tmp_path / "file.csv")
    assert target == tmp_path / "file.csv.problems.csv"
    text = target.read_bytes().decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text))) == [
        ["行号", "列", "问题"],
        ["3", "账号", "不对,请改"],
    ]


HEADERS = [
    b"",
    b"external_userid,core_id,phone,name,birthday,birthday_calendar,leap_month,assets,risk_level\n",
    b"account_ref,core_id,amount,matures_on,rate,kind,status,as_of\n",
    "手机号,用途,同意,时间\n".encode("gb18030"),
    "账号;姓名;角色\n".encode(),
    b"PK\x03\x04",
]


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    header=st.sampled_from(HEADERS),
    body=st.one_of(
        st.binary(max_size=300),
        st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")),
        st.lists(
            st.lists(st.one_of(st.text(max_size=12), st.dates().map(str)), max_size=9), max_size=5
        ).map(lambda rows: "\n".join(",".join(row) for row in rows).encode("utf-8", "replace")),
    ),
    kind=st.sampled_from(["customers", "holdings", "consents", "staff"]),
)
def test_any_bytes_give_rows_or_an_error_of_ours(
    tmp_path: Path, header: bytes, body: bytes, kind: str
) -> None:
    try:
        for row in sheet(tmp_path, header + body, kind).rows:
            assert all(problem.line == row.line for problem in row.problems)
    except Invalid:
        pass


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(position=st.integers(0, 5000), byte=st.integers(0, 255), length=st.integers(0, 6000))
def test_a_damaged_workbook_gives_rows_or_an_error_of_ours(
    tmp_path: Path, position: int, byte: int, length: int
) -> None:
    content = bytearray(workbook(tmp_path, ("账号", "姓名"), ("lihua", "甲")).read_bytes())
    content[position % len(content)] = byte
    with suppress(Invalid):
        list(sheet(tmp_path, bytes(content[: length or None])).rows)


SECRET = st.text(alphabet="张李王甲乙0123456789", min_size=6, max_size=14)


@given(secret=SECRET, column=st.integers(0, 7))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_message_repeats_what_stood_in_a_cell(tmp_path: Path, secret: str, column: int) -> None:
    titles = "phone,birthday,birthday_calendar,assets,risk_level,manager,gender,risk_valid_to"
    cells = [""] * 8
    cells[column] = secret
    content = f"core_id,{titles}\nK1,{','.join(cells)}\n"
    rows = list(sheet(tmp_path, content, "customers").rows)
    said = "".join(problem_line(problem) for row in rows for problem in row.problems)
    assert secret not in said
