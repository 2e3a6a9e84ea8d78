"""The cards of cases: every kind can be sent, whatever is known of the customer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from branch_world import Branch, build_branch

from bot.actions import SendCard
from bot.clock import FixedClock
from bot.errands.staff import Desk
from bot.links import LoginLinks
from bot.model import ChatId, ExternalUserId, UserId
from bot.rulebook import Rulebook
from bot.store import cases
from bot.store.db import Database
from bot.vault import Vault
from bot.wecom import WeComClient

MESSAGES = Path(__file__).parents[2] / "templates" / "messages"
KINDS = sorted(
    file.stem.removeprefix("card_")
    for file in MESSAGES.glob("card_*.md")
    if file.stem != "card_overdue"  # of any kind
)

TOPICS = {
    "interest": "large_cd",
    "advice": "wealth",
    "complaint": "queue",
    "churn": "transfer_out",
    "postloan": "2026-12-01",
}


class App:
    """Takes cards."""

    def __init__(self) -> None:
        self.cards: list[Any] = []

    def message_send(self, card: Any, **_: Any) -> None:
        self.cards.append(card)


@pytest.fixture
def branch(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Branch:
    found = build_branch(store, vault, clock, rules)
    found.meet("wm_a", layer="high", name="周小芳")
    return found


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("overdue", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_case_has_a_card_that_can_be_sent_though_nothing_was_heard(
    branch: Branch, kind: str, *, overdue: bool, told: bool
) -> None:
    topic = TOPICS.get(kind, "") if told or kind == "postloan" else ""
    app = App()
    desk = Desk(
        branch.store,
        branch.vault,
        branch.clock,
        branch.rules,
        cast("WeComClient", app),
        LoginLinks("https://bank.example", branch.vault, branch.clock),
    )
    case_id = branch.store.write(
        lambda db: cases.open_case(
            db,
            kind=kind,
            topic=topic,
            customer=ExternalUserId("wm_a"),
            chat_id=ChatId(""),
            branch="东山支行",
            assignee=UserId("lin"),
            fact_id=None,
            at=branch.now,
            deadline=branch.now + 3_600_000,
            quiet_since=0,
        )
    )
    assert case_id is not None
    assert desk.send_card(SendCard(case_id, UserId("lin"), overdue=overdue)) is not None
    (card,) = app.cards
    shown = str(card.content)
    assert "周小芳" in shown
    assert "高端" in shown or kind not in {"layer_up", "silent_important"} or overdue
