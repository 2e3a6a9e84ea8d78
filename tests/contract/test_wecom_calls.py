"""Every call, field by field, against the contract; one pair of samples for each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from wecom_cases import (
    SAMPLES,
    cases,
    sample,
)
from wecom_stub import Asked, Stub, serving

from bot.wecom import (
    Secrets,
    WeComClient,
    customers,
    greetings,
    kf,
    mass_sends,
    messages,
    moments,
    robots,
    staff,
)
from bot.wecom.door import Call

CONTRACT = {
    entry["path"]: entry
    for entry in json.loads((SAMPLES / "contract.json").read_text(encoding="utf-8"))["endpoints"]
}
SECRETS = {
    "app": "agent",
    "customer_contact_app": "contact",
    "kf_app": "kf",
    "archive": "archive",
    "webhook": None,
}
CALLS = [
    value
    for module in (staff, customers, greetings, mass_sends, moments, messages, kf, robots)
    for value in vars(module).values()
    if isinstance(value, Call)
]
WALKERS = {"customers_of", "group_chats"}  # they only repeat calls that are tested here
NOT_CALLS = {"close", "recall_sent", *WALKERS}
CASES = cases()
BY_ID = {entry["id"]: entry for entry in CONTRACT.values()}


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with serving() as one:
        yield one


@pytest.fixture
def client(stub: Stub) -> Iterator[WeComClient]:
    secrets = Secrets("AGENT", "CONTACT", "KF", "ARCHIVE")
    one = WeComClient(stub.url, "ww0000000000000000", 1000002, secrets)
    stub.asked.clear()
    yield one
    one.close()


def test_each_public_method_has_a_case_and_each_case_its_samples() -> None:
    methods = {name for name in dir(WeComClient) if not name.startswith("_")} - NOT_CALLS
    files = {file.name for file in (SAMPLES / "api").glob("*.json")}
    wanted = {
        f"{case.name.replace('/', '.')}.{kind}.json"
        for case in CASES.values()
        for kind in ("request", "response")
    }
    assert methods == set(CASES)
    assert wanted == files


def test_each_declared_call_is_used_and_agrees_with_the_contract() -> None:
    ours = {call.path: (call.method, call.secret, call.repeat) for call in CALLS}
    theirs = {
        path: (CONTRACT[path]["method"], SECRETS[CONTRACT[path]["secret"]], CONTRACT[path]["retry"])
        for path in ours
    }
    assert {f"/cgi-bin/{case.name}" for case in CASES.values()} == set(ours)
    assert theirs == ours


@pytest.mark.parametrize("method", sorted(CASES))
def test_a_call_sends_its_sample_request_and_reads_its_sample_response(
    method: str, stub: Stub, client: WeComClient
) -> None:
    case = CASES[method]
    stub.say(case.name, sample(case.name, "response"))
    result = case.make(client)
    (asked,) = stub.heard(case.name)
    assert sample(case.name, "request") == _said(asked)
    assert case.result == result


@pytest.mark.parametrize("method", sorted(CASES))
def test_a_call_keeps_to_the_fields_of_the_contract(
    method: str, stub: Stub, client: WeComClient
) -> None:
    case = CASES[method]
    stub.say(case.name, sample(case.name, "response"))
    case.make(client)
    (asked,) = stub.heard(case.name)
    entry = CONTRACT[asked.path]
    assert entry["method"] == asked.method
    secret = SECRETS[entry["secret"]]
    assert asked.token.startswith(f"token-{secret.upper()}-" if secret else "")
    assert bool(asked.token) == bool(secret)
    assert list(_violations(entry, asked)) == []


def _said(asked: Asked) -> Any:
    """A request as its sample has it: the JSON body, else the query, and a file by its name."""
    if asked.content_type.startswith("multipart/"):
        head, _, rest = asked.body.decode().partition("\r\n\r\n")
        name = re.search(r'name="media"; filename="([^"]+)"', head)
        kind = re.search(r"Content-Type: (\S+)", head)
        assert name is not None
        assert kind is not None
        media = {
            "filename": name[1],
            "content_type": kind[1],
            "content": rest.partition("\r\n")[0],
        }
        return {**asked.query, "media": media}
    return asked.json if asked.body else asked.query


# Fields that the pages show and the contract's table does not list, by call.
SHOWN_ONLY = {
    "attachments[].msgtype",  # in the note of "attachments"
    "tag[].name",  # in the note of "tag"
}
TYPES: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "string[]": lambda value: isinstance(value, list) and all(isinstance(v, str) for v in value),
    "int[]": lambda value: isinstance(value, list) and all(isinstance(v, int) for v in value),
    "object[]": lambda value: isinstance(value, list) and all(isinstance(v, dict) for v in value),
}


def _violations(entry: Mapping[str, Any], asked: Asked) -> Iterator[str]:
    """What the request has and the contract does not allow, and what is missing."""
    params = {param["name"]: param for param in entry["params"] if param["name"] != "access_token"}
    fields = dict(_fields(asked.json if asked.content_type == "application/json" else {}))
    for name in asked.query:
        if params.get(name, {}).get("in") != "query":
            yield f"unknown in the query: {name}"
    for name, values in fields.items():
        if name in params:
            yield from _misfits(params[name], values)
        elif name not in SHOWN_ONLY and not any(known.startswith(f"{name}.") for known in params):
            yield f"unknown in the body: {name}"
    sent = {*asked.query, *fields, *(["media"] if "multipart" in asked.content_type else [])}
    yield from _missing(params, sent)


def _misfits(param: Mapping[str, Any], values: list[Any]) -> Iterator[str]:
    if param["in"] != "body":
        yield f"not for the body: {param['name']}"
    for value in values:
        if not TYPES[param["type"]](value):
            yield f"{param['name']} is no {param['type']}"
        if value not in param.get("enum", [value]):
            yield f"{param['name']} is none of {param['enum']}"


def _missing(params: Mapping[str, Mapping[str, Any]], sent: set[str]) -> Iterator[str]:
    for name, param in params.items():
        parent = name.rpartition(".")[0].removesuffix("[]")
        if param["required"] and name not in sent and (not parent or parent in sent):
            yield f"missing: {name}"


def _fields(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Every field by its contract name (``attachments[].link.title``) with all its values."""
    found: dict[str, list[Any]] = {}
    for key, inner in value.items():
        name = above + key
        found.setdefault(name, []).append(inner)
        rows = inner if isinstance(inner, list) else [inner]
        for row in rows:
            if isinstance(row, dict):
                prefix = f"{name}[]." if isinstance(inner, list) else f"{name}."
                for deep, values in _fields(row, prefix):
                    found.setdefault(deep, []).extend(values)
    yield from found.items()
