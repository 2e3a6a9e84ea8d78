"""Passwords and codes typed into a chat: gone before anything is stored. Pure.

Each sign is replaced by one ``GAP``, so that places in the text stay where they were. The words
are no setting: a branch must not be able to keep what nobody may keep.
"""

from __future__ import annotations

import json
import re
from typing import Any

GAP = "█"
_SHORTEST = 3
_WORDS = (
    "密码|密碼|口令|安全码|安全碼|取款码|pin码|验证码|驗證碼|动态码|动态密码|校验码"
    "|校驗碼|短信码|短信验证码|后三位"
)
_LATIN = "cvv2?|cvc2?|mima|yzm"
_NAMES = f"{_WORDS}|{_LATIN}"
_LINK = (
    r"(?:[是为為:\uff1a=\s,\uff0c\"'\u201c\u201d]"
    "|就是|改成|改为|设成|设的|给你|发你|告诉你|后面|一共|这个|哦|呢|啊|哈)"
)
_SIGNS = r"[0-9A-Za-z\uff10-\uff19@#$%!.*&_-]"
# One id of WeCom's in three hundred has such letters in it somewhere; an id is no secret.
_NAMED = rf"(?:{_WORDS}|(?<![0-9A-Za-z_-])(?:{_LATIN})(?!{_SIGNS}{{21}}))"
_HINT = re.compile(rf"{_NAMES}|\\u[0-9a-f]{{4}}", re.IGNORECASE)
_HINT_BYTES = re.compile(_NAMES.encode(), re.IGNORECASE)
_SECRET = re.compile(
    rf"{_NAMED}{_LINK}{{0,6}}(?P<after>{_SIGNS}{{3,}}(?:\s?\d{{2,4}}){{0,3}})"
    rf"|(?<![0-9A-Za-z])(?P<before>\d{{4,8}})\s?(?:是|就是)?(?:我的?|这次的?|刚才的?)?(?:{_NAMES})",
    re.IGNORECASE,
)


def drop_credentials(text: str) -> str:
    """The text with every sign of a password or code replaced."""
    if _HINT.search(text) is None:
        return text
    return _SECRET.sub(_blank, text)


def drop_from_item(item: Any) -> Any:
    """The same for every text of a JSON value; JSON inside a string is opened."""
    if isinstance(item, dict):
        return {key: drop_from_item(value) for key, value in item.items()}
    if isinstance(item, list):
        return [drop_from_item(value) for value in item]
    return _drop_from_text(item) if isinstance(item, str) else item


def drop_from_json(raw: str) -> str:
    """The same for JSON text; what holds none comes back as it was, and so does what is no JSON."""
    if _HINT.search(raw) is None:
        return raw
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return drop_credentials(raw)
    clean = drop_from_item(found)
    return raw if clean == found else json.dumps(clean, ensure_ascii=False)


def drop_from_callback(content: bytes) -> bytes:
    """The same for the decrypted content of a callback; 1 µs when there is no such word."""
    if _HINT_BYTES.search(content) is None:
        return content
    try:
        return drop_credentials(content.decode()).encode()
    except UnicodeDecodeError:
        return content


def had_credentials(text: str) -> bool:
    """Whether something was dropped from a text."""
    return GAP * _SHORTEST in text


def _drop_from_text(text: str) -> str:
    return drop_from_json(text) if text[:1] in {"{", "["} else drop_credentials(text)


def _blank(found: re.Match[str]) -> str:
    name = "after" if found["after"] else "before"
    start, end = found.span(name)
    text = found.string
    return text[found.start() : start] + GAP * (end - start) + text[end : found.end()]
