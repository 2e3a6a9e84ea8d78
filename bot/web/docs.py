"""``/docs``: the description of the JSON interface as a plain page, without anybody's CDN."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

router = APIRouter(include_in_schema=False)
ABOUT = (
    "The JSON interface of Qunguan. Every call needs `Authorization: Bearer <QUNGUAN_API_TOKEN>`;"
    " lists are paged by `cursor` and `limit`; errors are"
    ' `{"error": {"code", "message", "hint"}}`.'
)


@router.get("/docs")
def describe(request: Request) -> Response:
    """Every call and every shape, read from ``/openapi.json``."""
    described = request.app.openapi()
    calls = [
        {"method": method.upper(), "path": path, **call}
        for path, methods in described["paths"].items()
        for method, call in methods.items()
    ]
    shapes = described["components"]["schemas"]
    answer: Response = request.app.state.pages.bare(
        "docs.html", about=ABOUT, calls=calls, shapes=shapes, told=_told, answer=_answer
    )
    return answer


def _told(schema: dict[str, Any]) -> str:
    """A schema in a few words: ``integer``, ``FactAnswer[]``, ``string | null``."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for joint in ("anyOf", "oneOf", "allOf"):
        if joint in schema:
            return " | ".join(_told(each) for each in schema[joint])
    if "enum" in schema:
        return " | ".join(str(each) for each in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"{_told(schema.get('items', {}))}[]"
    return str(schema.get("type", "any"))


def _answer(call: dict[str, Any]) -> str:
    """What a call answers when all is well."""
    content = call["responses"].get("200", {}).get("content", {})
    return _told(content.get("application/json", {}).get("schema", {}))
