"""What every act upon a campaign stands on: who may, how a version stands, and the trail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot import outbox
from bot.clock import Clock, today
from bot.errors import Invalid
from bot.offering import listed, tailored
from bot.permits import approval_state, covers, lacks_assessment, read_version, requirement_of
from bot.rulebook import Rulebook
from bot.store import approvals, journal, pushes
from bot.store.db import Database, Db, Row
from bot.store.sight import Viewer
from scheduler.approval import Duty, Requirement
from scheduler.campaigns import Campaign

LACKS = {
    "dry_run": "提交前请先试发一次:看清会发给谁、谁不发和原因。文字或规则改过,要再试一次",
    "assessment": "这份话术按客户特征选人,请先登记个人信息保护影响评估",
    "policy": "approvals.yaml 里没有对得上这份话术用途和产品类别的审批规定,不能提交",
    "products": "话术里的产品不在产品表里、类别对不上,或今天不在售;请核对代码,或重新导入产品表",
    "tailored": "产品清单里同一产品(类别、发行方、期限、登记编码、起点相同)另有一种利率或费用,"
    "按标签、分群选人的话术不能用:价格不得因人的标签而不同(规则 T5)",
    "offers": "异业权益表里今天没有这一类还有余量的权益;请核对 offer 写的类别,或重新导入权益表",
}
"""What has to be done before a version is submitted, in words."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A version with everything that decides about it now.

    Attributes:
        campaign: None when an upgrade made the rules stricter than this text is.
        required: None when no policy fits.
        open: Duties that nobody has fulfilled yet.
        review: Words that a second person must look at by name.
        approvers: Who approved what is there now; one person counts once.
        lacks: What keeps it from being submitted: ``dry_run``, ``assessment``, ``policy``.
    """

    row: Row
    campaign: Campaign | None
    required: Requirement | None
    valid: bool
    why: str
    open: frozenset[Duty]
    until: datetime | None
    approvers: frozenset[str]
    review: tuple[str, ...]
    lacks: tuple[str, ...]


@dataclass(frozen=True)
class Ground:
    """The parts that the acts share; each act is one transaction with its audit row."""

    database: Database
    clock: Clock
    rules: Rulebook

    def may_author(self, who: Viewer) -> bool:
        """Whether somebody may draft, submit, start and stop."""
        return who.role in self.rules.approvals.authors

    def may_approve(self, who: Viewer) -> bool:
        """Whether somebody may approve anything at all."""
        return bool(self.duties_of(who))

    def duties_of(self, who: Viewer) -> frozenset[Duty]:
        """As what somebody may approve; the bank's own system, by the interface, as anything."""
        if who.sensitive:
            return frozenset(Duty)
        return self.rules.approvals.duties_of(who.role)

    def standing(self, db: Db, row: Row) -> Standing:
        """A version as it stands at this moment."""
        try:
            campaign = read_version(row)
        except Invalid:
            return Standing(
                row=row,
                campaign=None,
                required=None,
                valid=False,
                why="unreadable",
                open=frozenset(),
                until=None,
                approvers=frozenset(),
                review=(),
                lacks=(),
            )
        state = approval_state(db, self.rules, row, campaign, self.clock.now())
        return Standing(
            row=row,
            campaign=campaign,
            required=requirement_of(self.rules, campaign),
            valid=state.valid,
            why=state.why,
            open=state.open,
            until=state.until,
            approvers=frozenset(each.actor for each in state.counted.values()),
            review=self.rules.to_review(campaign, campaign.words),
            lacks=tuple(self.lacking(db, row, campaign)),
        )

    def lacking(self, db: Db, row: Row, campaign: Campaign) -> Iterable[str]:
        """What has to be done before a version is submitted, by slug."""
        tried = approvals.last_dry_run(db, row["id"])
        if tried is None or tried["covers"] != covers(db, self.rules, campaign):
            yield "dry_run"
        if lacks_assessment(db, self.rules, campaign):
            yield "assessment"
        if requirement_of(self.rules, campaign) is None:
            yield "policy"
        if not listed(db, campaign, today(self.clock)):
            yield "offers" if campaign.offer else "products"
        if tailored(db, campaign, today(self.clock)):
            yield "tailored"

    def need_author(self, who: Viewer) -> None:
        """Stop whoever may not write.

        Raises:
            Invalid: Their role is none of the authors'.
        """
        if not self.may_author(who):
            raise Invalid("您的角色不能起草或启停话术")

    def row(self, version_id: int) -> Row:
        """One version.

        Raises:
            Invalid: There is none.
        """
        return found(approvals.version(self.database.read(), version_id))

    def moved(self, db: Db, who: Viewer, act: str, before: Row, now: int, **why: Any) -> None:
        """Put into the trail what became of a version."""
        after = found(approvals.version(db, before["id"]))
        self.note(db, who, act, before, after, now, **why)

    def note(
        self, db: Db, who: Viewer, act: str, before: Row | None, after: Row, now: int, **why: Any
    ) -> None:
        """Put an act into the audit trail and on the live page."""
        journal.audit(
            db,
            who.userid,
            f"campaign_{act}",
            f"campaign:{after['name']}:{after['version']}",
            now,
            before=before,
            after=after,
            **{key: value for key, value in why.items() if value},
        )
        journal.note(
            db,
            "campaign_moved",
            now,
            userid=who.userid,
            ref=after["id"],
            act=act,
            campaign=after["name"],
            version=after["version"],
        )

    def now(self) -> int:
        """This moment in epoch milliseconds."""
        return int(self.clock.now().timestamp() * 1000)

    @staticmethod
    def call_back(db: Db, name: str, cause: str, now: int) -> None:
        """Call back what members have not confirmed yet, by the usual errand."""
        for task_id in approvals.open_tasks(db, name):
            outbox.add(db, pushes.cancellation(task_id, cause), now)


def found(row: Row | None) -> Row:
    """The version that must be there.

    Raises:
        Invalid: It is not.
    """
    if row is None:
        raise Invalid("没有这一版话术")
    return row
