"""The JSON interface keeps to its own description, whatever it is sent."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from madeup import TOKEN, open_branch, served
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
CALLS = (
    ("GET", "/api/customers"),
    ("GET", "/api/customers/{external_userid}"),
    ("POST", "/api/facts/{fact_id}"),
    ("GET", "/api/groups"),
    ("GET", "/api/groups/{chat_id}"),
    ("GET", "/api/pushes"),
    ("GET", "/api/escalations"),
    ("POST", "/api/escalations/{case_id}"),
    ("POST", "/api/escalations/{case_id}/extension"),
    ("POST", "/api/escalations/{case_id}/extension/decision"),
    ("GET", "/api/rights"),
    ("GET", "/api/rights/{request_id}"),
    ("POST", "/api/customers/{external_userid}/rights"),
    ("POST", "/api/rights/{request_id}/decision"),
    ("POST", "/api/rights/{request_id}"),
    ("GET", "/api/approvals"),
    ("POST", "/api/approvals/{version_id}"),
    ("GET", "/api/events"),
    ("GET", "/api/events/{event_id}/signups"),
    ("GET", "/api/audit"),
    ("GET", "/api/reports/{name}"),
)


@pytest.fixture(scope="module")
def described(
    filled_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[schemathesis.BaseSchema]:
    """The description, from a branch of this module's own: calls change it."""
    folder = tmp_path_factory.mktemp("described") / "store"
    shutil.copytree(filled_store, folder)
    branch = open_branch(folder)
    with served(branch) as address:
        yield schemathesis.openapi.from_url(f"{address}/openapi.json")
    branch.database.close()


def test_every_call_is_tried_here(described: schemathesis.BaseSchema) -> None:
    paths = described.raw_schema["paths"]
    assert {(method.upper(), path) for path in paths for method in paths[path]} == set(CALLS)


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_every_answer_is_as_described(
    described: schemathesis.BaseSchema, method: str, path: str
) -> None:
    @settings(
        max_examples=15,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=described[path][method].as_strategy())
    def answers(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"}, checks=CHECKS)

    answers()
