"""The bank's files (CSV, Excel) as checked rows: what ``qunguan import`` reads.

``open_sheet`` gives rows of values and, for each row that cannot be used, its line, its
column and what to do, never the value itself. Nothing here knows the database.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.errors import Invalid
from bot.importing.cells import Birthday, clean
from bot.importing.report import (
    ImportReport,
    RowProblem,
    problem_line,
    report_lines,
    write_problems,
)
from bot.importing.sheets import Grid, Line, open_grid
from bot.importing.tables import TABLES, Header, Row, recognised, table_of

__all__ = [
    "TABLES",
    "Birthday",
    "Header",
    "ImportReport",
    "Row",
    "RowProblem",
    "Sheet",
    "open_sheet",
    "problem_line",
    "report_lines",
    "table_of",
    "write_problems",
]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file of one kind, its header understood; the rows can be walked once."""

    kind: str
    file_hash: str
    unknown_columns: tuple[str, ...]
    rows: Iterator[Row]


def open_sheet(path: Path, kind: str) -> Sheet:
    """Open an import file and read its header.

    Raises:
        Invalid: The kind is unknown, the file cannot be read, or its header lacks a column.
    """
    table = table_of(kind)
    grid = open_grid(path, lambda titles: recognised(table, titles))
    header = _header(grid, kind)
    return Sheet(kind, grid.file_hash, tuple(header.unknown), _rows(grid.lines, header))


def _header(grid: Grid, kind: str) -> Header:
    for line in grid.lines:
        if line.torn:
            raise Invalid(f"第 {line.number} 行读不出表头:{line.torn}")
        if not _blank(line):
            return Header(table_of(kind), line.cells)
    raise Invalid("文件里没有内容;第一行应是表头")


def _rows(lines: Iterator[Line], header: Header) -> Iterator[Row]:
    """Every row that is not blank."""
    for line in lines:
        if line.torn:
            yield Row(line.number, {}, (RowProblem(line.number, "", line.torn),))
            continue
        row = header.row(line.number, line.cells)
        if row.values or not _blank(line):
            yield row


def _blank(line: Line) -> bool:
    return all(clean(cell) is None for cell in line.cells)
