"""YAML of the reading rules with the place of every entry, and the words of the lexicon."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from bot.errors import Invalid
from bot.yamlfile import read_text
from handlers.reading.patterns import Entries

Complain = Callable[[Invalid], None]
"""Told of every mistake; it raises, or collects and lets the reading go on."""
_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Entry(dict[str, Any]):
    """A mapping of a rule file that remembers where it and its keys stand."""

    def __init__(self, file: str, line: int) -> None:
        super().__init__()
        self.file = file
        self.line = line
        self.lines: dict[str, int] = {}

    def broken(self, reason: str, key: str = "") -> Invalid:
        """An error that names the place of the entry, or of one of its keys."""
        return Invalid(f"{self.file} 第 {self.lines.get(key, self.line)} 行:{reason}")


def raising(wrong: Invalid) -> None:
    """The first mistake ends the reading.

    Raises:
        Invalid: Always.
    """
    raise wrong


def document(path: Path) -> Entry:
    """A whole file; an empty one is an empty mapping.

    Raises:
        Invalid: It is missing, no YAML, or its top is no mapping.
    """
    return _parse(read_text(path), path.name)


@lru_cache(maxsize=64)
def _parse(source: str, name: str) -> Entry:
    """By content, not by time: an editor may keep the time of a file that it changes."""
    loader = _Loader(source)
    try:
        node = loader.get_single_node()
        found = _plain(node, name, loader) if node else Entry(name, 1)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise Invalid(f"{name} 第 {line} 行:格式有误,请检查缩进、冒号后的空格和引号") from error
    except yaml.YAMLError as error:
        raise Invalid(f"{name} 第 1 行:含有无法识别的字符,请另存为 UTF-8 文本") from error
    finally:
        loader.dispose()
    if not isinstance(found, Entry):
        raise Invalid(f"{name} 第 1 行:最外层应当是“名称: 内容”,请参照随产品提供的文件")
    return found


def _plain(node: Any, name: str, loader: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        entry = Entry(name, node.start_mark.line + 1)
        for key_node, value in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in entry:
                raise Invalid(f"{name} 第 {line} 行:{key} 写了两次,请合并成一处")
            entry.lines[key] = line
            entry[key] = _plain(value, name, loader)
        return entry
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, name, loader) for item in node.value]
    if node.tag == "tag:yaml.org,2002:str":
        return node.value
    return loader.construct_object(node)


def load_lexicon(folder: Path, complain: Complain) -> dict[str, dict[str, str]]:
    """Every class as word → meaning; a class may take in others as ``{name}``.

    Names with ``_`` in front are tables of another shape.
    """
    bodies: dict[str, Entry] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            _gather(document(path), bodies, complain)
        except Invalid as wrong:
            complain(wrong)
    if not bodies:
        complain(Invalid(f"{folder} 里没有词表,请恢复随产品提供的 lexicon 文件夹"))
    done: dict[str, dict[str, str]] = {}
    for name in bodies:
        try:
            _expand(name, bodies, done, ())
        except Invalid as wrong:
            complain(wrong)
    return done


def _gather(found: Entry, bodies: dict[str, Entry], complain: Complain) -> None:
    for name in found:
        other = bodies.setdefault(name, found)
        if other is not found:
            where = f"{other.file} 第 {other.lines[name]} 行"
            complain(found.broken(f"词类「{name}」在 {where} 已经有了,请合并成一处", name))


def _expand(
    name: str, bodies: dict[str, Entry], done: dict[str, dict[str, str]], above: tuple[str, ...]
) -> dict[str, str]:
    if name in done:
        return done[name]
    file = bodies[name]
    body = file[name]
    if name in above:
        raise file.broken(f"词类「{name}」绕回到了自己,请去掉里面的 {{{above[-1]}}}", name)
    entries: dict[str, str] = {}
    if name.startswith("_"):
        entries = _pairs(body, file, name)
    elif isinstance(body, Entry):
        for meaning, words in body.items():
            entries.update(dict.fromkeys(_words(words, file, name), meaning))
    else:
        for word in _words(body, file, name):
            if not word.startswith("{"):
                entries[word] = word
            elif word[1:-1] in bodies:
                entries.update(_expand(word[1:-1], bodies, done, (*above, name)))
            else:
                raise file.broken(f"「{name}」里的词类 {word} 没有定义,请改名或先写出它", name)
    if not entries:
        raise file.broken(f"词类「{name}」没有词,请写上或整行删去", name)
    done[name] = Entries(entries)
    return done[name]


def _pairs(body: Any, file: Entry, name: str) -> dict[str, str]:
    """Tables of another shape: 東东 pairs in a string, or meaning → words."""
    if isinstance(body, Entry):
        return {word: each for each, words in body.items() for word in _words(words, file, name)}
    return {pair[0]: pair[1] for pair in _words(body, file, name) if len(pair) == 2}


def _words(words: Any, file: Entry, name: str) -> list[str]:
    if isinstance(words, str):
        return words.split()
    if isinstance(words, list) and not any(isinstance(word, list | dict) for word in words):
        return [str(word) for word in words]
    raise file.broken(f"词类「{name}」里应当是用空格隔开的词,或“意思: 词 词”", name)
