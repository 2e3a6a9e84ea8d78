"""What customers ask of us about their data: each with a clock, an owner, a history and a proof."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.model import Role
from bot.store.db import Db, Row
from bot.store.sight import Viewer, visible_to

WAITING, OPEN, DONE, REFUSED, ENDED = "waiting", "open", "done", "refused", "ended"
_RUNNING = "('waiting', 'open')"
_WIDE = frozenset({Role.CITY, Role.COMPLIANCE, Role.ADMIN})
_WRITTEN = (
    "external_userid kind purpose via branch asked_on due_on words_sealed opened_at opened_by owner"
    " status approved_at approved_by closed_at closed_by note_sealed proof"
)
_COLUMNS = _WRITTEN.split()
_ADD = (
    f"INSERT INTO rights_request ({', '.join(_COLUMNS)})"
    f" VALUES ({', '.join(':' + name for name in _COLUMNS)})"
)
_EMPTY: dict[str, Any] = dict.fromkeys(_COLUMNS, "") | dict.fromkeys(
    ("words_sealed", "approved_at", "closed_at", "note_sealed"), None
)
_SEEN = """
SELECT r.* FROM rights_request r LEFT JOIN customer c ON c.external_userid = r.external_userid
WHERE (:me IN (r.owner, r.raised_to, r.opened_by, r.approved_by) OR ({scope})) {more}
"""


def add(db: Db, **values: Any) -> int:
    """Keep a request; its id."""
    return db.insert(_ADD, **(_EMPTY | values))


def request(db: Db, who: Viewer, request_id: int) -> Row | None:
    """One request; None when there is none or the viewer may not know."""
    rows = _seen(db, who, "AND r.id = :id", id=request_id)
    return rows[0] if rows else None


def running(db: Db, who: Viewer, limit: int = 200) -> list[Row]:
    """Requests that are not closed, the most pressing first."""
    more = f"AND r.status IN {_RUNNING} ORDER BY r.due_on, r.id LIMIT :limit"
    return _seen(db, who, more, limit=limit)


def closed(db: Db, who: Viewer, limit: int = 200) -> list[Row]:
    """Requests that are closed, the last one first."""
    more = f"AND r.status NOT IN {_RUNNING} ORDER BY r.closed_at DESC, r.id DESC LIMIT :limit"
    return _seen(db, who, more, limit=limit)


def of_customer(db: Db, who: Viewer, external_userid: str) -> list[Row]:
    """What one customer has asked for, the newest first."""
    return _seen(db, who, "AND r.external_userid = :id ORDER BY r.id DESC", id=external_userid)


def listed(db: Db, who: Viewer, wanted: Mapping[str, str], *, before: int, limit: int) -> list[Row]:
    """Requests, the newest first; keys of ``wanted``: ``status``, ``kind``, ``external_userid``."""
    columns = ("status", "kind", "external_userid")
    asked = {each: wanted[each] for each in columns if wanted.get(each)}
    more = "".join(f" AND r.{each} = :{each}" for each in asked)
    more = f"AND r.id < :before{more} ORDER BY r.id DESC LIMIT :limit"
    return _seen(db, who, more, before=before, limit=limit, **asked)


def _seen(db: Db, who: Viewer, more: str, **values: Any) -> list[Row]:
    scope = visible_to(who)
    where = "1 = 1" if who.role in _WIDE else f"c.external_userid IS NOT NULL AND {scope.where}"
    return db.rows(_SEEN.format(scope=where, more=more), me=who.userid, **scope.values, **values)


def is_running(db: Db, external_userid: str, kind: str) -> bool:
    """Whether the same was asked for and is not closed yet."""
    return bool(
        db.value(
            "SELECT 1 FROM rights_request WHERE external_userid = :id AND kind = :kind"
            " AND status IN ('waiting', 'open')",
            id=external_userid,
            kind=kind,
        )
    )


def approve(db: Db, request_id: int, by: str, now: int) -> bool:
    """A second person agrees; False when somebody decided before."""
    return bool(
        db.run(
            "UPDATE rights_request SET status = 'open', approved_at = :now, approved_by = :by"
            " WHERE id = :id AND status = 'waiting'",
            by=by,
            now=now,
            id=request_id,
        )
    )


def close(
    db: Db, request_id: int, status: str, by: str, now: int, note_sealed: bytes | None, proof: str
) -> bool:
    """End a request; False when it was closed before. An empty proof keeps what there is."""
    return bool(
        db.run(
            "UPDATE rights_request SET status = :status, closed_at = :now, closed_by = :by,"
            " note_sealed = :note, proof = coalesce(nullif(:proof, ''), proof)"
            " WHERE id = :id AND status IN ('waiting', 'open')",
            status=status,
            now=now,
            by=by,
            note=note_sealed,
            proof=proof,
            id=request_id,
        )
    )


def keep_proof(db: Db, request_id: int, proof: str) -> None:
    """The hash of the file that was made last."""
    db.run("UPDATE rights_request SET proof = :proof WHERE id = :id", proof=proof, id=request_id)


def overdue(db: Db, today: str) -> list[Row]:
    """Requests past their day of which nobody above was told."""
    return db.rows(
        "SELECT * FROM rights_request WHERE status IN ('waiting', 'open') AND raised_at IS NULL"
        " AND due_on < :today ORDER BY due_on, id",
        today=today,
    )


def mark_raised(db: Db, request_id: int, to: str, now: int) -> None:
    """Somebody above was told, once."""
    db.run(
        "UPDATE rights_request SET raised_at = :now, raised_to = :to WHERE id = :id",
        now=now,
        to=to,
        id=request_id,
    )


def forget(db: Db, external_userid: str, mark: str, now: int) -> None:
    """Somebody is erased: what they asked for ends, and nothing tells who it was."""
    for row in db.rows(
        "SELECT id FROM rights_request WHERE external_userid = :id"
        " AND status IN ('waiting', 'open')",
        id=external_userid,
    ):
        close(db, row["id"], ENDED, "erase", now, None, "")
        add_step(db, row["id"], "erase", ENDED, now)
    db.run(
        "UPDATE rights_request SET external_userid = :mark, words_sealed = NULL,"
        " note_sealed = NULL WHERE external_userid = :id",
        mark=mark,
        id=external_userid,
    )


def add_step(db: Db, request_id: int, actor: str, step: str, now: int, note: str = "") -> None:
    """Add to a request's history; ``note`` is a slug, a userid or a hash."""
    db.run(
        "INSERT INTO rights_step (request_id, at, actor, step, note)"
        " VALUES (:id, :now, :actor, :step, :note)",
        id=request_id,
        now=now,
        actor=actor,
        step=step,
        note=note,
    )


def steps(db: Db, request_id: int) -> list[Row]:
    """A request's history, oldest first."""
    return db.rows("SELECT * FROM rights_step WHERE request_id = :id ORDER BY id", id=request_id)
