"""Versions of campaigns and what people decided about them; rows are added, texts never changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from bot.store.db import Db, Row

IN_FORCE = ("active", "paused")
"""States in which a version stands in place of the file of its name."""

_NEWEST_FIRST = "SELECT * FROM campaign_version WHERE name = :name ORDER BY version DESC"
_WAITING = "SELECT * FROM campaign_version WHERE status = 'in_review' ORDER BY submitted_at, id"
_SUBMITTED = """
SELECT * FROM campaign_version WHERE submitted_at IS NOT NULL AND id < :before {more}
ORDER BY id DESC LIMIT :limit
"""


# -- versions


def add_version(
    db: Db,
    *,
    name: str,
    version: int,
    source: str,
    stamp: str,
    words_hash: str,
    author: str,
    now: int,
) -> int:
    """Keep a new version as a draft; its id."""
    return db.insert(
        "INSERT INTO campaign_version (name, version, source, stamp, words_hash, author,"
        " created_at, changed_at) VALUES (:name, :version, :source, :stamp, :words, :author,"
        " :now, :now)",
        name=name,
        version=version,
        source=source,
        stamp=stamp,
        words=words_hash,
        author=author,
        now=now,
    )


def version(db: Db, version_id: int) -> Row | None:
    """One version by id."""
    return db.one("SELECT * FROM campaign_version WHERE id = :id", id=version_id)


def numbered(db: Db, name: str, number: int) -> Row | None:
    """One version by name and number."""
    return db.one(
        "SELECT * FROM campaign_version WHERE name = :name AND version = :number",
        name=name,
        number=number,
    )


def versions(db: Db, name: str) -> list[Row]:
    """Every version of a campaign, newest first."""
    return db.rows(_NEWEST_FIRST, name=name)


def names(db: Db) -> list[str]:
    """Every campaign that was ever written in the console."""
    return [row[0] for row in db.rows("SELECT DISTINCT name FROM campaign_version ORDER BY name")]


def in_force(db: Db) -> list[Row]:
    """The versions that stand in place of files, one a name at most."""
    return db.rows("SELECT * FROM campaign_version WHERE status IN ('active', 'paused')")


def waiting(db: Db) -> list[Row]:
    """What waits for a decision, longest first."""
    return db.rows(_WAITING)


def submitted(db: Db, status: str, *, before: int, limit: int) -> list[Row]:
    """Everything that was ever submitted, newest first; "" for any status."""
    more = "AND status = :status" if status else ""
    asked = {"status": status} if status else {}
    return db.rows(_SUBMITTED.format(more=more), before=before, limit=limit, **asked)


def move(db: Db, version_id: int, status: str, now: int, reason: str = "") -> None:
    """Change a version's status."""
    db.run(
        "UPDATE campaign_version SET status = :status, reason = :reason, changed_at = :now"
        " WHERE id = :id",
        status=status,
        reason=reason,
        now=now,
        id=version_id,
    )


def submit(db: Db, version_id: int, submitter: str, now: int) -> None:
    """Lock a draft and put it before its approvers."""
    db.run(
        "UPDATE campaign_version SET status = 'in_review', submitter = :by, submitted_at = :now,"
        " changed_at = :now, reason = '' WHERE id = :id",
        by=submitter,
        now=now,
        id=version_id,
    )


def had_a_hand(db: Db, row: Row, person: str) -> bool:
    """Whether somebody wrote or submitted these words, in this version or an earlier one."""
    return bool(
        db.value(
            "SELECT 1 FROM campaign_version WHERE name = :name AND words_hash = :words"
            " AND (author = :person OR submitter = :person)",
            name=row["name"],
            words=row["words_hash"],
            person=person,
        )
    )


# -- decisions


def cast(
    db: Db,
    version_id: int,
    *,
    actor: str,
    via: str,
    duty: str,
    vote: str,
    covers: str,
    note: str,
    words: Iterable[str],
    now: int,
    expires_at: int | None,
) -> int:
    """Add one person's decision; its id."""
    return db.insert(
        "INSERT INTO approval (version_id, at, actor, via, duty, vote, covers, words, note,"
        " expires_at) VALUES (:version, :now, :actor, :via, :duty, :vote, :covers, :words, :note,"
        " :expires)",
        version=version_id,
        now=now,
        actor=actor,
        via=via,
        duty=duty,
        vote=vote,
        covers=covers,
        words=json.dumps(list(words), ensure_ascii=False),
        note=note,
        expires=expires_at,
    )


def decisions(db: Db, version_id: int) -> list[Row]:
    """What was decided about a version, oldest first."""
    return db.rows("SELECT * FROM approval WHERE version_id = :id ORDER BY id", id=version_id)


def recent_decisions(db: Db, limit: int = 100) -> list[Row]:
    """The newest decisions with what they were about."""
    return db.rows(
        "SELECT a.*, v.name, v.version FROM approval a JOIN campaign_version v"
        " ON v.id = a.version_id ORDER BY a.id DESC LIMIT :limit",
        limit=limit,
    )


# -- what must be there before


def keep_dry_run(
    db: Db,
    version_id: int,
    *,
    actor: str,
    on_day: str,
    covers: str,
    counts: Mapping[str, Any],
    digest: str,
    now: int,
) -> int:
    """Record that a dry run was made, and what it found."""
    return db.insert(
        "INSERT INTO dry_run (version_id, at, actor, on_day, covers, counts, digest)"
        " VALUES (:version, :now, :actor, :on, :covers, :counts, :digest)",
        version=version_id,
        now=now,
        actor=actor,
        on=on_day,
        covers=covers,
        counts=json.dumps(counts, ensure_ascii=False, sort_keys=True),
        digest=digest,
    )


def last_dry_run(db: Db, version_id: int) -> Row | None:
    """The newest dry run of a version."""
    return db.one(
        "SELECT * FROM dry_run WHERE version_id = :id ORDER BY id DESC LIMIT 1", id=version_id
    )


def keep_assessment(
    db: Db, campaign: str, covers: str, actor: str, answers: Mapping[str, str], now: int
) -> int:
    """Record an impact assessment."""
    return db.insert(
        "INSERT INTO impact_assessment (campaign, covers, at, actor, answers)"
        " VALUES (:campaign, :covers, :now, :actor, :answers)",
        campaign=campaign,
        covers=covers,
        now=now,
        actor=actor,
        answers=json.dumps(answers, ensure_ascii=False),
    )


def assessment(db: Db, campaign: str, covers: str) -> Row | None:
    """The newest assessment of a campaign's way to choose people, as it is now."""
    return db.one(
        "SELECT * FROM impact_assessment WHERE campaign = :campaign AND covers = :covers"
        " ORDER BY id DESC LIMIT 1",
        campaign=campaign,
        covers=covers,
    )


# -- what is under way


def carry_over(db: Db, campaign: str, old: str, new: str) -> int:
    """Have what waits go out in the words of another version; the number of pushes."""
    return db.run(
        "UPDATE push SET version = :new WHERE campaign = :campaign AND version = :old"
        " AND status IN ('planned', 'held', 'ready', 'tasked')",
        campaign=campaign,
        old=old,
        new=new,
    )


def drop_waiting(db: Db, campaign: str, old: str, reason: str, now: int) -> int:
    """Drop what waits in the words of a version; the number of pushes."""
    return db.run(
        "UPDATE push SET status = 'dropped', reason = :reason, rules = '[\"G6\"]',"
        " changed_at = :now WHERE campaign = :campaign AND version = :old"
        " AND status IN ('planned', 'held', 'ready')",
        campaign=campaign,
        old=old,
        reason=reason,
        now=now,
    )


def open_tasks(db: Db, campaign: str) -> list[int]:
    """The tasks of a campaign that a member may still confirm."""
    rows = db.rows(
        "SELECT id FROM send_task WHERE campaign = :campaign"
        " AND status IN ('waiting', 'calling', 'accepted', 'uncertain') ORDER BY id",
        campaign=campaign,
    )
    return [row["id"] for row in rows]
