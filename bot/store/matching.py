"""Whom the rows of an import are about.

A row names its customer by ``external_userid``, else by phone, else by core number. A phone
that several people share, or that belongs to another customer of the core system, names
nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bot.importing import Row
from bot.store.db import Db
from bot.vault import Vault

Values = dict[str, Any]

WHO = "external_userid, core_id, phone_hash, friend, erased"
"""The columns of a customer that matching needs."""
_KEYS_A_QUERY = 500


class People:
    """The customers that the rows of a batch may be about."""

    def __init__(self, db: Db, vault: Vault, rows: Iterable[Row], columns: str = WHO) -> None:
        self._by_id: dict[str, Values] = {}
        self._by_phone: dict[str, dict[str, Values]] = {}
        self._by_core: dict[str, dict[str, Values]] = {}
        for name, wanted in _names_of(rows, vault).items():
            for person in fetch(db, "customer", name, wanted, columns):
                self.put(person)

    def put(self, person: Values) -> None:
        """Remember a customer, also one that this batch creates."""
        who = person["external_userid"]
        self._by_id[who] = person
        if person["phone_hash"]:
            self._by_phone.setdefault(person["phone_hash"], {})[who] = person
        if person["core_id"]:
            self._by_core.setdefault(person["core_id"], {})[who] = person

    def known(self, external_userid: str) -> Values | None:
        """What is remembered about a customer."""
        return self._by_id.get(external_userid)

    def find(self, values: Values) -> str | None:
        """The ``external_userid`` that a row is about, if anybody can be meant."""
        named: str | None = values.get("external_userid")
        if named:
            return named
        sharing = self.sharing_phone(values)
        cores = {person["core_id"] or None for person in sharing}
        if len(sharing) == 1 or (len(cores) == 1 and None not in cores):
            return _nearest(sharing)
        same_core = self._by_core.get(values.get("core_id") or "", {}).values()
        return _nearest(
            [person for person in same_core if person["core_id"] == values.get("core_id")]
        )

    def sharing_phone(self, values: Values) -> list[Values]:
        """Customers with the row's phone, without those the core system knows as others."""
        core = values.get("core_id")
        same_phone = self._by_phone.get(values.get("phone_hash") or "", {}).values()
        return [
            person
            for person in same_phone
            if person["phone_hash"] == values["phone_hash"]
            and (not core or person["core_id"] in {None, "", core})
        ]


def _names_of(rows: Iterable[Row], vault: Vault) -> dict[str, set[str]]:
    """By what the rows name their people; who is named by id need not be searched for."""
    ids: set[str] = set()
    phones: set[str] = set()
    cores: set[str] = set()
    for row in rows:
        values = row.values
        phone = values["phone_hash"] = vault.phone_hash(values.get("phone"))
        if who := values.get("external_userid"):
            ids.add(who)
            continue
        if phone:
            phones.add(phone)
        if core := values.get("core_id"):
            cores.add(core)
    return {"external_userid": ids, "phone_hash": phones, "core_id": cores}


def _nearest(people: Sequence[Values]) -> str | None:
    """One of the same person's ids: a friend's first."""
    if not people:
        return None
    who: str = min(people, key=lambda person: (-person["friend"], person["external_userid"]))[
        "external_userid"
    ]
    return who


def fetch(
    db: Db, table: str, column: str, keys: Iterable[str], columns: str = "*"
) -> Iterator[Values]:
    """Rows of ``table`` whose ``column`` is one of the keys."""
    wanted = sorted(keys)
    names = [f"k{index}" for index in range(_KEYS_A_QUERY)]
    listed = ", ".join(f":{name}" for name in names)
    sql = f"SELECT {columns} FROM {table} WHERE {column} IN ({listed})"
    for start in range(0, len(wanted), _KEYS_A_QUERY):
        some = wanted[start : start + _KEYS_A_QUERY]
        # One text for every length, so that the statement is prepared once.
        padded = some + some[-1:] * (_KEYS_A_QUERY - len(some))
        found = db.rows(sql, **dict(zip(names, padded, strict=True)))
        titles = found[0].keys() if found else []
        # Twice as fast as dict(row), which looks every name up.
        yield from (dict(zip(titles, row, strict=True)) for row in found)
