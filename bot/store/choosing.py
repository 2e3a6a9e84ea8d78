"""Audiences as conditions: set-based, for planning and for looking again before a send."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.store.db import Db

Names = Mapping[str, tuple[str, ...]]
"""Alternatives by kind; every kind must hold, and no kind at all is everyone."""

_HAS = "EXISTS (SELECT 1 FROM {table} WHERE x.external_userid = c.external_userid AND {column}"
_OF_CUSTOMER = {
    "layer": "c.layer {names}",
    "contact_class": "c.contact_class {names}",
    "branch": "c.branch {names}",
    "segment": _HAS.format(table="segment_member x", column="x.segment {names})"),
    "state": _HAS.format(table="customer_state x", column="x.state {names})"),
    "tag": _HAS.format(
        table="follow x CROSS JOIN json_each(x.tags) t JOIN corp_tag g ON g.tag_id = t.value",
        column="x.ended_at IS NULL AND g.name {names})",
    ),
}
_OF_GROUP = {"segment": "g.segment {names}", "branch": "g.branch {names}"}
# What a choice rested on, of those kinds that the campaign names, and of those by which it leaves
# people out: words, one a fact, enough to make the same choice again.
_INPUTS = {
    "layer": "SELECT 'layer ' || c.layer AS word",
    "contact_class": "SELECT 'contact_class ' || c.contact_class AS word",
    "branch": "SELECT 'branch ' || c.branch AS word",
    "segment": """SELECT 'segment ' || x.segment || ' ' || x.version AS word
  FROM segment_member x WHERE x.external_userid = c.external_userid AND x.segment {names}""",
    "state": """SELECT 'state ' || x.state AS word FROM customer_state x
  WHERE x.external_userid = c.external_userid AND x.state {names}""",
    "tag": """SELECT 'tag ' || g.name AS word FROM follow x CROSS JOIN json_each(x.tags) t
  JOIN corp_tag g ON g.tag_id = t.value
  WHERE x.external_userid = c.external_userid AND x.ended_at IS NULL AND g.name {names}""",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A campaign's people, or groups.

    Attributes:
        audience, exclude: Who is meant, and who of them is not.
        groups: Groups are chosen, not customers.
    """

    audience: Names
    exclude: Names
    groups: bool = False

    @property
    def where(self) -> str:
        """A condition on ``customer c`` or ``group_chat g``; true of everyone without names."""
        wanted, unwanted = self.wanted, self.unwanted
        return f"{wanted} AND NOT {unwanted}" if unwanted else wanted

    @property
    def wanted(self) -> str:
        """The audience alone."""
        return _all(self.audience, "aud", self._kinds) or "1 = 1"

    @property
    def unwanted(self) -> str:
        """Those left out; "" when nobody is."""
        return _all(self.exclude, "exc", self._kinds)

    @property
    def values(self) -> dict[str, str]:
        """What the conditions name."""
        return {
            f"{prefix}_{kind}": json.dumps(list(names), ensure_ascii=False)
            for prefix, some in (("aud", self.audience), ("exc", self.exclude))
            for kind, names in some.items()
        }

    @property
    def inputs(self) -> str:
        """An expression for what the choice rests on, as a list of words in JSON (T6)."""
        kinds = dict.fromkeys([*self.audience, *self.exclude])
        if self.groups:
            parts = [f"SELECT '{kind} ' || g.{kind} AS word" for kind in kinds]
        else:
            parts = [_INPUTS[kind].format(names=self._named(kind)) for kind in kinds]
        words = " UNION ALL ".join(parts)
        return f"(SELECT json_group_array(w.word) FROM ({words}) w)" if parts else "'[]'"

    def _named(self, kind: str) -> str:
        both = (("aud", self.audience), ("exc", self.exclude))
        lists = [f"SELECT value FROM json_each(:{p}_{kind})" for p, some in both if kind in some]
        return f"IN ({' UNION '.join(lists)})"

    @property
    def _kinds(self) -> Mapping[str, str]:
        return _OF_GROUP if self.groups else _OF_CUSTOMER


def _all(names: Names, prefix: str, kinds: Mapping[str, str]) -> str:
    parts = [kinds[kind].format(names=_among(f"{prefix}_{kind}")) for kind in names]
    return "(" + " AND ".join(parts) + ")" if parts else ""


def _among(name: str) -> str:
    return f"IN (SELECT value FROM json_each(:{name}))"


def no_longer_meant(db: Db, choice: Choice, push_ids: Iterable[int]) -> set[int]:
    """Of some pushes of a campaign those whose customer or group has left its audience."""
    if not choice.audience and not choice.exclude:
        return set()
    source = (
        "group_chat g ON g.chat_id = p.chat_id"
        if choice.groups
        else "customer c ON c.external_userid = p.external_userid"
    )
    rows = db.rows(
        f"SELECT p.id FROM push p JOIN {source}"
        " WHERE p.id IN (SELECT CAST(value AS BIGINT) FROM json_each(:ids))"
        f" AND NOT ({choice.where})",
        ids=json.dumps(list(push_ids)),
        **choice.values,
    )
    return {row["id"] for row in rows}


def explained(db: Db, selection_id: int | None) -> Mapping[str, Any]:
    """The rule by which a push came to be; empty when it is older than rules are kept."""
    found = db.value("SELECT rule FROM selection WHERE id = :id", id=selection_id)
    rule: Mapping[str, Any] = json.loads(found) if found else {}
    return rule
