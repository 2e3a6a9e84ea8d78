"""Links that we sign: pages of one customer, the day and the sign-in of one employee."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from bot.clock import Clock, today
from bot.vault import Vault

_LOGIN_MS = 10 * 60 * 1000


@dataclass(frozen=True)
class OutLinks:
    """``/out/{token}``: opens for one customer, for ever, and shows nothing about them."""

    public_url: str
    vault: Vault

    def of(self, customer: str) -> str:
        """The link, or "" when the bot has no public address."""
        return f"{self.public_url}/out/{self.token(customer)}" if self.public_url else ""

    def token(self, customer: str) -> str:
        """The last part of the link."""
        return f"{customer}.{self.vault.sign(f'out:{customer}')}"

    def customer(self, token: str) -> str | None:
        """Whom a token opens the page for; None when it is not ours."""
        customer, _, signature = token.rpartition(".")
        good = customer and self.vault.signed(f"out:{customer}", signature)
        return customer if good else None


@dataclass(frozen=True)
class EventLinks:
    """``/event/{token}``: one customer's own page of one event."""

    public_url: str
    vault: Vault

    def of(self, event_id: int, customer: str) -> str:
        """The link, or "" when the bot has no public address."""
        text = f"{event_id}.{customer}"
        token = f"{text}.{self.vault.sign(f'event:{text}')}"
        return f"{self.public_url}/event/{token}" if self.public_url else ""

    def opens(self, token: str) -> tuple[int, str] | None:
        """The event and the customer that a token is for; None when it is not ours."""
        text, _, signature = token.rpartition(".")
        number, _, customer = text.partition(".")
        good = customer and number.isdecimal() and self.vault.signed(f"event:{text}", signature)
        return (int(number), customer) if good else None


@dataclass(frozen=True)
class DayLinks:
    """``/day/{token}``: one employee's list of one day, until midnight."""

    public_url: str
    vault: Vault
    clock: Clock

    def of(self, userid: str, day: date) -> str:
        """The link."""
        return f"{self.public_url}/day/{self.token(userid, day)}"

    def token(self, userid: str, day: date) -> str:
        """The last part of the link."""
        text = f"{userid}.{day:%Y%m%d}"
        return f"{text}.{self.vault.sign(f'day:{text}')}"

    def opens(self, token: str) -> str | None:
        """Whose list a token opens; None when it is not ours or its day has passed."""
        text, _, signature = token.rpartition(".")
        userid, _, day = text.rpartition(".")
        good = userid and self.vault.signed(f"day:{text}", signature)
        return userid if good and day == f"{today(self.clock):%Y%m%d}" else None

    def form_token(self, token: str) -> str:
        """What every form on the page behind a link carries."""
        return self.vault.sign(f"day-form:{token}")


@dataclass(frozen=True)
class LoginLinks:
    """``/login?token=``: signs one employee in within ten minutes."""

    public_url: str
    vault: Vault
    clock: Clock

    def of(self, userid: str, *, lasting: bool = False) -> str:
        """The link; a ``lasting`` one (for the demo) does not run out."""
        until = 0 if lasting else int(self.clock.now().timestamp() * 1000) + _LOGIN_MS
        text = f"{userid}.{until}"
        return f"{self.public_url}/login?token={text}.{self.vault.sign(f'login:{text}')}"

    def userid(self, token: str) -> str | None:
        """Who signs in with a token; None when it is not ours or too old."""
        text, _, signature = token.rpartition(".")
        userid, _, until = text.rpartition(".")
        if not userid or not until.isdecimal():
            return None
        if not self.vault.signed(f"login:{text}", signature):
            return None
        moment = int(until)
        fresh = not moment or self.clock.now().timestamp() * 1000 <= moment
        return userid if fresh else None
