"""How complete ledgers are, and which of several candidates fills a field."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from backends import Place
from standing_story import VAULT, Story, story

from bot.model import Layer, Role
from bot.store import completeness, ledger
from bot.store.completeness import Coverage, FieldCandidate, Origin
from bot.store.sight import Viewer, visible_to

EVERYBODY = visible_to(Viewer("admin", Role.ADMIN))


@pytest.fixture
def branch(shared_place: Place) -> Iterator[Story]:
    with story(shared_place) as found:
        yield found


def fill(branch: Story, customer: str, assets: int, manager: str = "mazy") -> None:
    """All that the core system tells, and what talk tells beyond it."""
    branch.set(
        customer,
        core_id=f"core-{customer}",
        name="某甲",
        assets=assets,
        manager=manager,
        branch="城东支行",
        phone_hash="hash",
        phone_sealed=VAULT.seal_text("13800000000"),
        address_sealed=VAULT.seal_text("幸福路 1 号"),
        birthday_calendar="solar",
        birthday_month=5,
        birthday_day=1,
        birthday_from="import",
        occupation="教师",
        risk_level="C2",
    )
    branch.learn(customer, "family.elders", {"count": 2})
    branch.learn(customer, "interest.hobby", {"name": "钓鱼"})
    branch.learn(customer, "interest.concern", {"topic": "rate"})
    branch.settle()


def of(branch: Story, customer: str) -> completeness.Completeness:
    return completeness.of(branch.db, branch.rules.ledger, customer)


def known(branch: Story, field: str, *, sensitive: bool = True) -> list[FieldCandidate]:
    every = completeness.candidates(
        branch.db, VAULT, branch.rules.ledger, "wmAnna", sensitive=sensitive
    )
    return [each for each in every if each.field == field]


def test_a_full_ledger_is_complete_without_what_needs_a_consent_that_is_missing(
    branch: Story,
) -> None:
    fill(branch, "wmAnna", 600_000)
    assert of(branch, "wmAnna") == completeness.Completeness(100, 100, ())


def test_with_the_consent_other_banks_are_asked_for_too(branch: Story) -> None:
    fill(branch, "wmAnna", 600_000)
    branch.set("wmAnna", sensitive_ok=1)
    found = of(branch, "wmAnna")
    assert (found.percent, found.missing, found.reached) == (94, ("other_banks",), False)
    branch.learn("wmAnna", "holding.other_bank", {"bank": "工商银行"})
    assert of(branch, "wmAnna").percent == 100


def test_a_rejected_fact_fills_nothing(branch: Story) -> None:
    branch.know("wmAnna")
    fact = branch.learn("wmAnna", "interest.hobby", {"name": "钓鱼"})
    assert "likes" not in of(branch, "wmAnna").missing
    assert fact is not None
    ledger.correct(branch.db, fact, "rejected", "mazy")
    assert "likes" in of(branch, "wmAnna").missing


def test_managers_and_branches_are_told_who_reaches_the_target(branch: Story) -> None:
    fill(branch, "wmAnna", 600_000)
    fill(branch, "wmBert", 900_000)
    fill(branch, "wmCleo", 60_000, manager="chenxy")
    branch.set("wmBert", address_sealed=None)
    rules = branch.rules.ledger
    assert completeness.by_manager(branch.db, rules, EVERYBODY) == [
        Coverage("chenxy", Layer.MIDDLE, 1, 100, 70, 1),
        Coverage("mazy", Layer.HIGH, 2, 97, 100, 1),
    ]
    assert completeness.by_branch(branch.db, rules, EVERYBODY) == [
        Coverage("城东支行", Layer.HIGH, 2, 97, 100, 1),
        Coverage("城东支行", Layer.MIDDLE, 1, 100, 70, 1),
    ]


def test_only_customers_within_the_scope_are_counted(branch: Story) -> None:
    fill(branch, "wmAnna", 600_000)
    scope = visible_to(Viewer("qinlan", Role.MANAGER, "城西支行"))
    assert completeness.by_manager(branch.db, branch.rules.ledger, scope) == []


def test_core_counts_before_confirmed_before_newest_talk(branch: Story) -> None:
    branch.know("wmAnna")
    older = branch.learn("wmAnna", "work.occupation", {"group": "teacher"}, ago=9)
    assert older is not None
    ledger.correct(branch.db, older, "confirmed", "mazy")
    newer = branch.learn("wmAnna", "work.occupation", {"group": "farmer"}, ago=1)
    found = [(each.origin, each.fact_id, each.used) for each in known(branch, "work")]
    assert found == [(Origin.STAFF, older, True), (Origin.TALK, newer, False)]
    branch.set("wmAnna", occupation="医生", core_id="core-1")
    assert [(each.origin, each.used) for each in known(branch, "work")] == [
        (Origin.CORE, True),
        (Origin.STAFF, False),
        (Origin.TALK, False),
    ]


def test_each_of_many_hobbies_is_used(branch: Story) -> None:
    for hobby in ("钓鱼", "书法"):
        branch.learn("wmAnna", "interest.hobby", {"name": hobby})
    assert [each.used for each in known(branch, "likes")] == [True, True]


def test_a_candidate_says_which_fact_when_and_who(branch: Story) -> None:
    branch.know("wmAnna")
    fact = branch.learn("wmAnna", "person.birthday", {"calendar": "lunar", "month": 8, "day": 16})
    assert fact is not None
    ledger.correct(branch.db, fact, "confirmed", "mazy")
    row = ledger.fact_row(branch.db, fact)
    assert row is not None
    assert known(branch, "birthday") == [
        FieldCandidate(
            field="birthday",
            value={"calendar": "lunar", "month": 8, "day": 16},
            origin=Origin.STAFF,
            fact_id=fact,
            observed_at=row["observed_at"],
            by="mazy",
            used=True,
        )
    ]


def test_names_and_phones_of_strangers_to_the_core_system_come_from_wecom_and_staff(
    branch: Story,
) -> None:
    branch.set("wmAnna", name="昵称", phone_sealed=VAULT.seal_text("13800000000"))
    assert [each.origin for each in known(branch, "name")] == [Origin.WECOM]
    assert [(each.value, each.origin) for each in known(branch, "phone")] == [
        ("13800000000", Origin.STAFF)
    ]


def test_sensitive_facts_and_amounts_are_hidden_from_those_who_may_not_see_them(
    branch: Story,
) -> None:
    branch.learn("wmAnna", "holding.other_bank", {"bank": "工商银行", "amount": 200_000})
    branch.learn("wmAnna", "family.children", {"stage": "primary"})
    branch.learn("wmAnna", "family.elders", {"count": 2})
    assert len(known(branch, "other_banks")) == 1
    assert known(branch, "other_banks", sensitive=False) == []
    seen = [each.value for each in known(branch, "family", sensitive=False)]
    assert seen == [{"count": 2}]


def test_nothing_is_known_of_strangers_and_of_the_erased(branch: Story) -> None:
    branch.set("wmAnna", name="某甲", erased=1)
    rules = branch.rules.ledger
    for customer in ("wmAnna", "wmNobody"):
        assert completeness.candidates(branch.db, VAULT, rules, customer, sensitive=True) == []
        assert of(branch, customer).percent == 0
