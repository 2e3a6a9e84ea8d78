"""YAML that people edit: every mistake is answered with file, line and what to write. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from datetime import date, time, timedelta
from pathlib import Path

import yaml

from bot.errors import Invalid

# The same parser in C where PyYAML was built with it; it saves 30 ms of every start.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CLOCK = re.compile(r"(?P<hour>\d{1,2}):(?P<minute>\d{2})")
_SPAN = re.compile(r"(?P<count>\d+)\s*(?P<unit>分钟|小时|天)")
_UNITS = {
    "分钟": timedelta(minutes=1),
    "小时": timedelta(hours=1),
    "天": timedelta(days=1),
}


class Place:
    """Where a value stands, so that an error can point at it."""

    def __init__(self, file: str, line: int) -> None:
        self.file = file
        self.line = line

    def wrong(self, problem: str) -> Invalid:
        """The error to raise about what stands here."""
        return Invalid(f"{self.file} 第 {self.line} 行:{problem}")


class Scalar(Place):
    """One value, as it was written; read by the method of the type that is wanted."""

    def __init__(self, file: str, line: int, key: str, written: str) -> None:
        super().__init__(file, line)
        self._key = key
        self.written = written

    def text(self, most: int = 200) -> str:
        """Words, at least one character and at most ``most``."""
        found = self.written.strip()
        if not found:
            raise self.wrong(f"{self._key} 不能为空,请填写")
        if len(found) > most:
            raise self.wrong(f"{self._key} 过长({len(found)} 字),请缩到 {most} 字以内")
        return found

    def whole(self, least: int, most: int) -> int:
        """A whole number; ``10_000`` and ``10000`` are the same."""
        plain = self.written.replace("_", "")
        if not re.fullmatch(r"\d{1,12}", plain) or not least <= int(plain) <= most:
            raise self.wrong(
                f"{self._key} 的值 {self.written!r} 不对,请填 {least} 到 {most} 之间的整数"
            )
        return int(plain)

    def share(self) -> float:
        """A share between 0 and 1, the ends excluded."""
        if not re.fullmatch(r"0?\.\d{1,6}", self.written) or not float(self.written):
            raise self.wrong(
                f"{self._key} 的值 {self.written!r} 不对,请填 0 到 1 之间的小数,例如 0.2"
            )
        return float(self.written)

    def yes(self) -> bool:
        """True or false."""
        if self.written not in {"true", "false"}:
            raise self.wrong(f"{self._key} 的值 {self.written!r} 不对,请填 true 或 false")
        return self.written == "true"

    def choice(self, options: Iterable[str]) -> str:
        """One of a closed list."""
        known = tuple(options)
        if self.written not in known:
            raise self.wrong(
                f"{self._key} 的值 {self.written!r} 不对,请从这些里选:{'、'.join(known)}"
            )
        return self.written

    def clock_time(self) -> time:
        """A time of day, ``09:00``."""
        found = _CLOCK.fullmatch(self.written)
        if not found or int(found["hour"]) > 23 or int(found["minute"]) > 59:
            raise self.wrong(f"{self._key} 的值 {self.written!r} 不是时刻,请写成 09:00")
        return time(int(found["hour"]), int(found["minute"]))

    def span(self) -> timedelta:
        """A span of time: 30分钟, 2小时, 3天."""
        found = _SPAN.fullmatch(self.written)
        if not found or not int(found["count"]):
            raise self.wrong(
                f"{self._key} 的值 {self.written!r} 不是时长,请写成 30分钟、2小时 或 3天"
            )
        return int(found["count"]) * _UNITS[found["unit"]]

    def day(self) -> date:
        """A day, ``2027-02-06``."""
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", self.written):
            raise self._no_day()
        try:
            return date.fromisoformat(self.written)
        except ValueError as wrong:
            raise self._no_day() from wrong

    def _no_day(self) -> Invalid:
        return self.wrong(f"{self._key} 里的 {self.written!r} 不是日期,请写成 2027-02-06")


class Section(Place):
    """A mapping of the file; ``close`` refuses the keys that nobody asked for."""

    def __init__(self, file: str, node: yaml.MappingNode, name: str, above: int = 0) -> None:
        super().__init__(file, node.start_mark.line + 1 + above)
        self._above = above
        self._name = name
        self._asked: set[str] = set()
        self._nodes: dict[str, tuple[int, yaml.Node]] = {}
        for key, value in node.value:
            self._keep(key, value)

    def _keep(self, key: yaml.Node, value: yaml.Node) -> None:
        line = key.start_mark.line + 1 + self._above
        if not isinstance(key, yaml.ScalarNode):
            raise Place(self.file, line).wrong("这里应当是一个名称,请检查缩进和冒号")
        if key.value in self._nodes:
            raise Place(self.file, line).wrong(f"{key.value} 写了两次,请删去一处")
        self._nodes[key.value] = (line, value)

    def __contains__(self, key: str) -> bool:
        return key in self._nodes

    def keys(self) -> Iterator[str]:
        """The names in this section, in the order of the file."""
        return iter(self._nodes)

    def place(self, key: str) -> Place:
        """Where a name stands."""
        return Place(self.file, self._nodes[key][0])

    def is_section(self, key: str) -> bool:
        """Whether names and values stand under a name."""
        return key in self._nodes and isinstance(self._nodes[key][1], yaml.MappingNode)

    def value(self, key: str) -> Scalar:
        """The value under a name that must be there."""
        line, node = self._node(key)
        return self._scalar(key, line, node)

    def values(self, key: str) -> list[Scalar]:
        """The list under a name; absent means empty."""
        if key not in self._nodes:
            self._asked.add(key)
            return []
        line, node = self._node(key)
        if not isinstance(node, yaml.SequenceNode):
            raise Place(self.file, line).wrong(f"{key} 应当是列表,请写成 [甲, 乙] 或每行一个“- ”")
        return [self._scalar(key, self._line(item), item) for item in node.value]

    def section(self, key: str) -> Section:
        """The section under a name that must be there."""
        line, node = self._node(key)
        if not isinstance(node, yaml.MappingNode):
            raise Place(self.file, line).wrong(f"{key} 下面应当有缩进的若干行“名称: 值”")
        return Section(self.file, node, key, self._above)

    def sections(self, key: str) -> list[Section]:
        """The list of sections under a name; absent means empty."""
        if key not in self._nodes:
            self._asked.add(key)
            return []
        line, node = self._node(key)
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found = [item for item in items if isinstance(item, yaml.MappingNode)]
        if len(found) < len(items):
            raise Place(self.file, line).wrong(f"{key} 应当是列表,每项以“- ”开头,下面写“名称: 值”")
        return [Section(self.file, item, key, self._above) for item in found]

    def close(self) -> None:
        """Refuse what was never asked for: a misspelt name must not be ignored in silence."""
        for key, (line, _) in self._nodes.items():
            if key not in self._asked:
                near = difflib.get_close_matches(key, self._asked, n=1)
                advice = (
                    f"是不是 {near[0]}?" if near else f"可用的有:{'、'.join(sorted(self._asked))}"
                )
                raise Place(self.file, line).wrong(f"不认识 {key},{advice}")

    def _node(self, key: str) -> tuple[int, yaml.Node]:
        self._asked.add(key)
        if key not in self._nodes:
            where = f"{self._name} 里" if self._name else ""
            raise self.wrong(f"{where}缺少 {key},请补上")
        return self._nodes[key]

    def _line(self, node: yaml.Node) -> int:
        return int(node.start_mark.line) + 1 + self._above

    def _scalar(self, key: str, line: int, node: yaml.Node) -> Scalar:
        if not isinstance(node, yaml.ScalarNode):
            raise Place(self.file, line).wrong(f"{key} 应当是一个值,不是列表或下级内容")
        return Scalar(self.file, line, key, node.value)


def parse_section(source: str, file: str, above: int = 0) -> Section:
    """Read YAML whose top is a mapping.

    Args:
        source: The text.
        file: Its name, for errors.
        above: Lines of the file that stand before ``source``.

    Raises:
        Invalid: It is no YAML, or no mapping.
    """
    try:
        node = yaml.compose(source, Loader=_LOADER)
    except yaml.MarkedYAMLError as wrong:
        line = (wrong.problem_mark.line if wrong.problem_mark else 0) + 1 + above
        raise Place(file, line).wrong("格式有误,请检查缩进、冒号后的空格和引号") from wrong
    except yaml.YAMLError as wrong:
        raise Place(file, above + 1).wrong("含有无法识别的字符,请另存为 UTF-8 文本") from wrong
    if not isinstance(node, yaml.MappingNode):
        raise Place(file, above + 1).wrong("内容为空或不是“名称: 值”的形式,请参照随产品提供的文件")
    return Section(file, node, "", above)


def read_text(path: Path) -> str:
    """The text of a file that people edit; Windows line ends and byte-order marks are fine.

    Raises:
        Invalid: It is missing or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as wrong:
        raise Invalid(f"找不到文件 {path.name},请从随产品提供的文件恢复") from wrong
    except UnicodeDecodeError as wrong:
        raise Invalid(f"{path.name} 不是 UTF-8 文本,请另存为 UTF-8 后再试") from wrong


def load_section(path: Path) -> Section:
    """Read a YAML file whose top is a mapping.

    Raises:
        Invalid: Missing, unreadable or no mapping.
    """
    return parse_section(read_text(path), path.name)
