"""The table of errcodes is whole, and says what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bot.wecom import verdict
from bot.wecom.errcodes import Verdict

ROOT = Path(__file__).parents[2]
TABLE: dict[str, dict[str, object]] = json.loads(
    (ROOT / "bot/errcodes.json").read_text(encoding="utf-8")
)
CONTRACT = json.loads((ROOT / "tests/samples/contract.json").read_text(encoding="utf-8"))
CODES = sorted(TABLE, key=int)
KINDS = {"retry", "refresh_token", "rate_limited", "permanent", "caller_bug"}


def test_every_code_that_a_call_may_answer_is_in_the_table() -> None:
    named = {code for entry in CONTRACT["endpoints"] for code in entry.get("errcodes", {})}
    assert named - set(TABLE) == set()


@pytest.mark.parametrize("code", CODES)
def test_every_row_has_a_known_kind_and_a_chinese_meaning(code: str) -> None:
    row = verdict(int(code))
    assert row.kind in KINDS
    assert re.search("[一-龥]", row.meaning)
    assert row.alert <= bool(row.advice)  # whoever is alerted is told what to do
    assert (row.attempts > 1) <= (row.kind == "retry")
    assert (row.kind in {"retry", "rate_limited"}) <= ("wait" in TABLE[code])


def test_only_these_kinds_of_trouble_pass_by_themselves() -> None:
    passing = {int(code) for code, row in TABLE.items() if row["class"] == "retry"}
    assert passing == {-1, 6000, 41063, 41096, 45033, 45035, 90507, 301026, 302005}


def test_only_an_expired_or_revoked_token_is_renewed() -> None:
    renewed = {int(code) for code, row in TABLE.items() if row["class"] == "refresh_token"}
    assert renewed == {40014, 42001}


def test_the_frequency_limit_rests_a_minute_and_then_an_hour() -> None:
    row = verdict(45009)
    assert (row.kind, row.wait, row.wait_again) == ("rate_limited", 60, 3600)


def test_an_unknown_code_is_final() -> None:
    assert verdict(987654) == Verdict("permanent")


def test_a_reason_says_meaning_advice_and_path() -> None:
    reason = verdict(84061).reason("/cgi-bin/externalcontact/mark_tag")
    assert reason == (
        "不存在外部联系人的关系；该成员与客户已不是好友，去掉这一对并重新同步；"
        "/cgi-bin/externalcontact/mark_tag"
    )
