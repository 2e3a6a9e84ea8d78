"""Who may be sent what, by the rules of the bank and nothing else.

Written from the duties alone and apart from the program: it imports nothing of it, keeps its own
record of what happened, and is asked by the property tests whether a message may go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

SERVICE, MARKETING, GREETING = "service", "marketing", "greeting"
HOURS = {
    SERVICE: (time(8, 0), time(21, 0)),
    MARKETING: (time(9, 0), time(20, 0)),
    GREETING: (time(8, 30), time(20, 0)),
}
NO_MARKETING_ON = {date(2026, 4, 5), date(2026, 12, 13), date(2027, 4, 5), date(2027, 12, 13)}
"""清明 and 国家公祭日 of the years that the histories touch."""
CAPS = ((1, 1), (7, 2), (30, 6))
"""(days, most): over all campaigns, wishes and marketing together."""
STOPS_MARKETING = {"complaint", "fraud"}


@dataclass
class Customer:
    """Everything that was ever said or done about somebody."""

    statements: list[tuple[datetime, bool, str]] = field(default_factory=list)
    born_in: int | None = None
    friend: bool = True
    erased: bool = False
    restricted: bool = False
    cases: dict[int, str] = field(default_factory=dict)
    deposit_open: bool = False
    got: list[date] = field(default_factory=list)

    def says(self, at: datetime, *, yes: bool, notice: str) -> None:
        """Their word about being written to, after reading a notice; said again it is the same."""
        if not any((at, yes) == said[:2] for said in self.statements):
            self.statements.append((at, yes, notice))

    def agrees(self, notice: str) -> bool:
        """The latest word counts; of two at one moment the no; no word is no.

        A yes to another notice than the one in force (none: "") is no.
        """
        if not self.statements:
            return False
        latest = max(at for at, _, _ in self.statements)
        said = [(yes, read) for at, yes, read in self.statements if at == latest]
        return all(yes and notice in {"", read} for yes, read in said)

    def is_surely_adult(self, on: date) -> bool:
        """Known by year alone, which may be a lunar one: it ends on 20 February at the latest."""
        return self.born_in is not None and on >= date(self.born_in + 19, 2, 20)

    def has_room(self, on: date) -> bool:
        """One more is within every cap."""
        return all(
            sum(timedelta(0) <= on - each < timedelta(days=days) for each in self.got) < most
            for days, most in CAPS
        )


@dataclass
class Oracle:
    """The branch as the rules see it."""

    branch: str
    customers: dict[str, Customer] = field(default_factory=dict)
    switched_off: set[str] = field(default_factory=set)
    approved: set[str] = field(default_factory=set)
    notice: str = ""

    def may_send(
        self, who: str, purpose: str, campaign: str, useful_until: datetime, at: datetime
    ) -> bool:
        """Whether this message may go at this moment (aware, Asia/Shanghai)."""
        customer = self.customers[who]
        off = {"bank", f"branch:{self.branch}", f"campaign:{campaign}"} & self.switched_off
        fits = customer.friend and not customer.erased and not customer.restricted
        if off or not fits or campaign not in self.approved:
            return False
        if at >= useful_until or not self._open(purpose, at):
            return False
        if purpose == SERVICE:
            return customer.deposit_open
        paused = STOPS_MARKETING & set(customer.cases.values())
        if paused or not customer.agrees(self.notice) or not customer.has_room(at.date()):
            return False
        return purpose == GREETING or customer.is_surely_adult(at.date())

    def sent(self, who: str, purpose: str, at: datetime) -> None:
        """It went: it counts from now on."""
        if purpose != SERVICE:
            self.customers[who].got.append(at.date())

    @staticmethod
    def _open(purpose: str, at: datetime) -> bool:
        first, last = HOURS[purpose]
        closed = purpose == MARKETING and at.date() in NO_MARKETING_ON
        return first <= at.timetz().replace(tzinfo=None) < last and not closed
