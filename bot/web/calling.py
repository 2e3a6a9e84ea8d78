"""What the calls of the JSON interface have in common: who calls, errors, pages of lists."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Path, Query, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator

from bot.clock import written_day
from bot.model import Role
from bot.store import lists
from bot.store.db import Row
from bot.store.sight import Viewer
from bot.web.answers import ErrorAnswer, Paged
from bot.web.auth import services_of

T = TypeVar("T")
CALLER = Viewer("api", Role.ADMIN, sensitive=True)
"""Whoever holds the token: the bank's own systems, which answer for whom they show it to."""
_BIGGEST_ID = (1 << 63) - 1


# -- errors


class Problem(Exception):
    """An error of the interface."""

    def __init__(self, status: int, code: str, message: str, hint: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint


BROKEN = Problem(500, "broken", "服务内部出错", "稍后再试;反复出现请把时间告诉管理员查日志")
_GONE = "没有这一项"
PROBLEMS: Mapping[int, Problem] = {
    404: Problem(404, "not_found", _GONE, "核对地址和编号;接口清单见 /docs"),
    405: Problem(405, "method_not_allowed", "这个地址不支持该方法", "可用的方法见 /docs"),
    413: Problem(413, "too_large", "内容超过 1 MiB", "把内容分成几次提交"),
    503: Problem(503, "busy", "暂时无法读写", "几秒后再试"),
}


def problem_answer(error: Problem) -> JSONResponse:
    """The documented form of an error."""
    body = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
    headers = {"www-authenticate": "Bearer"} if error.status == 401 else None
    return JSONResponse(body, error.status, headers)


def invalid(errors: Sequence[Any]) -> Problem:
    """A request that breaks the description; names the places, never the values."""
    places = {".".join(str(part) for part in error["loc"]): _wrong(error) for error in errors}
    hint = ";".join(f"{place}: {message}" for place, message in places.items())
    return Problem(422, "invalid", "请求不符合接口说明", hint[:500])


_WRONG: Mapping[str, str] = {
    "missing": "没有写,请补上",
    "int_parsing": "应为整数",
    "int_type": "应为整数",
    "bool_parsing": "应为 true 或 false",
    "bool_type": "应为 true 或 false",
    "string_type": "应为文字",
    "string_too_long": "最多 {max_length} 个字",
    "string_too_short": "至少 {min_length} 个字",
    "string_pattern_mismatch": "应写成 2026-12-01 这样的日期",
    "greater_than_equal": "不能小于 {ge}",
    "less_than_equal": "不能大于 {le}",
    "literal_error": "应为 {expected} 之一",
    "enum": "应为 {expected} 之一",
    "list_type": "应为列表",
    "dict_type": "应为 JSON 对象",
    "model_type": "应为 JSON 对象",
    "model_attributes_type": "应为 JSON 对象,请求头写 Content-Type: application/json",
    "json_invalid": "不是有效的 JSON",
    "extra_forbidden": "没有这一项",
    "value_error": "有不能保存的字符",
}


def _wrong(error: Mapping[str, Any]) -> str:
    words = _WRONG.get(error["type"])
    if words is None:
        return str(error["msg"])
    return words.format(**error.get("ctx", {})).replace(" or ", "、").replace(", ", "、")


# -- who calls

_BEARER = HTTPBearer(auto_error=False, description="QUNGUAN_API_TOKEN")


def caller(
    request: Request,
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
) -> None:
    """Let a program with the token in.

    Raises:
        Problem: 403 while no token is set, 401 for a wrong one.
    """
    wanted = services_of(request).api_token
    if not wanted:
        raise Problem(403, "closed", "接口未开放", "设置 QUNGUAN_API_TOKEN 后重启即可开放")
    told = given.credentials if given else ""
    if not hmac.compare_digest(told.encode(), wanted.encode()):
        raise Problem(
            401, "unauthorized", "令牌不对或没有带", "请求头写 Authorization: Bearer <令牌>"
        )


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": text}
    for status, text in (
        (400, "The request cannot be read"),
        (401, "The token is wrong or missing"),
        (403, "The interface is closed"),
        (404, "There is no such thing"),
        (409, "It was done before"),
        (422, "The request breaks this description"),
    )
}
Cursor = Annotated[str, Query(max_length=200, description="next_cursor of the page before")]
Limit = Annotated[int, Query(ge=1, le=500)]
Slug = Annotated[str, Query(max_length=100)]
Day = Annotated[str, Query(max_length=10, pattern=r"^(\d{4}-\d{2}-\d{2})?$")]
Id = Annotated[int, Path(ge=1, le=_BIGGEST_ID)]
Name = Annotated[str, Path(max_length=100)]


def _storable(text: str) -> str:
    """JSON may hold half a character, which no store takes."""
    text.encode()
    return text


Text = Annotated[str, AfterValidator(_storable)]


# -- pages of lists


def paged(rows: list[Row], limit: int, key: str, items: list[T]) -> Paged[T]:
    """A page of a list that was asked for with one row more than its limit."""
    more = len(rows) > limit
    last = str(rows[limit - 1][key]) if more else ""
    cursor = base64.urlsafe_b64encode(last.encode()).decode().rstrip("=") if more else None
    return Paged(items=items, next_cursor=cursor)


def text_after(cursor: str) -> str:
    """The id that a cursor of ours stands for; "" for the beginning."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise _bad_cursor() from None


def id_before(cursor: str) -> int:
    """The same for lists that run backwards."""
    return number_after(cursor) or lists.LAST


def number_after(cursor: str) -> int:
    """The number that a cursor of ours stands for; 0 for the beginning."""
    written = text_after(cursor)
    if not written:
        return 0
    if not written.isascii() or not written.isdecimal() or int(written) > _BIGGEST_ID:
        raise _bad_cursor()
    return int(written)


def _bad_cursor() -> Problem:
    return Problem(400, "invalid", "cursor 无法识别", "原样使用上一页的 next_cursor,第一页不写")


def day_of(written: str) -> date | None:
    """A day, None for none."""
    day = written_day(written)
    if written and day is None:
        raise Problem(422, "invalid", "日期不存在", "请写成 2026-12-01,年份在 2000 到 2099 之间")
    return day


def known(row: Row | None) -> Row:
    """The row, or 404."""
    if row is None:
        raise PROBLEMS[404]
    return row
