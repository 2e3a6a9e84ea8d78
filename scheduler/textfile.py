"""The form of every text file: YAML between two ``---`` lines, then the words. Pure."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from bot.yamlfile import Place, Scalar, Section, parse_section, read_text

_SLUG = re.compile(r"[a-z][a-z0-9_]{0,39}")


class TextFile(NamedTuple):
    """A file taken apart: front matter, words, the line on which they begin, SHA-256 of all."""

    head: Section
    words: str
    place: Place
    digest: str


def read_name(head: Section, file: str) -> str:
    """The name, which must be the file's, so that nobody looks for it twice.

    Raises:
        Invalid: It is another.
    """
    value, stem = head.value("name"), file.removesuffix(".md")
    if read_slug(value) != stem:
        raise value.wrong(f"name 要和文件名一致,请填 {stem}")
    return value.written


def read_slug(value: Scalar) -> str:
    """A name in lower-case letters, digits and underscores.

    Raises:
        Invalid: It has other characters.
    """
    if not _SLUG.fullmatch(value.written):
        raise value.wrong(f"{value.written!r} 只能用小写字母、数字和下划线")
    return value.written


def read_file(path: Path) -> TextFile:
    """Take a text file apart.

    Raises:
        Invalid: It is not in this form, with the file, the line and the fix.
    """
    return parse_file(read_text(path), path.name)


def parse_file(source: str, file: str) -> TextFile:
    """Take the text of a file apart; ``file`` is its name, for errors.

    Raises:
        Invalid: It is not in this form, with the file, the line and the fix.
    """
    opening, _, rest = source.partition("\n")
    front, mark, words = rest.partition("\n---\n")
    if opening.rstrip() != "---" or not mark:
        raise Place(file, 1).wrong("文件要以 --- 开头,写完各项后再用一行 --- 隔开话术")
    begins = front.count("\n") + 4 + len(words) - len(words.lstrip("\n"))
    words = words.strip("\n").rstrip()
    if not words:
        raise Place(file, begins).wrong("没有话术,请在第二个 --- 后面写上")
    head = parse_section(front, file, above=1)
    return TextFile(head, words, Place(file, begins), digest_of(source))


def digest_of(source: str) -> str:
    """SHA-256 of a text file; the line ends were normalised when it was read."""
    return hashlib.sha256(source.encode()).hexdigest()
