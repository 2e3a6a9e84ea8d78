"""Files to rows of cells: CSV in UTF-8 or GB18030, and Excel workbooks, one row at a time."""

from __future__ import annotations

import codecs
import csv
import hashlib
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import python_calamine

from bot.errors import Invalid
from bot.importing.cells import Cell

_CHUNK = 1 << 20
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_LARGEST_UNZIPPED = 4 << 30
_DELIMITERS = ",;\t"
_MOST_TEXT = 100_000
_HOPELESS = 10
_ASCII = bytes(range(128))
_FIRST_CJK_LEAD = 0xE2
"""First byte of the UTF-8 form of every Chinese character is at least this."""


class Line(NamedTuple):
    """One row of cells; ``torn`` says in Chinese why there are none."""

    number: int
    """Line of the file (or row of the sheet) on which it begins, from 1."""
    cells: Sequence[Cell]
    torn: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A file as rows; the rows can be walked once."""

    file_hash: str
    """SHA-256 of the bytes, hexadecimal."""
    lines: Iterator[Line]


def open_grid(path: Path, score: Callable[[Sequence[Cell]], int]) -> Grid:
    """Open a file of any accepted form.

    Args:
        path: The file.
        score: How well a first row fits; decides the delimiter and the sheet.

    Raises:
        Invalid: Not a file that can be read, with what to do.
    """
    try:
        probe = _Probe(path)
    except OSError as trouble:
        raise Invalid(f"打不开文件 {path.name}:{trouble.strerror or '读取失败'}") from None
    if probe.size == 0:
        raise Invalid("文件是空的;第一行应是表头")
    if probe.start.startswith((_ZIP, _OLE)):
        return Grid(probe.file_hash, _workbook_lines(path, score))
    encoding = probe.encoding()
    return Grid(probe.file_hash, _csv_lines(path, encoding, _delimiter(path, encoding, score)))


class _Probe:
    """One walk over the bytes: their hash, and whether they are UTF-8 or GB18030."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.start = b""
        self.size = 0
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._is_utf8 = True
        self._chinese = False
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                self.start = self.start or chunk[:4]
                self.size += len(chunk)
                digest.update(chunk)
                self._look(chunk)
        self._look(b"", final=True)
        self.file_hash = digest.hexdigest()

    def _look(self, chunk: bytes, *, final: bool = False) -> None:
        if not self._is_utf8:
            return
        try:
            self._utf8.decode(chunk, final)
        except UnicodeDecodeError:
            self._is_utf8 = False
        self._chinese = self._chinese or max(chunk, default=0) >= _FIRST_CJK_LEAD

    def encoding(self) -> str:
        """The encoding that fits without a doubt; no guess is taken silently."""
        if self.start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise Invalid("文件是 UTF-16 编码,请另存为“CSV UTF-8(逗号分隔)”后再导入")
        if self.start.startswith(codecs.BOM_UTF8) and not self._is_utf8:
            raise Invalid("文件开头标明是 UTF-8,但内容已损坏,请重新导出")
        if self._is_utf8 and (self._chinese or not self._looks_gb18030()):
            return "utf-8-sig"
        if not self._is_utf8 and self._mostly_utf8():
            raise Invalid("文件像 UTF-8 但有损坏的字符,请重新导出;若有人编辑过,请另存为 CSV UTF-8")
        if not self._decodes("gb18030"):
            raise Invalid("文件既不是 UTF-8 也不是 GB18030(GBK)编码,请另存为“CSV UTF-8”后再导入")
        return "gb18030"

    def _looks_gb18030(self) -> bool:
        """Bytes that are UTF-8 by accident: no Chinese that way, nothing but Chinese this way.

        UTF-8 with a lone Latin accent also passes as GB18030, hence only texts with more.
        """
        if self.start.startswith(codecs.BOM_UTF8):
            return False
        with self._path.open("rb") as file:
            odd = re.findall(rb"[\x80-\xff]+", file.read(_CHUNK))
        try:
            words = [run.decode("gb18030") for run in odd]
        except UnicodeDecodeError:
            return False
        return bool(words) and all("\u4e00" <= char <= "\u9fff" for word in words for char in word)

    def _mostly_utf8(self) -> bool:
        """Most of what is not ASCII is sound UTF-8; GB18030 never looks like that."""
        with self._path.open("rb") as file:
            text = file.read(_CHUNK).decode("utf-8", "replace")
        broken = text.count("\ufffd")
        sound = sum(char >= "\u2e80" and char != "\ufffd" for char in text)
        return sound > broken

    def _decodes(self, encoding: str) -> bool:
        decoder = codecs.getincrementaldecoder(encoding)()
        with self._path.open("rb") as file:
            try:
                while chunk := file.read(_CHUNK):
                    decoder.decode(chunk)
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                return False
        return True


# -- CSV -------------------------------------------------------------------------------------


def _delimiter(path: Path, encoding: str, score: Callable[[Sequence[Cell]], int]) -> str:
    def fit(delimiter: str) -> tuple[int, int]:
        first = next((line for line in _csv_lines(path, encoding, delimiter) if line.cells), None)
        return (score(first.cells), len(first.cells)) if first else (0, 0)

    return max(_DELIMITERS, key=fit)


def _csv_lines(path: Path, encoding: str, delimiter: str) -> Iterator[Line]:
    """Rows with the line on which they begin, quoted line breaks counted."""
    csv.field_size_limit(_MOST_TEXT)
    torn = 0
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        while torn < _HOPELESS:
            number = reader.line_num + 1
            try:
                yield Line(number, next(reader))
            except StopIteration:
                return
            except csv.Error:
                torn += 1
                yield Line(number, (), _torn(number, reader.line_num))
            except ValueError:
                raise Invalid("文件在读取过程中被改动,请稍后重试") from None
        yield Line(number + 1, (), "引号错乱太多,以下内容没有读入,请修好文件后重新导入")


def _torn(first: int, last: int) -> str:
    span = f",到第 {last} 行为止都没有读入" if last > first else ""
    return f"引号没有配对或位置不对{span};内容里的引号要写成两个"


# -- workbooks -------------------------------------------------------------------------------


def _workbook_lines(path: Path, score: Callable[[Sequence[Cell]], int]) -> Iterator[Line]:
    """The rows of the sheet whose first row fits best."""
    _refuse_bombs(path)
    with _open_workbook(path) as workbook:
        try:
            sheets = [workbook.get_sheet_by_name(name) for name in workbook.sheet_names]
        except python_calamine.CalamineError:
            raise Invalid("工作簿已损坏,请用 Excel 打开后重新保存") from None
        best = max(sheets, key=lambda sheet: score(_first_row(sheet)), default=None)
        if best is None:
            raise Invalid("工作簿里没有工作表")
        yield from (Line(number, row) for number, row in enumerate(best.iter_rows(), 1))


def _first_row(sheet: python_calamine.CalamineSheet) -> Sequence[Cell]:
    return next((row for row in sheet.iter_rows() if any(cell != "" for cell in row)), [])


def _open_workbook(path: Path) -> python_calamine.CalamineWorkbook:
    try:
        return python_calamine.load_workbook(path)
    except python_calamine.PasswordError:
        raise Invalid("工作簿有密码保护,请去掉密码后再导入") from None
    except (python_calamine.CalamineError, OSError):
        raise Invalid("不是可读的 Excel 文件,请另存为 .xlsx 或 CSV UTF-8 后再导入") from None


def _refuse_bombs(path: Path) -> None:
    """A workbook unpacks in memory; one that would fill it is refused first."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(entry.file_size for entry in packed.infolist())
    except (zipfile.BadZipFile, OSError, ValueError):
        raise Invalid("工作簿已损坏,请用 Excel 打开后重新保存") from None
    if size > _LARGEST_UNZIPPED:
        raise Invalid("工作簿解开后过大,请改用 CSV 导入")
