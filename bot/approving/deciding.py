"""Deciding: submitted, approved by others, sent back, revoked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.approving.ground import LACKS, Ground, found
from bot.errors import Invalid
from bot.permits import covers, read_version, requirement_of
from bot.store import approvals
from bot.store.db import Db, Row
from bot.store.sight import Viewer
from scheduler.approval import Vote, runs_out


@dataclass(frozen=True)
class Deciding(Ground):
    """What stands between a draft and its being used: people other than its author."""

    def waits_for(self, db: Db, who: Viewer) -> list[Row]:
        """What somebody could decide about now."""
        return [row for row in approvals.waiting(db) if not self.why_not(db, row, who)]

    def submit(self, who: Viewer, version_id: int) -> None:
        """Put a draft before its approvers; from now on it is locked.

        Raises:
            Invalid: What has to be done first.
        """
        self.need_author(who)

        def change(db: Db) -> None:
            row, now = found(approvals.version(db, version_id)), self.now()
            if row["status"] != "draft":
                raise Invalid("只有草稿可以提交审批")
            others = approvals.versions(db, row["name"])
            if any(each["status"] == "in_review" for each in others):
                raise Invalid("这份话术已有一版在审批,请等它结束")
            for lack in self.lacking(db, row, read_version(row)):
                raise Invalid(LACKS[lack])
            approvals.submit(db, version_id, who.userid, now)
            self.moved(db, who, "submit", row, now)

        self.database.write(change)

    def withdraw(self, who: Viewer, version_id: int) -> None:
        """Take a submission back, so that it can be changed."""
        self.need_author(who)

        def change(db: Db) -> None:
            row, now = found(approvals.version(db, version_id)), self.now()
            if row["status"] != "in_review":
                raise Invalid("只有审批中的版本可以撤回")
            self._cast(db, who, row, Vote.WITHDRAW, now)
            approvals.move(db, version_id, "draft", now)
            self.moved(db, who, "withdraw", row, now)

        self.database.write(change)

    # -- deciding

    def approve(
        self,
        who: Viewer,
        version_id: int,
        note: str = "",
        words: Iterable[str] = (),
        via: str = "console",
    ) -> None:
        """Approve in the first open duty that somebody may act in.

        Args:
            who: The approver.
            version_id: What is approved.
            note: What they have to say.
            words: Review words that they looked at in this text, one by one (K2).
            via: By what way the decision came.

        Raises:
            Invalid: They may not, or have not looked at every such word.
        """
        looked = tuple(words)

        def change(db: Db) -> None:
            row, now = found(approvals.version(db, version_id)), self.now()
            if why := self.why_not(db, row, who):
                raise Invalid(why)
            standing = self.standing(db, row)
            unseen = [word for word in standing.review if word not in looked]
            if unseen:
                raise Invalid(f"这份文字里有要逐词复核的说法,请确认看过:{'、'.join(unseen)}")
            duty = min(standing.open & self.duties_of(who))
            self._cast(db, who, row, Vote.APPROVE, now, note, duty, standing.review, via)
            if self.standing(db, row).valid:
                approvals.move(db, version_id, "approved", now)
            self.moved(db, who, "approve", row, now, duty=duty, note=note, via=via)

        self.database.write(change)

    def reject(self, who: Viewer, version_id: int, note: str, via: str = "console") -> None:
        """Send a version back to its author, with the reason.

        Raises:
            Invalid: No reason, or they may not.
        """

        def change(db: Db) -> None:
            row, now = found(approvals.version(db, version_id)), self.now()
            if why := self.why_not(db, row, who):
                raise Invalid(why)
            if not note.strip():
                raise Invalid("退回时请写明原因,方便起草人修改")
            self._cast(db, who, row, Vote.REJECT, now, note, via=via)
            approvals.move(db, version_id, "draft", now, note)
            self.moved(db, who, "reject", row, now, note=note, via=via)

        self.database.write(change)

    def revoke(self, who: Viewer, version_id: int, note: str, via: str = "console") -> None:
        """Take an approval back: what is under way stops, what members hold is called back (A4).

        Raises:
            Invalid: No reason, nothing to revoke, or they may not.
        """

        def change(db: Db) -> None:
            row, now = found(approvals.version(db, version_id)), self.now()
            if not self.duties_of(who):
                raise Invalid("您的角色不能撤销审批")
            if row["status"] not in {"approved", "active", "paused"}:
                raise Invalid("只有已批准或启用中的版本可以撤销审批")
            if not note.strip():
                raise Invalid("撤销审批请写明原因")
            self._cast(db, who, row, Vote.REVOKE, now, note, via=via)
            # Paused rather than retired, so that no other text goes out in its place.
            approvals.move(
                db, version_id, "draft" if row["status"] == "approved" else "paused", now, note
            )
            if row["status"] != "approved":
                self.call_back(db, row["name"], "approval", now)
            self.moved(db, who, "revoke", row, now, note=note, via=via)

        self.database.write(change)

    def _cast(
        self,
        db: Db,
        who: Viewer,
        row: Row,
        vote: Vote,
        now: int,
        note: str = "",
        duty: str = "",
        words: Iterable[str] = (),
        via: str = "console",
    ) -> None:
        campaign = read_version(row)
        required = requirement_of(self.rules, campaign)
        ends = None
        if vote is Vote.APPROVE and required is not None:
            ends = int(runs_out(self.clock.now(), required.valid_for).timestamp() * 1000)
        approvals.cast(
            db,
            row["id"],
            actor=who.userid,
            via=via,
            duty=duty,
            vote=vote,
            covers=covers(db, self.rules, campaign),
            note=note.strip(),
            words=words,
            now=now,
            expires_at=ends,
        )

    def why_not(self, db: Db, row: Row, who: Viewer) -> str:
        """Why somebody cannot decide about a version; "" when they can."""
        if row["status"] != "in_review":
            return "这一版不在审批中"
        if approvals.had_a_hand(db, row, who.userid):
            return "起草或提交过这份文字的人不能审批,请由另一位来办"
        standing = self.standing(db, row)
        if standing.required is None:
            return "没有对得上的审批规定,请在 approvals.yaml 补上"
        if who.userid in standing.approvers:
            return "您已经批过这一版,另一项职责要由另一位来批"
        if not standing.open & self.duties_of(who):
            return "您的角色不承担这一版还缺的审批职责"
        return ""
