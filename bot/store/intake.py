"""Rows of import tables against what is remembered: what is new, what changes, who is meant.

A planner looks at one batch and returns a ``Plan`` without writing, so that a trial run and
the real one are the same code. A row is about the customer whose ``external_userid`` it
names, else whose phone it gives, else whose core number; else it waits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from bot.errors import Invalid
from bot.importing import Row, RowProblem
from bot.store import referrals
from bot.store.consents import add_consents
from bot.store.db import Db
from bot.store.matching import People, Values, fetch
from bot.store.persons import merge_by_core
from bot.store.standing import touch_holders
from bot.vault import Vault

NextBirthday = Callable[[Any, int, int, bool, date], tuple[date, str]]

_COPIED = [
    "name",
    "core_id",
    "gender",
    "occupation",
    "assets",
    "assets_month_avg",
    "risk_level",
    "risk_valid_to",
    "manager",
    "branch",
    "key_person",
    "prospect",
    "postloan_check_on",
    "birthday_calendar",
    "birthday_month",
    "birthday_day",
    "birthday_year",
    "birthday_leap",
]
_COMPUTED = [
    "phone_sealed",
    "phone_hash",
    "address_sealed",
    "layer",
    "birthday_from",
    "next_birthday_on",
    "birthday_cycle",
]
_CUSTOMER = {
    **dict.fromkeys([*_COPIED, *_COMPUTED]),
    **dict.fromkeys(("name", "gender", "occupation", "risk_level", "manager", "branch"), ""),
    **dict.fromkeys(("key_person", "prospect", "birthday_leap"), 0),
    "layer": "unknown",
}
_HOLDING: Values = {
    **dict.fromkeys(("core_id", "product", "kind", "manager"), ""),
    **dict.fromkeys(("external_userid", "amount", "opened_on", "matures_on", "rate", "as_of")),
    "status": "open",
}
_STAFF: Values = {
    **dict.fromkeys(("name", "branch", "parent_branch", "certificates", "deputy"), ""),
    "role": "owner",
    "role_from": "wecom",
}
_NOTHING = {None, "", "unknown"}
_BIRTHDAY = ("birthday_calendar", "birthday_month", "birthday_day", "birthday_leap")


_ALL = ", ".join(["external_userid", "created_at", "friend", "erased", *_CUSTOMER])


_REFUSAL = {"purpose": "marketing", "granted": 0}
_REFUSES = "SELECT refused FROM customer WHERE external_userid = :who"


def _upsert(table: str, key: str, columns: Iterable[str], only_new: tuple[str, ...] = ()) -> str:
    """One statement that adds a row or brings it up to date."""
    names = [key, *columns, *only_new]
    return (
        f"INSERT INTO {table} ({', '.join(names)})"  # constants of this module
        f" VALUES ({', '.join(':' + name for name in names)}) ON CONFLICT ({key}) DO UPDATE SET "
        + ", ".join(f"{name} = excluded.{name}" for name in columns)
    )


_KEEP_CUSTOMER = _upsert("customer", "external_userid", _CUSTOMER, ("created_at",))
_KEEP_HOLDING = _upsert("holding", "account_ref", _HOLDING)
_KEEP_STAFF = _upsert("staff", "userid", _STAFF)


@dataclass(frozen=True, slots=True)
class Derivation:
    """What is computed from a customer's columns, and cannot be known here.

    Attributes:
        next_birthday: calendar, month, day, leap month and the first possible day, to the
            next day of greeting and its cycle; ``Invalid`` for a day that does not exist.
        layer_of: Assets in yuan to the slug of the layer.
        segments: Segments that may choose recipients, by slug and by what they are called.
    """

    next_birthday: NextBirthday
    layer_of: Callable[[int | None], str]
    segments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Intake:
    """What every planner needs besides its rows.

    Attributes:
        as_of: The day of the statement for rows that do not name their own.
        newest: The newest day of which a customers file was taken in; an older one only
            fills blanks.
        only_blanks: Customers' rows are of unknown age and only fill blanks.
        refused: Told, in the same transaction, of each customer whom a row makes refuse
            marketing; stops what is under way to them.
    """

    vault: Vault
    derivation: Derivation
    today: date
    now: int
    as_of: str | None = None
    newest: str = ""
    only_blanks: bool = False
    refused: Callable[[Db, str], None] | None = None


class Waiting(NamedTuple):
    """A row whose person is not known yet."""

    row_key: str
    core_id: str | None
    phone_hash: str | None
    values: Values


@dataclass(slots=True)
class Plan:
    """What a batch would do; ``write`` does it."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    problems: list[RowProblem] = field(default_factory=list)
    set_aside: int = 0
    """Rows that wait; two of one key are one in ``waiting``."""
    waiting: dict[str, Waiting] = field(default_factory=dict)
    matched: set[str] = field(default_factory=set)
    """Keys of rows that need not wait any longer."""
    met: set[str] = field(default_factory=set)
    """Customers whose phone or core number is news; rows may be waiting for them."""
    upsert: str = ""
    kept: dict[str, Values] = field(default_factory=dict)
    consents: list[dict[str, str | int]] = field(default_factory=list)

    def write(self, db: Db, intake: Intake) -> None:
        """Write the changes of this batch."""
        if self.kept:
            self._keep(db)
        if self.met:
            merge_by_core(db, self.met, intake.now)
        if self.consents:
            add_consents(db, self.consents)
            self._tell_refusals(db, intake)

    def _keep(self, db: Db) -> None:
        """Holdings touch who held them before and who holds them now; see ``standing``."""
        accounts = self.kept if self.upsert == _KEEP_HOLDING else ()
        if accounts:
            touch_holders(db, accounts)
        db.many(self.upsert, self.kept.values())
        if accounts:
            touch_holders(db, accounts)

    def _tell_refusals(self, db: Db, intake: Intake) -> None:
        """An old refusal that a newer grant has lifted already is none."""
        if intake.refused is None:
            return
        refusals = [row for row in self.consents if _REFUSAL.items() <= row.items()]
        for who in sorted({str(row["external_userid"]) for row in refusals}):
            if db.value(_REFUSES, who=who):
                intake.refused(db, who)

    def count(self, old: Values | None, *, differs: bool) -> None:
        """Count one row that found its place."""
        if old is None:
            self.new += 1
        elif differs:
            self.changed += 1
        else:
            self.unchanged += 1

    def wait(self, waiting: Waiting) -> None:
        """Set a row aside until its person is known; the last one under a key counts."""
        self.set_aside += 1
        self.waiting[waiting.row_key] = waiting


def _erased(row: Row) -> RowProblem:
    return RowProblem(row.line, "", "这位客户已按本人要求删除,不再导入;请从核心导出中去掉")


# -- customers -------------------------------------------------------------------------------


def plan_customers(db: Db, intake: Intake, rows: Sequence[Row]) -> Plan:
    """The core system's word about a customer overrides what was heard in talk."""
    people, plan = People(db, intake.vault, rows, _ALL), Plan(upsert=_KEEP_CUSTOMER)
    for row in rows:
        who = people.find(row.values)
        if who is None:
            plan.wait(_waiting("customers", intake, row.values))
            continue
        old = people.known(who)
        if old and old["erased"]:
            plan.problems.append(_erased(row))
            continue
        try:
            fresh = _customer_values(intake, row.values, old)
        except Invalid as wrong:
            plan.problems.append(RowProblem(row.line, "生日", str(wrong)))
            continue
        plan.matched.add(_row_key("customers", row.values))
        plan.count(old, differs=bool(fresh))
        if fresh or old is None:
            _keep_customer(plan, people, old or _stranger(who, intake), fresh)
    return plan


def _stranger(who: str, intake: Intake) -> Values:
    return {
        **_CUSTOMER,
        "external_userid": who,
        "created_at": intake.now,
        "friend": 0,
        "erased": 0,
    }


def _keep_customer(plan: Plan, people: People, old: Values, fresh: Values) -> None:
    person = {**old, **fresh}
    people.put(person)
    plan.kept[person["external_userid"]] = person
    if "core_id" in fresh or "phone_hash" in fresh:
        plan.met.add(person["external_userid"])


def _customer_values(intake: Intake, values: Values, old: Values | None) -> Values:
    """The columns that differ from what is remembered; a blank cell changes nothing."""
    before = old or _CUSTOMER
    fresh = {name: values[name] for name in _COPIED if values.get(name) is not None}
    fresh = {name: value for name, value in fresh.items() if value != before[name]}
    if "assets" in values and (layer := intake.derivation.layer_of(values["assets"])):
        fresh |= {"layer": layer} if layer != before["layer"] else {}
    fresh |= _birthday_values(intake, values, before)
    fresh |= _sealed_values(intake, values, before)
    as_of = values.get("as_of") or intake.as_of
    if intake.only_blanks or (as_of and as_of < intake.newest):
        fresh = {name: value for name, value in fresh.items() if before[name] in _NOTHING}
    return fresh


def _birthday_values(intake: Intake, values: Values, before: Values) -> Values:
    """When to greet, computed anew only when the birthday itself is news."""
    if "birthday_month" not in values:
        return {}
    same = all(values[name] == before[name] for name in _BIRTHDAY) and before["next_birthday_on"]
    if same and before["birthday_from"] == "import":
        return {}
    calendar, month, of_month, leap = (values[name] for name in _BIRTHDAY)
    on, cycle = intake.derivation.next_birthday(calendar, month, of_month, bool(leap), intake.today)
    return {
        "birthday_from": "import",
        "next_birthday_on": on.isoformat(),
        "birthday_cycle": cycle,
    }


def _sealed_values(intake: Intake, values: Values, before: Values) -> Values:
    vault, fresh = intake.vault, {}
    if values.get("phone_hash") and values["phone_hash"] != before["phone_hash"]:
        fresh["phone_sealed"] = vault.seal_text(values["phone"])
        fresh["phone_hash"] = values["phone_hash"]
    address = values.get("address")
    if address and address != vault.open_text(before["address_sealed"]):
        fresh["address_sealed"] = vault.seal_text(address)
    return fresh


# -- holdings --------------------------------------------------------------------------------


def plan_holdings(db: Db, intake: Intake, rows: Sequence[Row]) -> Plan:
    """An account's newest statement counts; an older one changes nothing."""
    people, plan = People(db, intake.vault, rows), Plan(upsert=_KEEP_HOLDING)
    known = {
        holding["account_ref"]: holding
        for holding in fetch(db, "holding", "account_ref", {_account(row) for row in rows})
    }
    for row in rows:
        who = people.find(row.values)
        person = people.known(who) if who else None
        if person and person["erased"]:
            plan.problems.append(_erased(row))
            continue
        if who is None:
            plan.wait(_waiting("holdings", intake, row.values))
            continue
        plan.matched.add(_account(row))
        old = known.get(_account(row))
        holding = _holding_values(intake, row.values, old, who, person)
        plan.count(old, differs=_differs(old, holding))
        if holding != old:
            known[_account(row)] = plan.kept[_account(row)] = holding
    return plan


def _account(row: Row) -> str:
    ref: str = row.values["account_ref"]
    return ref


def _differs(old: Values | None, fresh: Values) -> bool:
    """Something else than the day of the statement is news."""
    return old is not None and {**fresh, "as_of": None} != {**old, "as_of": None}


def _holding_values(
    intake: Intake, values: Values, old: Values | None, who: str, person: Values | None
) -> Values:
    as_of = values.get("as_of") or intake.as_of
    before = old or {**_HOLDING, "account_ref": values["account_ref"]}
    if as_of and before["as_of"] and as_of < before["as_of"]:
        return before
    fresh = {name: values[name] for name in _HOLDING if values.get(name) is not None}
    if as_of:
        # Listed in a statement without a word about its state: it is open (again).
        fresh = {"status": "open", **fresh, "as_of": as_of}
    core = fresh.get("core_id") or before["core_id"] or (person or {}).get("core_id") or ""
    return {**before, **fresh, "external_userid": who, "core_id": core}


# -- consents --------------------------------------------------------------------------------


def plan_consents(db: Db, intake: Intake, rows: Sequence[Row]) -> Plan:
    """Rows are only added; a refusal by phone counts for everybody who uses that phone."""
    people, plan = People(db, intake.vault, rows), Plan()
    meant = [(row, _persons_of(people, row.values)) for row in rows]
    everybody = {who for _, persons in meant for who in persons}
    there = {_consent_key(row) for row in fetch(db, "consent", "external_userid", everybody)}
    for row, persons in meant:
        if row.values["at"] > intake.now:
            plan.problems.append(RowProblem(row.line, "时间", "在将来,请核对"))
        elif not persons:
            plan.wait(_waiting("consents", intake, row.values))
        elif any((people.known(who) or {}).get("erased") for who in persons):
            plan.problems.append(_erased(row))
        else:
            plan.matched.add(_row_key("consents", row.values))
            added = [_consent(who, row.values) for who in persons]
            added = [each for each in added if _consent_key(each) not in there]
            there |= {_consent_key(each) for each in added}
            plan.consents += added
            plan.count(None if added else {}, differs=False)
    return plan


def _persons_of(people: People, values: Values) -> list[str]:
    if not (values["granted"] or values.get("external_userid")):
        sharing = [person["external_userid"] for person in people.sharing_phone(values)]
        if sharing:
            return sorted(sharing)
    who = people.find(values)
    return [who] if who else []


def _consent(who: str, values: Values) -> dict[str, str | int]:
    texts = {
        name: values.get(name, "") for name in ("channel", "notice_version", "proof", "employee")
    }
    fixed = {name: values[name] for name in ("purpose", "granted", "at")}
    return {"external_userid": who, **fixed, **texts}


def _consent_key(row: Values) -> tuple[Any, ...]:
    return row["external_userid"], row["purpose"], row["granted"], row["at"], row["proof"]


# -- staff -----------------------------------------------------------------------------------


def plan_staff(db: Db, intake: Intake, rows: Sequence[Row]) -> Plan:  # noqa: ARG001  # as its kin
    """A role from the bank's file wins over what WeCom's address list suggests."""
    plan = Plan(upsert=_KEEP_STAFF)
    wanted = {row.values["userid"] for row in rows}
    known = {member["userid"]: member for member in fetch(db, "staff", "userid", wanted)}
    for row in rows:
        userid = row.values["userid"]
        old = known.get(userid)
        fresh = {name: row.values[name] for name in _STAFF if row.values.get(name) is not None}
        if "role" in fresh:
            fresh["role_from"] = "import"
        member = {**(old or {**_STAFF, "userid": userid}), **fresh}
        plan.count(old, differs=member != old)
        if member != old:
            known[userid] = plan.kept[userid] = member
    return plan


# -- referrals -------------------------------------------------------------------------------


@dataclass(slots=True)
class ReferralPlan(Plan):
    """Who brought whom; ``kept`` is by the customer who was brought."""

    def write(self, db: Db, intake: Intake) -> None:  # noqa: ARG002  # as its kin
        """Write the changes of this batch."""
        for who, row in self.kept.items():
            referrals.record(db, who, row["referrer"], source="import", by="", now=row["at"])


def plan_referrals(db: Db, intake: Intake, rows: Sequence[Row]) -> Plan:
    """A customer who is not known yet waits; who brought them must be known."""
    brought = People(db, intake.vault, rows)
    others = [Row(row.line, _referrer_of(row.values)) for row in rows]
    people, plan, planned = People(db, intake.vault, others), ReferralPlan(), dict[str, str]()
    for row, other in zip(rows, others, strict=True):
        who, by = brought.find(row.values), people.find(other.values)
        if row.values["at"] > intake.now:
            plan.problems.append(RowProblem(row.line, "时间", "在将来,请核对"))
        elif who is None:
            plan.wait(_waiting("referrals", intake, row.values))
        elif why := referrals.refusal(db, who, by or "", planned):
            plan.problems.append(RowProblem(row.line, "介绍人", why))
        else:
            plan.matched.add(_row_key("referrals", row.values))
            new = who not in planned and not referrals.is_recorded(db, who, by or "")
            plan.count(None if new else {}, differs=False)
            if new and by:
                planned[who] = by
                plan.kept[who] = {"referrer": by, "at": row.values["at"]}
    return plan


def _referrer_of(values: Values) -> Values:
    told = {"external_userid": values.get("referrer"), "phone": values.get("referrer_phone")}
    return {name: value for name, value in told.items() if value}


# -- rows that wait --------------------------------------------------------------------------


def _waiting(kind: str, intake: Intake, values: Values) -> Waiting:
    row = {name: value for name, value in values.items() if name != "phone_hash"}
    if as_of := values.get("as_of") or intake.as_of:
        row["as_of"] = as_of
    return Waiting(_row_key(kind, values), values.get("core_id"), values.get("phone_hash"), row)


def _row_key(kind: str, values: Values) -> str:
    """The same row of a later file replaces the one that waits; phones are not readable in it."""
    if kind == "holdings":
        return str(values["account_ref"])
    parts = [values.get("core_id") or values.get("phone_hash") or values.get("external_userid")]
    if kind == "consents":
        parts += [values.get(name) for name in ("purpose", "granted", "at", "proof")]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


Planner = Callable[[Db, Intake, Sequence[Row]], Plan]
PLANNERS: dict[str, Planner] = {
    "customers": plan_customers,
    "consents": plan_consents,
    "holdings": plan_holdings,
    "staff": plan_staff,
    "referrals": plan_referrals,
}
"""By kind, in the order in which waiting rows are taken in."""
