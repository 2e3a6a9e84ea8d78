"""Drafting: texts saved as versions, dry runs, impact assessments."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from bot.approving.ground import Ground, found
from bot.errors import Invalid
from bot.permits import audience_rule, covers, read_version
from bot.store import approvals, journal
from bot.store.db import Db, Row
from bot.store.sight import Viewer
from scheduler.approval import audience_cover, stamp_of
from scheduler.campaigns import Campaign

QUESTIONS = ("purpose", "data", "need", "risks", "safeguards")
"""What an impact assessment answers (个人信息保护法 55-56)."""
_NAME = re.compile(r"^name:[ \t]*([a-z][a-z0-9_]{0,39})[ \t]*$", re.MULTILINE)
_VERSION = re.compile(r"^version:.*$", re.MULTILINE)
_LINE = re.compile(r"第 (\d+) 行")
_LONGEST_SOURCE = 20_000


class Trial(Protocol):
    """Planning and judging a campaign as if it were approved, without any effect."""

    def run(self, campaign: Campaign, on: date) -> list[dict[str, Any]]:
        """What a day would bring: one entry a customer and step."""
        ...


@dataclass(frozen=True)
class Drafting(Ground):
    """What authors do before anything is submitted."""

    trial: Trial

    def save(self, who: Viewer, source: str) -> Row:
        """Keep a text as the next version of the campaign that it names.

        Raises:
            Invalid: With the line and the fix, or why this cannot be saved now.
        """
        self.need_author(who)
        source = source.replace("\r\n", "\n").strip("\n") + "\n"
        if len(source) > _LONGEST_SOURCE:
            raise Invalid(f"话术太长,请缩到 {_LONGEST_SOURCE} 字以内")
        named = _NAME.search(source)
        name = named[1] if named else "campaign"
        self._check(source, name)
        return self.database.write(lambda db: self._save(db, who, name, source))

    def _check(self, source: str, name: str) -> None:
        self.rules.parse(source, f"{name}.md")

    def _save(self, db: Db, who: Viewer, name: str, source: str) -> Row:
        kept, now = approvals.versions(db, name), self.now()
        if any(each["status"] == "in_review" for each in kept):
            raise Invalid("这份话术正在审批,先锁定;请等审批结束,或由提交人撤回后再改")
        number = max([each["version"] for each in kept] + [self._file_version(name)]) + 1
        numbered = _VERSION.sub(f"version: {number}", source, count=1)
        campaign = self.rules.parse(numbered, f"{name}.md")
        version_id = approvals.add_version(
            db,
            name=name,
            version=number,
            source=numbered,
            stamp=stamp_of(campaign),
            words_hash=_words_hash(source),
            author=who.userid,
            now=now,
        )
        row = found(approvals.version(db, version_id))
        self.note(db, who, "save", None, row, now)
        return row

    def _file_version(self, name: str) -> int:
        shipped = self.rules.campaigns.get(name)
        return shipped.version if shipped else 0

    def again(self, who: Viewer, version_id: int) -> Row:
        """Save an older version anew, to go back to it; it is approved like any other."""
        return self.save(who, self.row(version_id)["source"])

    # -- before the approval

    def try_out(self, who: Viewer, version_id: int, on: date) -> list[dict[str, Any]]:
        """A dry run of any day (A5): everybody who would get it, or not and why.

        Nothing but the fact that it was made is kept.
        """
        self.need_author(who)
        campaign = read_version(self.row(version_id))
        entries = self.trial.run(campaign, on)
        told = sorted((e["external_userid"], e["decision"], e["rules"]) for e in entries)
        self.database.write(
            lambda db: approvals.keep_dry_run(
                db,
                version_id,
                actor=who.userid,
                on_day=on.isoformat(),
                covers=covers(db, self.rules, campaign),
                counts=_counts(entries),
                digest=hashlib.sha256(json.dumps(told).encode()).hexdigest(),
                now=self.now(),
            )
        )
        return entries

    def assess(self, who: Viewer, campaign: Campaign, answers: Mapping[str, str]) -> None:
        """Record an impact assessment of choosing people by what is known of them (T7).

        Raises:
            Invalid: A question has no answer.
        """
        self.need_author(who)
        told = {each: " ".join(answers.get(each, "").split()) for each in QUESTIONS}
        if not all(told.values()):
            raise Invalid("影响评估的每一项都要填写,没有影响也请写明理由")
        about = audience_cover(campaign, audience_rule(self.rules, campaign))

        def keep(db: Db) -> None:
            now = self.now()
            kept = approvals.keep_assessment(db, campaign.name, about, who.userid, told, now)
            after = approvals.assessment(db, campaign.name, about)
            subject = f"campaign:{campaign.name}"
            journal.audit(
                db, who.userid, "campaign_assess", subject, now, after=after, assessment=kept
            )

        self.database.write(keep)


def line_of(wrong: Invalid) -> int:
    """The line that an error of a text points at; 0 when it points at none."""
    at = _LINE.search(str(wrong))
    return int(at[1]) if at else 0


def _words_hash(source: str) -> str:
    return hashlib.sha256(_VERSION.sub("", source, count=1).encode()).hexdigest()


def _counts(entries: list[dict[str, Any]]) -> dict[str, int]:
    """How many by decision, and by rule of those that would not go."""
    found = {"send": 0, "hold": 0, "drop": 0}
    for each in entries:
        found[each["decision"]] += 1
        for rule in each["rules"]:
            found[rule] = found.get(rule, 0) + 1
    return found
