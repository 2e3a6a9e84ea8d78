"""The product library: taken in from the bank's file, every version kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from bot.clock import FixedClock
from bot.importing import ImportReport
from bot.store.db import Database
from bot.store.imports import Derivation, import_file
from bot.store.library import PRODUCTS, in_force
from bot.vault import Vault
from scheduler.lunar import next_birthday

NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)
HEAD = "代码,名称,类别,发行方,风险等级,利率,起点,期限,费用,生效,失效,合同版本,登记编码,链接\n"
WEALTH = "W1,安心九号,理财,测试理财公司,R2,,1万,半年,无申购费,2026-01-01,2027-01-01,V1,Z0001,\n"
DEPOSIT = "D3,三年定期,定期存款,,,1.75,50,三年,,,,V1,,https://bank.example.com/d3\n"
Take = Callable[..., ImportReport]


@pytest.fixture
def take(store: Database, vault: Vault, tmp_path: Path) -> Take:
    def take(text: str, as_of: date | None = None, *, dry_run: bool = False) -> ImportReport:
        file = tmp_path / "products.csv"
        file.write_text(HEAD + text, encoding="utf-8")
        return import_file(
            store,
            vault,
            FixedClock(NOW),
            file,
            "products",
            as_of=as_of,
            actor="admin",
            dry_run=dry_run,
            derivation=Derivation(next_birthday, lambda _assets: ""),
        )

    return take


def figures(report: ImportReport) -> tuple[int, int, int, int]:
    return report.new, report.changed, report.unchanged, report.closed


def test_k3_products_are_kept_with_all_their_facts(store: Database, take: Take) -> None:
    assert (2, 0, 0, 0) == figures(take(WEALTH + DEPOSIT))
    deposit, wealth = PRODUCTS.current(store.read(), ["W1", "D3"])
    assert ("D3", "time_deposit", 1.75, 50) == (
        deposit["code"],
        deposit["kind"],
        deposit["rate"],
        deposit["minimum"],
    )
    assert ("R2", "测试理财公司", 10_000, "2027-01-01", "V1", "Z0001") == (
        wealth["risk_level"],
        wealth["issuer"],
        wealth["minimum"],
        wealth["valid_to"],
        wealth["contract_version"],
        wealth["registration"],
    )


def test_S5_a_structured_deposit_is_taken_in_as_wealth_with_a_risk_level_or_not_at_all(
    store: Database, take: Take
) -> None:
    linked = "J1,挂钩结构性存款,结构性存款,本行,R2,,1万,半年,无,,,V1,Z2,\n"
    wrong = linked.replace(",结构性存款,本行", ",定期存款,本行")
    assert [0, 0] == [take(each).new for each in (wrong, linked.replace("R2", ""))]
    assert 1 == take(linked).new
    assert ["wealth"] == [row["kind"] for row in PRODUCTS.current(store.read(), ["J1"])]


def test_the_same_file_twice_changes_nothing(store: Database, take: Take) -> None:
    take(WEALTH + DEPOSIT)
    assert (0, 0, 2, 0) == figures(take(WEALTH + DEPOSIT))
    assert 2 == store.read().value("SELECT count(*) FROM product")


def test_k3_a_changed_product_is_a_new_version_beside_the_old_one(
    store: Database, take: Take
) -> None:
    take(DEPOSIT)
    (before,) = PRODUCTS.current(store.read(), ["D3"])
    assert (0, 1, 0, 0) == figures(take(DEPOSIT.replace("1.75", "1.65")))
    (now,) = PRODUCTS.current(store.read(), ["D3"])
    assert (1.65, 1.75) == (now["rate"], before["rate"])
    assert now["facts_hash"] != before["facts_hash"]
    assert [1.65, 1.75] == [row["rate"] for row in PRODUCTS.history(store.read(), "D3")]


def test_a_blank_cell_changes_nothing(store: Database, take: Take) -> None:
    take(DEPOSIT)
    assert (0, 0, 1, 0) == figures(take("D3,三年定期,定期存款,,,,,,,,,,,\n"))
    assert 1.75 == store.read().value("SELECT rate FROM product")


def test_a_full_list_ends_what_it_lacks(store: Database, take: Take) -> None:
    take(WEALTH + DEPOSIT)
    assert (0, 0, 1, 1) == figures(take(DEPOSIT, date(2026, 11, 24)))
    (wealth,) = PRODUCTS.current(store.read(), ["W1"])
    assert "2026-11-23" == wealth["valid_to"]
    assert in_force(wealth, date(2026, 11, 23))
    assert not in_force(wealth, date(2026, 11, 24))
    assert (0, 0, 1, 0) == figures(take(DEPOSIT, date(2026, 11, 24)))


def test_a_trial_run_changes_nothing(store: Database, take: Take) -> None:
    assert (2, 0, 0, 0) == figures(take(WEALTH + DEPOSIT, dry_run=True))
    assert [] == PRODUCTS.all(store.read())


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (WEALTH.replace(",R2,", ",,"), "必须有风险等级"),
        (WEALTH.replace(",R2,", ",R9,"), "请填 R1–R5"),
        (WEALTH.replace("2027-01-01", "2025-01-01"), "早于生效日"),
        (DEPOSIT.replace("https://bank.example.com/d3", "bank"), "不是网址"),
        (DEPOSIT.replace("定期存款", "彩票"), "不在可填的范围内"),
    ],
)
def test_a_row_that_cannot_be_used_is_told_and_the_others_are_kept(
    store: Database, take: Take, row: str, words: str
) -> None:
    report = take(row + "C1,城东信用卡,信用卡,,,,,,,,,,,\n")
    assert (1, 1) == (report.new, len(report.bad))
    assert words in report.bad[0].problem
    assert ["C1"] == [row["code"] for row in PRODUCTS.all(store.read())]
