"""What an import tells the operator: counts, and every bad row without its values. Pure."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_SHOWN = 20
_SHAPE_LENGTH = 24
_KINDS = {
    "customers": "客户",
    "holdings": "持有产品",
    "consents": "客户同意",
    "staff": "员工",
    "products": "产品",
    "events": "活动",
    "offers": "异业权益",
    "referrals": "老带新",
}


class RowProblem(NamedTuple):
    """One cell or row that cannot be used; never carries the value itself."""

    line: int
    """Line of the file on which the row begins, counted from 1."""
    column: str
    """As the file's header calls it, or "" for the row as a whole."""
    problem: str
    """What is wrong and what to do, in Chinese."""


@dataclass(slots=True)
class ImportReport:
    """What became of a file; every row is counted exactly once.

    Attributes:
        total: Rows that were not blank.
        unmatched: Rows that wait until their person becomes known.
        closed: Holdings that a full statement no longer lists; not rows of the file.
        bad: Problems in the order of lines; a row may have several.
        bad_rows: Rows that were left out because of them.
        notes: What else the operator should know, a sentence each.
    """

    kind: str
    dry_run: bool = False
    total: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    closed: int = 0
    unmatched: int = 0
    bad_rows: int = 0
    bad: list[RowProblem] = field(default_factory=list)
    unknown_columns: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)

    def refuse(self, problems: Iterable[RowProblem]) -> None:
        """Count one bad row with its problems."""
        self.bad_rows += 1
        self.bad.extend(problems)

    def counts(self) -> dict[str, int]:
        """The figures alone, as they are kept and logged."""
        names = ("total", "new", "changed", "unchanged", "closed", "unmatched", "bad_rows")
        return {name: getattr(self, name) for name in names}


def report_lines(report: ImportReport, shown: int = _SHOWN) -> list[str]:
    """The report as people read it: the counts, then at most ``shown`` problems."""
    lines = [_headline(report), _figures(report)]
    if report.unknown_columns:
        lines.append(f"不认识的列(已忽略):{'、'.join(report.unknown_columns)}")
    lines.extend(report.notes)
    lines.extend(problem_line(each) for each in report.bad[:shown])
    if len(report.bad) > shown:
        lines.append(f"……另有 {len(report.bad) - shown} 处问题,见问题清单文件")
    return lines


def problem_line(problem: RowProblem) -> str:
    """One problem as a sentence."""
    column = f"「{problem.column}」" if problem.column else ""
    return f"第 {problem.line} 行{column}:{problem.problem}"


def write_problems(report: ImportReport, source: Path) -> Path | None:
    """Write all problems to ``<FILE>.problems.csv``; None when there are none.

    With a byte order mark, so that Excel shows the Chinese.
    """
    if not report.bad:
        return None
    target = source.with_name(source.name + ".problems.csv")
    with target.open("w", encoding="utf-8-sig", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(("行号", "列", "问题"))
        sheet.writerows(report.bad)
    return target


def shape(text: str) -> str:
    """The form of a value without the value: ``9999-99``, ``字字a9``."""
    mask = "".join(_mask(char) for char in text[:_SHAPE_LENGTH])
    return mask + ("…" if len(text) > _SHAPE_LENGTH else "")


def _mask(char: str) -> str:
    if char.isdecimal():
        return "9"
    if char.isalnum():
        return "a" if char.isascii() else "字"
    return char if char.isascii() and char.isprintable() else "?"


def _headline(report: ImportReport) -> str:
    name = _KINDS.get(report.kind, report.kind)
    return f"试运行:{name}导入,什么都没有写入" if report.dry_run else f"{name}导入完成"


def _figures(report: ImportReport) -> str:
    parts = [
        f"共 {report.total} 行",
        f"新增 {report.new}",
        f"更新 {report.changed}",
        f"未变 {report.unchanged}",
        f"等待匹配客户 {report.unmatched}",
        f"有问题 {report.bad_rows}",
    ]
    if report.closed:
        parts.append(f"对账单中已没有而结清 {report.closed}")
    return ",".join(parts)
