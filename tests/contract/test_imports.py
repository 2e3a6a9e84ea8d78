"""Importing customers, holdings, consents and staff into the store."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from branch_world import dump

from bot.clock import FixedClock
from bot.errors import Invalid
from bot.importing import ImportReport
from bot.store.consents import record_refusal
from bot.store.db import Database, Db
from bot.store.imports import Derivation, import_file, resolve_unmatched
from bot.vault import Vault
from scheduler.lunar import next_birthday

VAULT = Vault("made up for the tests only")
LINES = ((500_000, "high"), (50_000, "middle"), (10_000, "effective"), (0, "potential"))
DERIVATION = Derivation(
    next_birthday,
    lambda assets: next((name for line, name in LINES if (assets or 0) >= line), "unknown"),
)
NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def database(store: Database) -> Database:
    return store


@pytest.fixture
def take(database: Database, clock: FixedClock, tmp_path: Path) -> Callable[..., ImportReport]:
    def take(
        kind: str, text: str, as_of: date | None = None, *, dry_run: bool = False, **more: Any
    ) -> ImportReport:
        file = tmp_path / f"{kind}.csv"
        file.write_text(text, encoding="utf-8")
        return import_file(
            database,
            VAULT,
            clock,
            file,
            kind,
            as_of=as_of,
            actor="admin",
            dry_run=dry_run,
            derivation=DERIVATION,
            **more,
        )

    return take


Take = Callable[..., ImportReport]


def rows(database: Database, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in database.read().rows(sql)]


def figures(report: ImportReport) -> tuple[int, int, int, int]:
    return report.new, report.changed, report.unchanged, report.unmatched


def befriend(database: Database, who: str, phone: str | None = None) -> None:
    """What the sync of contacts does when a friend appears."""
    database.write(
        lambda db: db.run(
            "INSERT INTO customer (external_userid, phone_hash, friend, created_at)"
            " VALUES (:who, :phone, 1, 1)",
            who=who,
            phone=VAULT.phone_hash(phone),
        )
    )


def resolve(database: Database, clock: FixedClock, who: str) -> int:
    return database.write(lambda db: resolve_unmatched(db, VAULT, clock, who, DERIVATION))


CUSTOMERS = """\
external_userid,core_id,name,phone,gender,birthday,birthday_calendar,address,assets,key_person
wm_a,K1,测试客户甲,13800000001,女,1962-08-16,农历,测试路 1 号,12.5万,是
wm_b,K2,测试客户乙,13800000002,男,1990-12-01,公历,,8000,
"""
HOLDINGS = """\
账户标识,客户号,产品,类别,金额,到期日,利率
A1,K1,测试存单,大额存单,20万,2026-12-24,1.9
A2,K1,测试定期,定期存款,5万,2027-01-01,1.5
A3,K2,测试理财,理财,10万,,
"""
CONSENTS = """\
手机号,用途,同意,渠道,凭证,时间
13800000001,营销,是,柜面,表 1,2026-11-20 10:00
13800000002,营销,否,柜面,表 2,2026-11-20 10:00
13800000002,敏感画像,是,柜面,表 3,2026-11-20 10:00
"""


# -- customers -------------------------------------------------------------------------------


def test_two_friends_with_one_core_number_are_one_person(database: Database, take: Take) -> None:
    for who in ("wm_a", "wm_b", "wm_c"):
        befriend(database, who)
    file = "external_userid,core_id\nwm_a,K1\nwm_b,K1\nwm_c,K2\n"
    take("customers", file)
    take("customers", file)
    merged = rows(database, "SELECT external_userid, person, why FROM same_person ORDER BY 1")
    assert merged == [("wm_a", "wm_a", "core"), ("wm_b", "wm_a", "core")]
    assert rows(database, "SELECT count(*) FROM audit WHERE act = 'customers_merged'") == [(1,)]


def test_customers_are_created_with_what_the_bank_knows(database: Database, take: Take) -> None:
    assert figures(take("customers", CUSTOMERS)) == (2, 0, 0, 0)
    lunar = ("lunar", 8, "import", "2027-09-16", "L2027")
    solar = ("solar", 12, "import", "2026-12-01", "2026")
    assert rows(
        database,
        "SELECT external_userid, core_id, name, gender, assets, layer, key_person, friend,"
        " birthday_calendar, birthday_month, birthday_from, next_birthday_on, birthday_cycle"
        " FROM customer ORDER BY external_userid",
    ) == [
        ("wm_a", "K1", "测试客户甲", "female", 125_000, "middle", 1, 0, *lunar),
        ("wm_b", "K2", "测试客户乙", "male", 8_000, "potential", 0, 0, *solar),
    ]


def test_phones_and_addresses_are_sealed(database: Database, take: Take, tmp_path: Path) -> None:
    take("customers", CUSTOMERS)
    sealed = database.read().one("SELECT * FROM customer WHERE external_userid = 'wm_a'")
    assert sealed is not None
    assert VAULT.open_text(sealed["phone_sealed"]) == "13800000001"
    assert VAULT.open_text(sealed["address_sealed"]) == "测试路 1 号"
    take("holdings", HOLDINGS.replace("K1", "K9"))
    take("consents", CONSENTS.replace("13800000001", "13800000009"))
    written = b"".join(file.read_bytes() for file in tmp_path.glob("bot.db*"))
    for secret in ("13800000001", "13800000009", "测试路", "测试存单"):
        assert secret.encode() not in written


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("customers", CUSTOMERS),
        ("holdings", HOLDINGS),
        ("consents", CONSENTS),
        ("staff", "账号,姓名,角色\nlihua,测试员工甲,网点负责人\n"),
    ],
)
def test_the_same_file_twice_changes_nothing(
    database: Database, take: Take, clock: FixedClock, kind: str, text: str
) -> None:
    take("customers", CUSTOMERS)
    first = take(kind, text)
    before = dump(database.read())
    clock.move(timedelta(days=40))
    again = take(kind, text)
    assert figures(again) == (0, 0, first.total, 0)
    assert dump(database.read()) | {"import_run": before["import_run"]} == before


def test_what_the_core_system_says_overrides_talk_and_blanks_keep_it(
    database: Database, take: Take
) -> None:
    befriend(database, "wm_a")
    database.write(
        lambda db: db.run(
            "UPDATE customer SET occupation = '教师', birthday_calendar = 'solar',"
            " birthday_month = 1, birthday_day = 1, birthday_from = 'talk', name = '微信名'"
        )
    )
    report = take("customers", "外部联系人ID,姓名,职业,生日\nwm_a,测试客户甲,,1990-12-01\n")
    assert figures(report) == (0, 1, 0, 0)
    assert rows(
        database,
        "SELECT name, occupation, birthday_month, birthday_from, friend FROM customer",
    ) == [("测试客户甲", "教师", 12, "import", 1)]


def test_rows_join_by_phone_however_it_is_written(database: Database, take: Take) -> None:
    befriend(database, "wm_friend", "+86 138-0000-0001")
    assert figures(take("customers", "phone,core_id,name\n13800000001,K1,测试客户甲\n")) == (
        0,
        1,
        0,
        0,
    )
    assert rows(database, "SELECT external_userid, core_id FROM customer") == [("wm_friend", "K1")]


def test_a_second_customer_with_the_same_phone_is_not_mixed_up_with_the_first(
    database: Database, take: Take
) -> None:
    befriend(database, "wm_friend", "13800000001")
    text = "phone,core_id,name\n13800000001,K1,测试客户甲\n13800000001,K2,测试客户乙\n"
    assert figures(take("customers", text)) == (0, 1, 0, 1)
    assert figures(take("customers", text)) == (0, 0, 1, 1)
    assert rows(database, "SELECT core_id, name FROM customer") == [("K1", "测试客户甲")]


def test_one_person_with_two_accounts_is_met_as_a_friend_first(
    database: Database, take: Take
) -> None:
    take("customers", "external_userid,core_id\nwm_a,K1\nwm_b,K1\n")
    database.write(
        lambda db: db.run("UPDATE customer SET friend = 1 WHERE external_userid = 'wm_b'")
    )
    take("holdings", "account_ref,core_id\nA1,K1\n")
    assert rows(database, "SELECT external_userid FROM holding") == [("wm_b",)]


def test_an_older_customers_file_only_fills_blanks(database: Database, take: Take) -> None:
    text = "external_userid,assets,occupation\nwm_a,{}\n"
    take("customers", text.format("60000,"), date(2026, 11, 20))
    report = take("customers", text.format("9000,教师"), date(2026, 11, 10))
    assert figures(report) == (0, 1, 0, 0)
    assert rows(database, "SELECT assets, layer, occupation FROM customer") == [
        (60_000, "middle", "教师")
    ]


def test_an_erased_customer_is_not_brought_back(database: Database, take: Take) -> None:
    befriend(database, "wm_a")
    database.write(lambda db: db.run("UPDATE customer SET erased = 1"))
    report = take("customers", CUSTOMERS)
    assert [(problem.line, "要求删除" in problem.problem) for problem in report.bad] == [(2, True)]
    assert rows(database, "SELECT name FROM customer WHERE erased = 1") == [("",)]
    assert take("holdings", "account_ref,external_userid\nA1,wm_a\n").bad_rows == 1
    consent = "external_userid,purpose,granted,at\nwm_a,marketing,y,2026-11-20\n"
    assert take("consents", consent).bad_rows == 1


def test_a_birthday_that_no_calendar_has_is_a_bad_row(database: Database, take: Take) -> None:
    text = "external_userid,birthday,birthday_calendar,leap_month\nwm_a,12-15,农历,是\nwm_b,,,\n"
    report = take("customers", text)
    assert [(problem.line, problem.column) for problem in report.bad] == [(2, "生日")]
    assert rows(database, "SELECT external_userid FROM customer") == [("wm_b",)]


# -- bad rows, trial runs, batches -----------------------------------------------------------


def test_bad_rows_are_reported_and_good_ones_kept(database: Database, take: Take) -> None:
    report = take("customers", CUSTOMERS + "wm_c,K3,丙,电话,,,,,,\nwm_d,K4,丁,,,,,,,\n")
    assert (report.total, report.new, report.bad_rows) == (4, 3, 1)
    assert [problem.line for problem in report.bad] == [4]
    assert rows(database, "SELECT count(*) FROM customer") == [(3,)]


@pytest.mark.parametrize(
    ("kind", "text"), [("customers", CUSTOMERS), ("holdings", HOLDINGS), ("consents", CONSENTS)]
)
def test_a_trial_run_tells_the_same_and_writes_nothing(
    database: Database, take: Take, kind: str, text: str
) -> None:
    take("customers", CUSTOMERS.replace("8000", "9000").splitlines()[0] + "\nwm_a,K1" + "," * 8)
    before = dump(database.read())
    trial = take(kind, text, dry_run=True)
    assert dump(database.read()) == before
    assert trial.counts() == take(kind, text).counts()


def test_large_files_go_in_batches_and_tell_how_far_they_are(take: Take) -> None:
    done: list[int] = []
    text = "userid\n" + "".join(f"u{number}\n" for number in range(2500))
    report = take("staff", text, progress=done.append)
    assert done == [1000, 2000, 2500]
    assert (report.total, report.new) == (2500, 2500)


def test_a_run_is_on_record_with_counts_only(database: Database, take: Take) -> None:
    take("customers", CUSTOMERS, date(2026, 11, 20))
    ((kind, actor, at, summary, digest),) = rows(
        database, "SELECT kind, actor, at, summary, length(file_hash) FROM import_run"
    )
    assert (kind, actor, at, digest) == ("customers", "admin", int(NOW.timestamp() * 1000), 64)
    assert summary == (
        '{"total": 2, "new": 2, "changed": 0, "unchanged": 0, "closed": 0, "unmatched": 0,'
        ' "bad_rows": 0, "as_of": "2026-11-20"}'
    )


def test_unknown_columns_are_reported(take: Take) -> None:
    report = take("staff", "userid,备注\nlihua,甲\n")
    assert report.unknown_columns == ("备注",)


# -- holdings and statements -----------------------------------------------------------------


def test_holdings_join_people_by_core_number(database: Database, take: Take) -> None:
    take("customers", CUSTOMERS)
    assert figures(take("holdings", HOLDINGS)) == (3, 0, 0, 0)
    assert rows(
        database,
        "SELECT account_ref, external_userid, kind, amount, matures_on, rate, status FROM holding",
    ) == [
        ("A1", "wm_a", "large_cd", 200_000, "2026-12-24", 1.9, "open"),
        ("A2", "wm_a", "time_deposit", 50_000, "2027-01-01", 1.5, "open"),
        ("A3", "wm_b", "wealth", 100_000, None, None, "open"),
    ]


def statuses(database: Database) -> dict[str, str]:
    return dict(rows(database, "SELECT account_ref, status FROM holding"))


@pytest.fixture
def statement(take: Take) -> Callable[..., ImportReport]:
    take("customers", CUSTOMERS)

    def statement(accounts: str, as_of: date | None = None, **more: Any) -> ImportReport:
        text = "account_ref,core_id,amount\n" + "".join(f"{ref},K1,5万\n" for ref in accounts)
        return take("holdings", text, as_of, **more)

    return statement


def test_without_a_day_a_missing_row_closes_nothing(database: Database, statement: Take) -> None:
    statement("ABC")
    assert statement("A").closed == 0
    assert statuses(database) == {"A": "open", "B": "open", "C": "open"}


def test_a_full_statement_closes_what_it_lacks(database: Database, statement: Take) -> None:
    statement("ABC")
    assert statement("A", date(2026, 11, 20)).closed == 2
    assert statuses(database) == {"A": "open", "B": "closed", "C": "closed"}


def test_a_second_statement_of_the_same_day_counts_as_well(
    database: Database, statement: Take
) -> None:
    day = date(2026, 11, 20)
    statement("ABC", day)
    assert (statement("ABC", day).closed, statement("AB", day).closed) == (0, 1)
    assert statuses(database) == {"A": "open", "B": "open", "C": "closed"}


def test_an_older_statement_changes_nothing(
    database: Database, statement: Take, take: Take
) -> None:
    statement("AB", date(2026, 11, 20))
    report = statement("BC", date(2026, 11, 10))
    assert (report.new, report.changed, report.unchanged, report.closed) == (1, 0, 1, 0)
    assert statuses(database) == {"A": "open", "B": "open", "C": "open"}
    older = "account_ref,core_id,amount,as_of\nA,K1,9,2026-11-19\n"
    assert figures(take("holdings", older)) == (0, 0, 1, 0)
    newer = older.replace("19", "21")
    assert figures(take("holdings", newer)) == (0, 1, 0, 0)


def test_an_account_that_a_newer_statement_lists_again_is_open_again(
    database: Database, statement: Take
) -> None:
    statement("AB", date(2026, 11, 10))
    statement("A", date(2026, 11, 11))
    assert statement("AB", date(2026, 11, 12)).changed == 1
    assert statuses(database) == {"A": "open", "B": "open"}


def test_a_renewed_account_stays_renewed(database: Database, statement: Take, take: Take) -> None:
    take("holdings", "account_ref,core_id,状态\nA,K1,已续存\n")
    statement("B", date(2026, 11, 20))
    assert statuses(database) == {"A": "renewed", "B": "open"}


def test_the_day_may_stand_in_a_column(database: Database, statement: Take, take: Take) -> None:
    statement("ABC")
    report = take("holdings", "账户标识,客户号,数据日期\nA,K1,2026-11-20\n")
    assert report.closed == 2
    assert rows(database, "SELECT DISTINCT as_of FROM holding") == [("2026-11-20",)]


def test_rows_of_several_days_close_nothing_and_say_so(
    database: Database, statement: Take, take: Take
) -> None:
    statement("ABC")
    text = "账户标识,客户号,数据日期\nA,K1,2026-11-20\nB,K1,2026-11-19\n"
    report = take("holdings", text)
    assert report.closed == 0
    assert any("不一致" in note for note in report.notes)
    assert set(statuses(database).values()) == {"open"}


def test_a_bad_row_does_not_close_its_account(
    database: Database, statement: Take, take: Take
) -> None:
    statement("ABC")
    text = "account_ref,core_id,amount\nA,K1,5万\nB,K1,五万\n"
    report = take("holdings", text, date(2026, 11, 20))
    assert (report.bad_rows, report.closed) == (1, 1)
    assert statuses(database) == {"A": "open", "B": "open", "C": "closed"}


def test_a_row_whose_account_cannot_be_read_stops_all_closing(statement: Take, take: Take) -> None:
    statement("ABC")
    text = "account_ref,core_id,amount\nA,K1,5万\n,K1,5万\n"
    report = take("holdings", text, date(2026, 11, 20))
    assert report.closed == 0
    assert any("读不出账户标识" in note for note in report.notes)


def test_an_empty_statement_closes_nothing(database: Database, statement: Take) -> None:
    statement("ABC")
    assert statement("", date(2026, 11, 20)).closed == 0
    assert set(statuses(database).values()) == {"open"}


def test_a_statement_of_the_future_is_refused(statement: Take, take: Take) -> None:
    with pytest.raises(Invalid, match="将来"):
        statement("A", date(2026, 11, 25))
    statement("AB")
    report = take("holdings", "账户标识,客户号,数据日期\nA,K1,2026-11-25\n")
    assert (report.bad_rows, report.closed) == (1, 0)


def test_a_trial_run_counts_what_would_be_closed(database: Database, statement: Take) -> None:
    statement("ABC")
    assert statement("A", date(2026, 11, 20), dry_run=True).closed == 2
    assert set(statuses(database).values()) == {"open"}


def test_closing_reaches_every_account_of_a_large_store(statement: Take) -> None:
    many = [f"X{number}" for number in range(4500)]
    statement(many)
    assert statement([*many[:2], *many[-2:]], date(2026, 11, 20)).closed == 4496


def test_an_account_that_is_listed_twice_is_told(database: Database, statement: Take) -> None:
    report = statement("AAB")
    assert any("重复" in note for note in report.notes)
    assert rows(database, "SELECT count(*) FROM holding") == [(2,)]


# -- rows that wait --------------------------------------------------------------------------


def test_rows_of_strangers_wait_and_are_taken_in_when_their_phone_appears(
    database: Database, take: Take, clock: FixedClock
) -> None:
    assert figures(take("customers", "core_id,phone,name\nK1,13800000001,测试客户甲\n")) == (
        0,
        0,
        0,
        1,
    )
    assert figures(take("holdings", HOLDINGS)) == (0, 0, 0, 3)
    assert figures(take("consents", CONSENTS)) == (0, 0, 0, 3)
    befriend(database, "wm_a", "13800000001")
    assert resolve(database, clock, "wm_a") == 4
    assert rows(database, "SELECT name, core_id, marketing_ok FROM customer") == [
        ("测试客户甲", "K1", 1)
    ]
    assert rows(database, "SELECT account_ref, external_userid FROM holding") == [
        ("A1", "wm_a"),
        ("A2", "wm_a"),
    ]
    assert rows(database, "SELECT count(*) FROM unmatched") == [(3,)]
    assert resolve(database, clock, "wm_a") == 0


def test_importing_the_person_takes_in_the_rows_that_waited(database: Database, take: Take) -> None:
    take("holdings", HOLDINGS)
    take("consents", CONSENTS)
    report = take("customers", CUSTOMERS)
    assert any("另有 6 行" in note for note in report.notes)
    assert rows(database, "SELECT count(*) FROM unmatched") == [(0,)]
    assert rows(database, "SELECT marketing_ok, refused, sensitive_ok FROM customer") == [
        (1, 0, 0),
        (0, 1, 1),
    ]


def test_a_row_that_waited_adds_to_a_newer_file_and_overrides_nothing(
    database: Database, take: Take
) -> None:
    take("customers", "phone,core_id,name,occupation\n13800000001,,旧名,教师\n")
    take("holdings", "account_ref,core_id,status\nA1,K1,closed\n")
    text = "external_userid,core_id,phone,name\nwm_a,K1,13800000001,新名\n"
    take("customers", text, date(2026, 11, 20))
    assert rows(database, "SELECT name, occupation FROM customer") == [("新名", "教师")]
    assert rows(database, "SELECT status, as_of FROM holding") == [("closed", None)]


def test_a_waiting_row_is_replaced_by_its_next_version_but_never_by_an_older_one(
    database: Database, take: Take
) -> None:
    for amount, day in ((1, 18), (2, 20), (3, 19)):
        text = f"account_ref,core_id,amount\nA1,K1,{amount}\n"
        take("holdings", text, date(2026, 11, day))
    take("customers", "external_userid,core_id\nwm_a,K1\n")
    assert rows(database, "SELECT amount, as_of FROM holding") == [(2, "2026-11-20")]


def test_a_full_statement_also_ends_the_waiting_of_what_it_lacks(
    database: Database, take: Take
) -> None:
    take("holdings", HOLDINGS, date(2026, 11, 19))
    take("holdings", HOLDINGS.rsplit("A3", 1)[0], date(2026, 11, 20))
    assert rows(database, "SELECT row_key FROM unmatched ORDER BY row_key") == [("A1",), ("A2",)]


def test_a_row_that_found_its_person_waits_no_longer(database: Database, take: Take) -> None:
    take("holdings", "account_ref,core_id\nA1,K1\n")
    take("holdings", "account_ref,core_id,external_userid\nA1,K1,wm_a\n")
    assert rows(database, "SELECT count(*) FROM unmatched") == [(0,)]


# -- consents --------------------------------------------------------------------------------


def test_consents_set_the_flags_of_their_people(database: Database, take: Take) -> None:
    take("customers", CUSTOMERS)
    assert figures(take("consents", CONSENTS)) == (3, 0, 0, 0)
    assert rows(
        database,
        "SELECT marketing_ok, refused, sensitive_ok, profiling_ok FROM customer",
    ) == [(1, 0, 0, 0), (0, 1, 1, 0)]


def test_a_refusal_in_talk_wins_over_an_older_form_and_not_over_a_newer_one(
    database: Database, take: Take
) -> None:
    at = int(datetime.fromisoformat("2026-11-21T12:00:00+08:00").timestamp() * 1000)
    take("customers", CUSTOMERS)
    database.write(
        lambda db: record_refusal(db, "wm_a", "marketing", channel="talk", proof="m1", at=at)
    )
    form = "external_userid,purpose,granted,at\nwm_a,marketing,y,{}\n"
    flags = "SELECT marketing_ok, refused FROM customer WHERE external_userid = 'wm_a'"
    take("consents", form.format("2026-11-21"))
    assert rows(database, flags) == [(0, 1)]
    take("consents", form.format("2026-11-22"))
    assert rows(database, flags) == [(1, 0)]


def test_a_refusal_by_a_shared_phone_counts_for_everybody_and_a_grant_for_nobody(
    database: Database, take: Take
) -> None:
    for who in ("wm_a", "wm_b"):
        befriend(database, who, "13800000001")
    text = "phone,purpose,granted,at\n13800000001,marketing,{},2026-11-2{}\n"
    assert figures(take("consents", text.format("y", 0))) == (0, 0, 0, 1)
    take("consents", text.format("n", 1))
    assert rows(database, "SELECT marketing_ok, refused FROM customer") == [(0, 1), (0, 1)]


def test_a_refusal_in_a_file_is_told_once_so_that_what_is_under_way_can_be_stopped(
    take: Take,
) -> None:
    told: list[str] = []

    def refused(_: Db, who: str) -> None:
        told.append(who)

    take("customers", CUSTOMERS)
    for _ in range(2):
        take("consents", CONSENTS, refused=refused)
    assert told == ["wm_b"]
    older = "external_userid,purpose,granted,at\nwm_a,marketing,n,2026-11-19\n"
    take("consents", older, refused=refused)
    assert told == ["wm_b"]


def test_a_consent_of_the_future_is_refused(take: Take) -> None:
    text = "external_userid,purpose,granted,at\nwm_a,marketing,y,2026-11-24 10:01\n"
    assert take("consents", text).bad_rows == 1
    assert take("consents", text.replace("10:01", "10:00")).new == 1


# -- staff -----------------------------------------------------------------------------------


def test_the_banks_role_wins_and_a_blank_keeps_what_is_known(
    database: Database, take: Take
) -> None:
    database.write(
        lambda db: db.many(
            "INSERT INTO staff (userid, name, branch, role, active) VALUES (?, ?, ?, ?, 1)",
            [("lihua", "测试员工甲", "甲支行", "owner"), ("wangwu", "测试员工乙", "", "owner")],
        )
    )
    text = "账号,网点,角色,资格,代理人\nlihua,,网点负责人,基金;保险,wangwu\nwangwu,乙支行,,,\n"
    assert figures(take("staff", text)) == (0, 2, 0, 0)
    assert rows(
        database, "SELECT userid, name, branch, role, role_from, certificates, deputy FROM staff"
    ) == [
        ("lihua", "测试员工甲", "甲支行", "head", "import", "保险,基金", "wangwu"),
        ("wangwu", "测试员工乙", "乙支行", "owner", "wecom", "", ""),
    ]
