"""Who may see which customers: asked here, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

from bot.model import Role
from bot.store import people
from bot.store.db import Db

_ALL = frozenset({Role.CITY, Role.COMPLIANCE, Role.ADMIN})
# Owners see the members of their groups, everybody sees whom they follow, manage or have a
# case about, a head sees the branch.
_FOLLOWED = """
c.external_userid IN (
  SELECT external_userid FROM follow WHERE userid = :viewer AND ended_at IS NULL
  UNION SELECT m.member FROM group_member m JOIN group_chat g USING (chat_id)
    WHERE g.owner = :viewer AND m.left_at IS NULL AND g.dismissed_at IS NULL
  UNION SELECT external_userid FROM escalation
    WHERE status = 'open' AND (assignee = :viewer OR raised_to = :viewer))
OR c.manager = :viewer
"""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who looks: an employee, or the JSON interface as ``admin``.

    Attributes:
        sensitive: Sees what is sensitive of everybody in sight: the JSON interface, whose token
            stands for the bank's own systems and the people behind them.
    """

    userid: str
    role: Role
    branch: str = ""
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class Sight:
    """A condition on ``customer c`` and the values that it names."""

    where: str
    values: dict[str, str]


def viewer(db: Db, userid: str) -> Viewer | None:
    """An active employee as a viewer."""
    row = people.staff(db, userid)
    if row is None or not row["active"]:
        return None
    return Viewer(userid, Role(row["role"]), row["branch"])


def visible_to(who: Viewer) -> Sight:
    """The customers that somebody may see, as a condition for a query's ``WHERE``."""
    if who.role in _ALL:
        return Sight("1 = 1", {})
    if who.role is Role.HEAD:
        return Sight(
            f"(c.branch = :viewer_branch OR {_FOLLOWED})",
            {"viewer": who.userid, "viewer_branch": who.branch},
        )
    return Sight(f"({_FOLLOWED})", {"viewer": who.userid})


def may_see(db: Db, who: Viewer, external_userid: str) -> bool:
    """Whether somebody may see one customer."""
    sight = visible_to(who)
    return bool(
        db.value(
            f"SELECT 1 FROM customer c WHERE c.external_userid = :id AND {sight.where}",
            id=external_userid,
            **sight.values,
        )
    )


def may_see_sensitive(db: Db, who: Viewer, external_userid: str) -> bool:
    """Sensitive facts are for the follow users and the branch head alone (of employees)."""
    if who.sensitive or who.role is Role.HEAD:
        return may_see(db, who, external_userid)
    return bool(
        db.value(
            "SELECT 1 FROM follow WHERE userid = :viewer AND external_userid = :id"
            " AND ended_at IS NULL",
            viewer=who.userid,
            id=external_userid,
        )
    )
