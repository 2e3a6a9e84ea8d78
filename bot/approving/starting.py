"""Starting and stopping: approved versions in force, paused, replaced, retired."""

from __future__ import annotations

from dataclasses import dataclass

from bot.approving.ground import LACKS, Ground, found
from bot.errors import Invalid
from bot.permits import permits_of, read_version
from bot.store import approvals
from bot.store.db import Db, Row
from bot.store.sight import Viewer
from scheduler.campaigns import Campaign

_NOT_VALID = {
    "no_policy": LACKS["policy"],
    "waiting": "审批还没有齐,不能启用",
    "changed": "批准之后文字、规则、时段或产品有变化,审批已失效;请另存一版重新提交",
    "expired": "审批已过期;请另存一版重新提交",
}


@dataclass(frozen=True)
class Starting(Ground):
    """What authors do with approved versions."""

    def activate(self, who: Viewer, version_id: int) -> None:
        """Let an approved version go out, in place of the one before.

        Raises:
            Invalid: What is missing: approval, policy, impact assessment (A3, T7).
        """
        self.need_author(who)

        def change(db: Db) -> None:
            row, now = found(approvals.version(db, version_id)), self.now()
            if row["status"] not in {"approved", "paused"}:
                raise Invalid("只有已批准或暂停的版本可以启用")
            standing = self.standing(db, row)
            if "assessment" in standing.lacks:
                raise Invalid(LACKS["assessment"])
            if not standing.valid:
                raise Invalid(_NOT_VALID.get(standing.why, _NOT_VALID["waiting"]))
            self._replace(db, row, now)
            approvals.move(db, version_id, "active", now)
            self.moved(db, who, "activate", row, now)

        self.database.write(change)

    def _replace(self, db: Db, row: Row, now: int) -> None:
        """What waits in the words before goes over, if the same people are meant."""
        before = permits_of(db, self.rules, self.clock.now()).get(row["name"])
        for each in approvals.versions(db, row["name"]):
            if each["status"] in approvals.IN_FORCE and each["id"] != row["id"]:
                approvals.move(db, each["id"], "retired", now, "superseded")
        if before is None or before.stamp == row["stamp"]:
            return
        if before.campaign is not None and _same_people(before.campaign, read_version(row)):
            approvals.carry_over(db, row["name"], before.stamp, row["stamp"])
        else:
            approvals.drop_waiting(db, row["name"], before.stamp, "superseded", now)
        self.call_back(db, row["name"], "superseded", now)

    def pause(self, who: Viewer, version_id: int, reason: str) -> None:
        """Stop for now: nothing more goes out, what members hold is called back."""
        self._end(who, version_id, "pause", "paused", reason, ("active",))

    def retire(self, who: Viewer, version_id: int, reason: str) -> None:
        """Stop for good; a shipped text of the same name is in force again."""
        self._end(who, version_id, "retire", "retired", reason, ("approved", "active", "paused"))

    def _end(
        self,
        who: Viewer,
        version_id: int,
        act: str,
        status: str,
        reason: str,
        allowed: tuple[str, ...],
    ) -> None:
        self.need_author(who)

        def change(db: Db) -> None:
            row, now = found(approvals.version(db, version_id)), self.now()
            if row["status"] not in allowed:
                raise Invalid("这一版现在的状态不能这样操作,请刷新后再看")
            approvals.move(db, version_id, status, now, reason)
            if row["status"] in approvals.IN_FORCE:
                self.call_back(db, row["name"], act, now)
                if status == "retired" and row["name"] not in self.rules.campaigns:
                    approvals.drop_waiting(db, row["name"], row["stamp"], "retired", now)
            self.moved(db, who, act, row, now, note=reason)

        self.database.write(change)


def _same_people(one: Campaign, other: Campaign) -> bool:
    """Whether two texts are for the same people on the same days by the same way."""
    return all(
        getattr(one, name) == getattr(other, name)
        for name in (
            "occasion",
            "audience",
            "exclude",
            "when",
            "steps",
            "purpose",
            "channel",
            "holdout",
        )
    )
