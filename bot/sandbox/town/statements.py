"""What the bank's core system would export about the branch: files for ``qunguan import``.

The files differ as banks' files do: English and Chinese headers, UTF-8 and GB18030, CSV and XLSX.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterable
from datetime import date, timedelta
from pathlib import Path

from openpyxl import Workbook

from bot.sandbox.town.people import Persona, Town, load_town

Row = dict[str, str | int | float]
KINDS = (
    *("staff", "products", "customers", "holdings", "consents", "events", "offers"),
    "referrals",
)

_CONSENT_AGE = timedelta(days=60)
_RISK_AGE = timedelta(days=200)
_NOTICE = "2026-09"
_PURPOSES = {
    "marketing": ("marketing", "是"),
    "no-marketing": ("marketing", "否"),
    "sensitive": ("profiling_sensitive", "是"),
}
_TERM = timedelta(days=365)


def core_files(
    day: date, into: Path, kinds: Collection[str] = KINDS, town: Town | None = None
) -> dict[str, Path]:
    """Write the branch's files as of the demo's day.

    Args:
        day: Birthdays and maturities are counted from it.
        into: The folder; made when it is missing.
        kinds: Which files.
        town: The branch; read from this folder by default.

    Returns:
        Path by kind of import, in the order in which they should be read.
    """
    town = town or load_town()
    into.mkdir(parents=True, exist_ok=True)
    known = [one for one in town.people.values() if one.assets is not None]
    customers = [_customer(one, town, day) for one in known]
    writers: dict[str, Callable[[], Path]] = {
        "staff": lambda: _xlsx(into / "staff.xlsx", _staff(town)),
        "products": lambda: _csv(into / "products.csv", _products(town, day)),
        "customers": lambda: _csv(into / "customers.csv", customers),
        "holdings": lambda: _csv(into / "holdings.csv", _holdings(known, day)),
        "consents": lambda: _csv(into / "consents.csv", _consents(known, day), "gb18030"),
        "events": lambda: _csv(into / "events.csv", _events(town, day)),
        "offers": lambda: _csv(into / "offers.csv", _offers(town, day)),
        "referrals": lambda: _csv(into / "referrals.csv", _referrals(town, day)),
    }
    return {kind: write() for kind, write in writers.items() if kind in kinds}


def _csv(file: Path, rows: Iterable[Row], encoding: str = "utf-8-sig") -> Path:
    written = list(rows)
    with file.open("w", encoding=encoding, newline="") as out:
        table = csv.DictWriter(out, list(written[0]))
        table.writeheader()
        table.writerows(written)
    return file


def _xlsx(file: Path, rows: Iterable[Row]) -> Path:
    written = list(rows)
    book = Workbook(write_only=True)
    sheet = book.create_sheet("人员")
    sheet.append(list(written[0]))
    for row in written:
        sheet.append(list(row.values()))
    book.save(file)
    return file


def _staff(town: Town) -> Iterable[Row]:
    for one in town.staff.values():
        city = one.role == "city"
        yield {
            "账号": one.userid,
            "姓名": one.name,
            "网点": town.city_branch if city else town.branch,
            "上级机构": town.bank if city else town.city_branch,
            "角色": _ROLES[one.role],
            "资格": ";".join(one.certificates),
            "代理人": one.deputy,
        }


_ROLES = {
    "owner": "群主",
    "manager": "客户经理",
    "head": "网点负责人",
    "city": "分行",
    "compliance": "合规",
    "admin": "管理员",
}


def _customer(one: Persona, town: Town, day: date) -> Row:
    assets = one.assets or 0
    born = one.birthday.born(day, one.age) if one.birthday else ""
    return {
        "external_userid": one.external_userid,
        "core_id": one.core_id,
        "name": one.name,
        "phone": one.phone,
        "gender": {1: "男", 2: "女"}[one.gender],
        "birthday": born,
        "birthday_calendar": "lunar" if one.birthday and one.birthday.lunar else "solar",
        "occupation": one.occupation,
        "assets": assets,
        "assets_month_avg": assets * 96 // 100,
        "risk_level": one.risk,
        "risk_valid_to": (day + _RISK_AGE).isoformat() if one.risk else "",
        "manager": one.follow,
        "branch": town.branch,
        "key_person": "是" if one.key_person else "否",
    }


def _holdings(known: Iterable[Persona], day: date) -> Iterable[Row]:
    """By core number only: these rows meet the person through the customers' file."""
    for one in known:
        for number, held in enumerate(one.holdings, 1):
            due = None if held.due is None else day + timedelta(days=held.due)
            opened = (due or day) - _TERM
            yield {
                "core_id": one.core_id,
                "account_ref": f"AC-{one.number:03d}-{number}",
                "product": _NAMES[held.kind],
                "kind": held.kind,
                "amount": held.amount,
                "opened_on": min(opened, day - timedelta(days=1)).isoformat(),
                "matures_on": due.isoformat() if due else "",
                "rate": "" if held.rate is None else held.rate,
                "status": "open",
                "manager": one.follow,
                "as_of": day.isoformat(),
            }


_NAMES = {
    "demand_deposit": "活期存款",
    "time_deposit": "整存整取",
    "large_cd": "大额存单",
    "treasury_bond": "储蓄国债",
    "wealth": "安悦180天",
    "fund": "稳健成长基金",
    "insurance": "安享年年保险",
    "business_loan": "商户经营贷",
}


def _consents(known: Iterable[Persona], day: date) -> Iterable[Row]:
    """Given at the counter, so known by phone number; Chinese headers."""
    at = f"{(day - _CONSENT_AGE).isoformat()} 10:00"
    for one in known:
        for consent in one.consents:
            purpose, granted = _PURPOSES[consent]
            yield {
                "手机号": one.phone,
                "用途": purpose,
                "同意": granted,
                "渠道": "counter",
                "告知版本": _NOTICE,
                "凭证": f"柜面签字-{one.number:03d}-{purpose}",
                "时间": at,
            }


def _products(town: Town, day: date) -> Iterable[Row]:
    for one in town.products:
        yield {
            "code": one["code"],
            "name": one["name"],
            "kind": one["kind"],
            "issuer": town.bank,
            "risk_level": one["risk_level"] or "",
            "rate": one["rate"] or "",
            "minimum": one["minimum"],
            "term": one["term"],
            "fees": "无",
            "valid_from": (day - timedelta(days=30)).isoformat(),
            "valid_to": (day + timedelta(days=90)).isoformat(),
            "contract_version": _NOTICE,
            "registration": "",
            "url": "",
        }


def _events(town: Town, day: date) -> Iterable[Row]:
    for one in town.events:
        on = day + timedelta(days=one["in"])
        hour, minute = one["at"].split(":")
        yield {
            "code": one["code"],
            "name": one["name"],
            "kind": one["kind"],
            "branch": town.branch,
            "starts_at": f"{on.isoformat()} {one['at']}",
            "ends_at": f"{on.isoformat()} {int(hour) + one['hours']:02d}:{minute}",
            "place": one["place"],
            "seats": one["seats"],
            "host": one["host"],
            "sign_up_until": f"{(day + timedelta(days=one['until'])).isoformat()} 18:00",
            "audience": one["audience"],
        }


def _offers(town: Town, day: date) -> Iterable[Row]:
    """What merchants of the street give; Chinese headers, and the words that people would write."""
    for one in town.offers:
        yield {
            "代码": one["code"],
            "商户": one["merchant"],
            "类别": one["kind"],
            "权益": one["benefit"],
            "网点": town.branch,
            "地址": one["place"],
            "客群": one["segment"],
            "条件": one["condition"],
            "份数": one["stock"],
            "生效": (day + timedelta(days=one["from"])).isoformat(),
            "失效": (day + timedelta(days=one["to"])).isoformat(),
        }


def _referrals(town: Town, day: date) -> Iterable[Row]:
    """Who brought whom, as the branch noted it by hand."""
    for one in town.referrals:
        yield {
            "外部联系人ID": town.people[one["who"]].external_userid,
            "介绍人手机号": town.people[one["by"]].phone,
            "时间": f"{(day + timedelta(days=one['in'])).isoformat()} 15:00",
        }
