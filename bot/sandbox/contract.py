"""The strictness of the API: every call's parameters, checked from ``contract.json`` alone."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from bot.sandbox.records import Fields

_MISSING = {
    "corpid": 41002,
    "corpsecret": 41004,
    "media_id": 41006,
    "media": 44001,
    "userid": 41009,
    "agentid": 41011,
    "title": 41016,
    "description": 41033,
    "external_userid": 41035,
}
# Where the platform has a code of its own for "too long" or "too many".
_OVER = {
    "text.content": 45002,
    "markdown.content": 45002,
    "touser": 40032,
    "attachments": 41064,
    "news.articles": 45008,
    "msgmenu.list": 95008,
    "tag[].name": 40072,
    "name": 40072,
    "media": 45001,
    "user": 41041,
}
_ENUM = {"msgtype": 40008, "attachments[].msgtype": 41065}
# Limits that the platform answers with a cut or a default instead of an error.
_LENIENT = {
    ("get_groupmsg_list_v2", "limit"),
    ("add_join_way", "remark"),
    ("message_send", "text.content"),
}
_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\u[0-9a-fA-F]{4}")
_QUERY_EXTRAS = {"access_token", "debug"}


class ApiError(Exception):
    """A reply with an ``errcode``; ``fields`` are added to it."""

    def __init__(self, errcode: int, reason: str = "", fields: Fields | None = None) -> None:
        super().__init__(f"{errcode} {reason}")
        self.errcode = errcode
        self.reason = reason
        self.fields = fields or {}


@dataclass
class Parameter:
    """One parameter and what is inside it."""

    kind: str = "object"
    required: bool = False
    max: int | None = None
    unit: str | None = None
    enum: list[Any] | None = None
    declared: bool = False
    children: dict[str, Parameter] = field(default_factory=dict)


@dataclass
class CallSpec:
    """One call of the API."""

    id: str
    method: str
    path: str
    auth: str
    secret: str
    query: Parameter
    body: Parameter
    multipart: Parameter
    sample_request: Fields | None
    sample_response: Fields

    def empty_fields(self) -> Fields:
        """The arrays that a failed reply still carries, empty."""
        return {key: [] for key, value in self.sample_response.items() if isinstance(value, list)}


@cache
def calls() -> dict[str, CallSpec]:
    """All calls by path."""
    text = (Path(__file__).parent / "contract.json").read_text(encoding="utf-8")
    specs = [_read_call(entry) for entry in json.loads(text)["calls"]]
    return {spec.path: spec for spec in specs}


def call_named(call_id: str) -> CallSpec:
    """One call by its id in the contract."""
    return next(spec for spec in calls().values() if spec.id == call_id)


def _read_call(entry: Fields) -> CallSpec:
    roots = {where: Parameter() for where in ("query", "body", "multipart")}
    for one in entry["params"]:
        _place(roots[one["in"]], one)
    if "msgtype" not in roots["body"].children:
        _require_implied(roots["body"])
    return CallSpec(
        entry["id"],
        entry["method"],
        entry["path"],
        entry["auth"],
        entry["secret"],
        roots["query"],
        roots["body"],
        roots["multipart"],
        entry.get("sample_request"),
        entry["sample_response"],
    )


def _place(root: Parameter, one: Fields) -> None:
    """Hang ``a.b[].c`` into the tree; names on the way that nobody declared are objects."""
    node = root
    for part in one["name"].split("."):
        name = part.removesuffix("[]")
        kind = "object[]" if part.endswith("[]") else "object"
        if name not in node.children:
            node.children[name] = Parameter(kind)
        node = node.children[name]
    node.kind, node.declared = one["type"], True
    node.required, node.max, node.unit = one.get("required", False), one.get("max"), one.get("unit")
    node.enum = one.get("enum")


def _require_implied(root: Parameter) -> None:
    """An object nobody declared is required when something in it is (``calendar.summary``)."""
    for child in root.children.values():
        if not child.declared and child.kind == "object":
            child.required = any(inner.required for inner in child.children.values())


def parse_body(raw: bytes) -> Fields:
    """Read a JSON body as strictly as the platform: real UTF-8, no escapes, an object."""
    try:
        text = raw.decode("utf-8")
        if _ESCAPE.search(text):
            raise ApiError(40033, "body contains \\uxxxx escapes, send UTF-8")
        body = json.loads(text) if text.strip() else {}
    except ValueError as wrong:
        raise ApiError(40058, "body is not JSON in UTF-8") from wrong
    if not isinstance(body, dict):
        raise ApiError(40058, "body is not a JSON object")
    return body


def check_query(spec: CallSpec, query: dict[str, str]) -> Fields:
    """Check and convert the query string (without the token)."""
    wanted = {key: value for key, value in query.items() if key not in _QUERY_EXTRAS}
    if spec.auth == "webhook_key" and "key" not in wanted:
        raise ApiError(93000, "key missing")
    converted: Fields = {}
    for name, value in wanted.items():
        node = spec.query.children.get(name)
        number = node is not None and node.kind == "int" and value.lstrip("-").isdigit()
        converted[name] = int(value) if number else value
    _object(spec.id, spec.query, converted, "")
    return converted


def check_body(spec: CallSpec, body: Fields) -> None:
    """Check a JSON body against the contract.

    Raises:
        ApiError: The first thing that is wrong, with the platform's own code where it has one.
    """
    _object(spec.id, spec.body, body, "")
    if "msgtype" in spec.body.children and "attachments" not in spec.body.children:
        _matching(body, str(body["msgtype"]))
    attachments = body.get("attachments") or []
    for item in attachments if "attachments" in spec.body.children else []:
        _attachment(item)


def _matching(body: Fields, msgtype: str) -> None:
    inner = body.get(msgtype)
    if not isinstance(inner, dict):
        raise ApiError(44004 if msgtype == "text" else 40063, f"{msgtype} missing")
    if msgtype in ("text", "markdown") and not inner.get("content"):
        raise ApiError(44004, "content empty")


def _attachment(item: Fields) -> None:
    msgtype = item.get("msgtype", item.get("type"))
    inner = item.get(str(msgtype))
    if not isinstance(inner, dict):
        raise ApiError(41065, f"attachment without its {msgtype} body")
    if msgtype == "image" and not (inner.get("media_id") or inner.get("pic_url")):
        raise ApiError(41006, "image needs media_id or pic_url")


def _object(call: str, node: Parameter, value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise ApiError(40035, f"{path} should be an object")
    if (path and not node.children) or "*" in node.children:
        return
    for name, child in node.children.items():
        inner = f"{path}{name}"
        given = value.get(name)
        empty = given is None or given in ("", [])
        if empty and child.required:
            raise ApiError(_MISSING.get(name, 40063), f"{inner} missing")
        if empty and name in value:
            _shape(call, child, given, inner)
        elif not empty:
            _value(call, child, given, inner)
    for name in value:
        if name not in node.children:
            raise ApiError(40058, f"unknown parameter {path}{name}")


def _value(call: str, node: Parameter, value: Any, path: str) -> None:
    _shape(call, node, value, path)
    if node.enum is not None and value not in node.enum:
        raise ApiError(_ENUM.get(path, 40058), f"{path} is not one of the allowed values")
    if node.max is not None and (call, path) not in _LENIENT and _size(node, value) > node.max:
        raise ApiError(_OVER.get(path, 40058), f"{path} over the limit {node.max} {node.unit}")


def _shape(call: str, node: Parameter, value: Any, path: str) -> None:
    if node.kind.endswith("[]"):
        _list(call, node, value, path)
    elif node.kind == "object":
        _object(call, node, value, f"{path}.")
    else:
        _scalar(node.kind, value, path)


def _list(call: str, node: Parameter, value: Any, path: str) -> None:
    if not isinstance(value, list):
        raise ApiError(40035, f"{path} should be an array")
    for item in value:
        if node.kind == "object[]":
            _object(call, node, item, f"{path}[].")
        else:
            _scalar(node.kind.removesuffix("[]"), item, f"{path}[]")


def _scalar(kind: str, value: Any, path: str) -> None:
    fits = {
        "string": isinstance(value, str),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "bool": isinstance(value, bool),
    }
    if not fits.get(kind, True):
        raise ApiError(40035, f"{path} should be {kind}")


def _size(node: Parameter, value: Any) -> int:
    """How big a value is in its parameter's unit."""
    if node.unit == "bytes":
        return len(value.encode()) if isinstance(value, str) else 0
    if node.unit == "joined":
        return len(str(value).split("|"))
    if node.unit == "value":
        return int(value)
    return len(value)
