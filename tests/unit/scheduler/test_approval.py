"""Approval policies: who must approve what, what an approval covers, and when it holds."""

# the names carry the ids of the compliance rules

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.clock import SHANGHAI
from bot.errors import Invalid
from bot.model import Purpose, Role
from scheduler.approval import (
    RISKY,
    ApprovalRules,
    Cast,
    Duty,
    Requirement,
    State,
    Vote,
    cover_of,
    is_profiling,
    load_approvals,
    runs_out,
    stamp_of,
    state_of,
)
from scheduler.audience import Audience
from scheduler.campaigns import Campaign, parse_campaign

ROOT = Path(__file__).parents[3]
FILE = ROOT / "config" / "approvals.yaml"
RULES = load_approvals(FILE)
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=SHANGHAI).astimezone(UTC)
LEGAL_ALONE = Requirement(frozenset({Duty.LEGAL}), timedelta(days=180), ("greeting",))
BOTH = Requirement(frozenset({Duty.LEGAL, Duty.PRODUCT}), timedelta(days=30), ("risky",))


@pytest.fixture
def birthday() -> Campaign:
    file = ROOT / "templates" / "campaigns" / "birthday.md"
    return parse_campaign(file.read_text(encoding="utf-8"), file.name)


def vote(
    vote: Vote = Vote.APPROVE,
    duty: Duty = Duty.LEGAL,
    covers: str = "now",
    days: int = 1,
    number: int = 1,
) -> Cast:
    return Cast(number, f"p{number}", duty, vote, covers, NOON + timedelta(days=days))


def state(required: Requirement | None, casts: Iterable[Cast]) -> State:
    return state_of(required, list(casts), "now", NOON)


def edited(tmp_path: Path, old: str, new: str) -> ApprovalRules:
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    copy = tmp_path / "approvals.yaml"
    copy.write_text(text.replace(old, new, 1), encoding="utf-8")
    return load_approvals(copy)


# -- who must approve


@pytest.mark.parametrize("product", sorted(RISKY))
def test_A1_wealth_funds_insurance_and_loans_need_product_and_legal(product: str) -> None:
    required = RULES.required(Purpose.MARKETING, {product})
    assert required is not None
    assert {Duty.PRODUCT, Duty.LEGAL} <= required.duties


def test_A1_a_text_about_several_products_needs_what_each_of_them_needs() -> None:
    required = RULES.required(Purpose.MARKETING, {"time_deposit", "wealth"})
    assert required is not None
    assert required.duties == frozenset(Duty)


def test_A1_the_file_cannot_take_a_risky_product_from_product_and_legal(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"第 \d+ 行.*product 和 legal"):
        edited(tmp_path, "duties: [product, legal]", "duties: [legal]")


def test_A1_an_administrator_approves_nothing() -> None:
    assert RULES.duties_of(Role.ADMIN) == frozenset()
    assert RULES.duties_of(Role.COMPLIANCE) == {Duty.LEGAL}
    assert RULES.duties_of(Role.CITY) == {Duty.PRODUCT, Duty.BRANCH}


@pytest.mark.parametrize(
    ("purpose", "products"), [(Purpose.SERVICE, {"wealth"}), (Purpose.MARKETING, {"lottery"})]
)
def test_A3_without_a_policy_nothing_is_required_because_nothing_is_allowed(
    purpose: Purpose, products: set[str]
) -> None:
    assert RULES.required(purpose, products) is None
    assert state(None, [vote()]) == State(valid=False, why="no_policy")


# -- what an approval covers


@pytest.mark.parametrize(
    "change",
    [
        {"campaign": {"text_hash": "another"}},
        {"words_hash": "another"},
        {"audience": "merchant 2"},
        {"schedule": {"window": "09:00"}},
        {"products": {"P1": "2027-1"}},
    ],
)
def test_A2_any_change_of_template_variables_audience_schedule_or_product_is_another_cover(
    birthday: Campaign, change: dict[str, Any]
) -> None:
    given: dict[str, Any] = {
        "words_hash": "words",
        "audience": "everyone",
        "schedule": {"window": "08:30"},
        "products": {"P1": "2026-1"},
    }
    campaign = replace(birthday, **change.pop("campaign", {}))
    assert cover_of(birthday, **given) != cover_of(campaign, **(given | change))
    assert cover_of(birthday, **given) == cover_of(birthday, **given)


def test_A2_an_approval_of_something_else_does_not_count() -> None:
    found = state(LEGAL_ALONE, [vote(covers="before")])
    assert (found.valid, found.why, found.open) == (False, "changed", {Duty.LEGAL})


def test_G6_a_stamp_names_exactly_one_version_and_text(birthday: Campaign) -> None:
    stamps = {
        stamp_of(each)
        for each in (birthday, replace(birthday, version=2), replace(birthday, text_hash="x" * 64))
    }
    assert len(stamps) == 3


# -- when it holds


def test_A1_every_duty_must_have_approved() -> None:
    half = state(BOTH, [vote()])
    assert (half.valid, half.why, half.open) == (False, "waiting", {Duty.PRODUCT})
    whole = state(BOTH, [vote(), vote(duty=Duty.PRODUCT, number=2, days=3)])
    assert (whole.valid, whole.until) == (True, NOON + timedelta(days=1))


@pytest.mark.parametrize("against", [Vote.REJECT, Vote.WITHDRAW, Vote.REVOKE])
def test_A4_a_decision_against_ends_every_approval_before_it(against: Vote) -> None:
    assert not state(LEGAL_ALONE, [vote(), vote(against, number=2)]).valid
    assert state(LEGAL_ALONE, [vote(against, number=2), vote(number=3)]).valid


def test_A4_an_approval_ends_with_a_midnight_in_shanghai_and_never_lasts_longer() -> None:
    late = datetime(2026, 11, 24, 23, 59, tzinfo=SHANGHAI)
    ends = runs_out(late, timedelta(days=30))
    assert ends == datetime(2026, 12, 24, 0, 0, tzinfo=SHANGHAI)
    cast = Cast(1, "p", Duty.LEGAL, Vote.APPROVE, "now", ends)
    second = timedelta(seconds=1)
    assert state_of(LEGAL_ALONE, [cast], "now", ends - second).valid
    assert state_of(LEGAL_ALONE, [cast], "now", ends).why == "expired"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("duties: [branch, legal]\n    valid_for: 30天", "duties: [legal]\n    valid_for: 31天"),
        ("valid_for: 180天", "valid_for: 181天"),
        ("valid_for: 180天", "valid_for: 30分钟"),
    ],
)
def test_A4_the_file_may_shorten_an_approval_and_never_lengthen_it(
    tmp_path: Path, old: str, new: str
) -> None:
    with pytest.raises(Invalid, match="有效期"):
        edited(tmp_path, old, new)
    assert edited(tmp_path, "valid_for: 180天", "valid_for: 90天").policies


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("authors: [head, city, compliance, admin]", "authors: [boss]", "owner"),
        ("authors: [head, city, compliance, admin]", "authors: []", "至少写一个角色"),
        ("legal: [compliance]       # 合规、法律", "legal: []", "至少写一个角色"),
        ("products: [none]", "products: [nothing]", "none"),
        ("purposes: [service]", "purposes: []", "至少一项"),
        ("purposes: [service]", "purpose: [service]", "purposes"),
    ],
)
def test_a_mistake_in_the_file_is_answered_with_what_to_write(
    tmp_path: Path, old: str, new: str, word: str
) -> None:
    with pytest.raises(Invalid, match=word):
        edited(tmp_path, old, new)


# -- people


def test_T7_choosing_by_a_segment_is_profiling_and_everyone_is_not(birthday: Campaign) -> None:
    assert not is_profiling(birthday)
    assert is_profiling(replace(birthday, audience=Audience({"segment": ("merchant",)})))
