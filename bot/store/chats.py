"""Customer groups and how alive they are."""

from __future__ import annotations

from bot.store.db import Db, Row
from bot.store.lists import groups_visible_to
from bot.store.sight import Viewer, visible_to

# Only what members agreed to have archived is counted as speaking.
_GROUPS = """
SELECT g.*, coalesce(s.name, '') AS owner_name,
  (SELECT count(*) FROM group_member m WHERE m.chat_id = g.chat_id AND m.left_at IS NULL)
    AS members,
  (SELECT count(*) FROM group_member m WHERE m.chat_id = g.chat_id AND m.left_at IS NULL
    AND (m.member LIKE 'wm%' OR m.member LIKE 'wo%')) AS customers,
  (SELECT count(*) FROM group_member m WHERE m.chat_id = g.chat_id AND m.left_at IS NULL
    AND m.joined_at >= :since) AS joined,
  (SELECT count(*) FROM group_member m WHERE m.chat_id = g.chat_id AND m.left_at >= :since)
    AS gone,
  (SELECT count(DISTINCT sender) FROM message m WHERE m.conversation = g.chat_id
    AND m.sent_at >= :since AND m.state = 'read') AS spoke,
  (SELECT count(*) FROM message m WHERE m.conversation = g.chat_id
    AND m.sent_at >= :since AND m.state = 'read') AS messages
FROM group_chat g LEFT JOIN staff s ON s.userid = g.owner
WHERE g.dismissed_at IS NULL AND g.chat_id > :after AND {groups} {more}
ORDER BY g.chat_id LIMIT :limit
"""
_MEMBERS = """
SELECT m.member, m.nickname, m.joined_at, m.join_scene, c.name, c.layer, c.spoke_at, c.friend,
  coalesce(s.name, '') AS staff_name, coalesce({customers}, false) AS visible
FROM group_member m
LEFT JOIN customer c ON c.external_userid = m.member
LEFT JOIN staff s ON s.userid = m.member
WHERE m.chat_id = :chat AND m.left_at IS NULL
ORDER BY c.external_userid IS NOT NULL, c.spoke_at DESC NULLS LAST, m.joined_at NULLS FIRST
"""


def groups(db: Db, who: Viewer, *, since: int, after: str = "", limit: int = 200) -> list[Row]:
    """Visible groups by id, with their life since a moment (epoch ms)."""
    scope = groups_visible_to(who)
    return db.rows(
        _GROUPS.format(groups=scope.where, more=""),
        since=since,
        after=after,
        limit=limit,
        **scope.values,
    )


def group(db: Db, who: Viewer, chat_id: str, *, since: int) -> Row | None:
    """One group as ``groups`` gives it; None when the viewer may not know it."""
    scope = groups_visible_to(who)
    return db.one(
        _GROUPS.format(groups=scope.where, more="AND g.chat_id = :chat"),
        since=since,
        after="",
        limit=1,
        chat=chat_id,
        **scope.values,
    )


def may_see_group(db: Db, who: Viewer, chat_id: str) -> bool:
    """Whether somebody may see one group."""
    scope = groups_visible_to(who)
    return bool(
        db.value(
            f"SELECT 1 FROM group_chat g WHERE g.chat_id = :chat AND {scope.where}",
            chat=chat_id,
            **scope.values,
        )
    )


def members(db: Db, who: Viewer, chat_id: str) -> list[Row]:
    """Who is in a group, staff first; ``visible`` tells whether the viewer may know them."""
    scope = visible_to(who)
    return db.rows(_MEMBERS.format(customers=f"({scope.where})"), chat=chat_id, **scope.values)


def group_name(db: Db, chat_id: str) -> str:
    """What a group is called; "" for none."""
    return str(db.value("SELECT name FROM group_chat WHERE chat_id = :id", id=chat_id) or "")
