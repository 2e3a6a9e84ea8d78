"""What the pages and the JSON interface are handed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.actions import CloseCase, Refuse
from bot.approving import Approving
from bot.clock import Clock
from bot.errands.staff import Desk
from bot.facts import Fact
from bot.links import EventLinks, LoginLinks, OutLinks
from bot.model import ArchivedMessage
from bot.rulebook import Rulebook
from bot.store.db import Database, Db
from bot.vault import Vault
from bot.wecom import WeComClient
from scheduler.campaigns import Campaign

PUBLIC_WECOM = "https://qyapi.weixin.qq.com"


@dataclass(frozen=True)
class Services:
    """The parts of a running bot that people look at.

    Attributes:
        api_token: Bearer token of the JSON interface; "" means closed.
        act: Applies a change as a handler's would be, durably, with everything it causes.
        metrics: The text of ``/metrics``.
        learned: Lets the handlers hear of a fact, by its id, that a person vouches for.
        plan: What would be sent on a day: one entry a customer and occasion.
        approving: What people do with campaigns.
        preview: A campaign's words for one customer, and what the gate would say.
        rule_trouble: Why changed rules were not taken over; empty when they were.
        corp_id: With ``agent_id`` the app that employees sign in through; "" hides that way.
        wecom_base_url: Where the sign-in of a private edition or the sandbox lives too.
        templates_dir: Holds ``console/``, the pages.
    """

    database: Database
    vault: Vault
    clock: Clock
    rules: Rulebook
    wecom: WeComClient
    desk: Desk
    out_links: OutLinks
    event_links: EventLinks
    login_links: LoginLinks
    api_token: str
    act: Callable[[Refuse | CloseCase], None]
    refresh: Callable[[str], None]
    metrics: Callable[[], str]
    plan: Callable[[str], list[dict[str, Any]]]
    approving: Approving
    preview: Callable[[Campaign, str], dict[str, Any]]
    learned: Callable[[Db, ArchivedMessage, Fact, int], None]
    rule_trouble: Callable[[], tuple[str, ...]] = tuple
    corp_id: str = ""
    agent_id: int = 0
    wecom_base_url: str = PUBLIC_WECOM
    templates_dir: Path = Path(__file__).resolve().parents[2] / "templates"
