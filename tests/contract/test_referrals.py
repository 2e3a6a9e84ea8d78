"""Who brought whom: written down once, never in a circle, undone, thanked once, counted."""

# the names carry the ids of the compliance rules

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from branch_world import TODAY, Branch, build_branch, shanghai

from bot.clock import FixedClock
from bot.errors import Invalid
from bot.importing import ImportReport
from bot.model import ExternalUserId
from bot.recording import note_brought, record_event
from bot.rulebook import Rulebook
from bot.store import erasure, measures, people, persons, referrals
from bot.store.db import Database, Db
from bot.store.imports import import_file, resolve_unmatched
from bot.vault import Vault
from bot.wire import parse

TOMORROW = TODAY + timedelta(days=1)


@pytest.fixture
def branch(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Branch:
    found = build_branch(store, vault, clock, rules)
    found.only("referral")
    for each in ("wm_a", "wm_b", "wm_c"):
        found.meet(each)
    return found


def record(branch: Branch, referred: str, referrer: str, by: str = "lin") -> bool:
    return branch.store.write(
        lambda db: referrals.record(db, referred, referrer, source="staff", by=by, now=branch.now)
    )


def refused(branch: Branch, referred: str, referrer: str) -> str:
    with pytest.raises(Invalid) as wrong:
        record(branch, referred, referrer)
    return str(wrong.value)


def undo(branch: Branch, referred: str) -> bool:
    return branch.store.write(lambda db: referrals.undo(db, referred))


def pairs(store: Database) -> list[tuple[str, str, str, str]]:
    rows = store.read().rows("SELECT * FROM referral ORDER BY referred")
    return [(row["referred"], row["referrer"], row["status"], row["source"]) for row in rows]


def next_day(branch: Branch) -> None:
    branch.clock.move(shanghai(2026, 11, 25, 9, 0) - branch.clock.now())
    branch.compared()


# -- who brought whom


def test_it_is_written_down_once(branch: Branch) -> None:
    assert [True, False] == [record(branch, "wm_b", "wm_a"), record(branch, "wm_b", "wm_a")]
    own, _ = referrals.of_customer(branch.store.read(), "wm_b")
    _, brought = referrals.of_customer(branch.store.read(), "wm_a")
    assert own is not None
    assert ("wm_a", ["wm_b"]) == (own["referrer"], [row["referred"] for row in brought])


def test_nobody_is_brought_by_themselves_by_two_or_in_a_circle(branch: Branch) -> None:
    record(branch, "wm_b", "wm_a")
    record(branch, "wm_c", "wm_b")
    assert "自己" in refused(branch, "wm_a", "wm_a")
    assert "已经有介绍人" in refused(branch, "wm_b", "wm_c")
    assert "不能反过来" in refused(branch, "wm_a", "wm_c")
    assert "还不认识" in refused(branch, "wm_a", "wm_nobody")
    assert 2 == len(pairs(branch.store))


def test_nobody_brings_themselves_by_another_id_nor_is_brought_twice_by_two(
    branch: Branch,
) -> None:
    branch.meet("wm_d")
    branch.store.write(lambda db: persons.merge(db, ["wm_a", "wm_d"], "hand", "lin", branch.now))
    assert "自己" in refused(branch, "wm_a", "wm_d")
    record(branch, "wm_a", "wm_b")
    assert "已经有介绍人" in refused(branch, "wm_d", "wm_c")
    assert "不能反过来" in refused(branch, "wm_b", "wm_d")


def test_what_was_undone_can_be_written_down_anew(branch: Branch) -> None:
    record(branch, "wm_b", "wm_a")
    assert [True, False] == [undo(branch, "wm_b"), undo(branch, "wm_b")]
    assert record(branch, "wm_b", "wm_c")
    assert [("wm_b", "wm_c", "current", "staff")] == pairs(branch.store)


def test_a_new_friend_who_comes_by_a_customers_way_was_brought_by_them(branch: Branch) -> None:
    code = branch.store.write(lambda db: referrals.code_of(db, "wm_a"))
    assert code == branch.store.write(lambda db: referrals.code_of(db, "wm_a"))
    assert len(code.encode()) <= 30  # WeCom's limit of a state

    def befriend(who: str, state: str) -> None:
        def keep(db: Db) -> None:
            people.know_person(db, who, branch.now, "")
            follow = {"userid": "lin", "state": state, "createtime": 1_700_000_000}
            people.keep_follow(db, ExternalUserId(who), follow)
            note_brought(db, who, branch.now)

        branch.store.write(keep)

    befriend("wm_new", code)
    befriend("wm_other", "counter")
    befriend("wm_wrong", "ref-nobody")
    assert [("wm_new", "wm_a", "current", "way")] == pairs(branch.store)
    undo(branch, "wm_new")
    befriend("wm_new", code)
    assert [("wm_new", "wm_a", "undone", "way")] == pairs(branch.store)


def test_the_callback_of_a_new_friend_tells_who_brought_them(branch: Branch) -> None:
    code = branch.store.write(lambda db: referrals.code_of(db, "wm_a"))
    body = f"""<xml><ToUserName><![CDATA[toUser]]></ToUserName>
<FromUserName><![CDATA[sys]]></FromUserName><CreateTime>1796000000</CreateTime>
<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[change_external_contact]]></Event>
<ChangeType><![CDATA[add_external_contact]]></ChangeType><UserID><![CDATA[lin]]></UserID>
<ExternalUserID><![CDATA[wm_new]]></ExternalUserID><State><![CDATA[{code}]]></State>
<WelcomeCode><![CDATA[W]]></WelcomeCode></xml>"""
    event = parse(body.encode())
    branch.store.write(lambda db: list(record_event(db, event, branch.now)))
    assert [("wm_new", "wm_a", "current", "way")] == pairs(branch.store)


def test_who_was_a_friend_before_was_brought_by_nobody(branch: Branch) -> None:
    code = branch.store.write(lambda db: referrals.code_of(db, "wm_a"))
    follow = {"userid": "zhou", "state": code, "createtime": 1_750_000_000}
    branch.store.write(lambda db: people.keep_follow(db, ExternalUserId("wm_b"), follow))
    branch.store.write(lambda db: note_brought(db, "wm_b", branch.now))
    assert [] == pairs(branch.store)


def test_D6_nothing_of_an_erased_person_stays(branch: Branch) -> None:
    record(branch, "wm_b", "wm_a")
    branch.store.write(lambda db: referrals.code_of(db, "wm_a"))
    branch.store.write(lambda db: erasure.erase(db, "wm_a", "lee", branch.now))
    assert ([], 0) == (
        pairs(branch.store),
        branch.store.read().value("SELECT count(*) FROM referral_code"),
    )


# -- thanks


def test_who_brought_somebody_is_thanked_once_the_day_after(branch: Branch) -> None:
    record(branch, "wm_b", "wm_a")
    assert 0 == branch.plan(TODAY)
    next_day(branch)
    assert [1, 0, 0] == [
        branch.plan(TOMORROW),
        branch.plan(TOMORROW),
        branch.plan(TOMORROW + timedelta(days=1)),
    ]
    branch.send()
    (task,) = branch.wecom.tasks
    assert (["wm_a"], "谢谢您把我们介绍给身边的朋友" in task.text) == (task.customers, True)
    for word in ("wm_b", "开户", "存款", "礼"):
        assert word not in task.text


def test_undoing_drops_the_thanks_and_writing_it_down_again_thanks_nobody_twice(
    branch: Branch,
) -> None:
    record(branch, "wm_b", "wm_a")
    next_day(branch)
    branch.plan(TOMORROW)
    undo(branch, "wm_b")
    branch.send()
    assert [("drop", '["G15"]')] == branch.decisions("wm_a")
    record(branch, "wm_b", "wm_a")
    assert 0 == branch.plan(TOMORROW + timedelta(days=1))
    assert [] == branch.wecom.tasks


def test_G3_G4_thanks_pass_the_gate_like_any_greeting(branch: Branch) -> None:
    branch.meet("wm_d", consented=False)
    record(branch, "wm_b", "wm_a")
    record(branch, "wm_c", "wm_d")
    branch.refuse("wm_a")
    next_day(branch)
    assert 2 == branch.plan(TOMORROW)
    branch.send()
    assert [[("drop", '["G3"]')], [("drop", '["G4"]')]] == [
        branch.decisions("wm_a"),
        branch.decisions("wm_d"),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("purpose: greeting", "purpose: marketing\nabout: bank"),
        ("purpose: greeting", "purpose: marketing\nabout: bank\noffer: 餐饮"),
    ],
)
def test_K6_thanks_for_bringing_somebody_are_words_and_never_a_benefit(
    rules: Rulebook, old: str, new: str
) -> None:
    source = (Path(__file__).parents[2] / "templates/campaigns/referral.md").read_text("utf-8")
    with pytest.raises(Invalid) as wrong:
        rules.parse(source.replace(old, new), "referral.md")
    assert "referral 只能是 greeting" in str(wrong.value)


def test_what_customers_brought_counts_for_whoever_looks_after_them(branch: Branch) -> None:
    record(branch, "wm_b", "wm_a")
    record(branch, "wm_c", "wm_a")
    undo(branch, "wm_c")
    rows = measures.people(branch.store.read(), "", TODAY, 0, branch.now)
    assert {"lin": 1, "zhou": 0} == {row["userid"]: row["brought"] for row in rows}
    assert [1] == [row["brought"] for row in measures.branches(rows)]


# -- the bank's file


@pytest.fixture
def take(branch: Branch, tmp_path: Path) -> Callable[[str], ImportReport]:
    def take(text: str) -> ImportReport:
        file = tmp_path / "referrals.csv"
        head = "外部联系人ID,手机号,介绍人,介绍人手机号,时间\n"
        file.write_text(head + text, encoding="utf-8")
        return import_file(
            branch.store,
            branch.vault,
            branch.clock,
            file,
            "referrals",
            as_of=None,
            actor="admin",
            dry_run=False,
            derivation=branch.rules.derivation,
        )

    return take


def test_a_file_says_who_brought_whom_and_twice_changes_nothing(
    branch: Branch, take: Callable[[str], ImportReport]
) -> None:
    rows = "wm_b,,wm_a,,2026-11-20\nwm_a,,wm_b,,2026-11-20\nwm_c,,wm_x,,2026-11-20\n"
    first, again = take(rows), take(rows)
    assert (1, [3, 4]) == (first.new, [each.line for each in first.bad])
    assert "不能反过来" in first.bad[0].problem
    assert (0, 1) == (again.new, again.unchanged)
    undo(branch, "wm_b")
    assert 0 == take(rows.partition("\n")[0]).new  # a person's word counts more than the file
    assert [("wm_b", "wm_a", "undone", "import")] == pairs(branch.store)


def test_a_row_waits_until_its_customer_is_known(
    branch: Branch, take: Callable[[str], ImportReport]
) -> None:
    assert 1 == take(",13900000009,wm_a,,2026-11-20\n").unmatched

    def learn(db: Db) -> None:
        db.run(
            "UPDATE customer SET phone_hash = :hash WHERE external_userid = 'wm_b'",
            hash=branch.vault.phone_hash("13900000009"),
        )
        resolve_unmatched(db, branch.vault, branch.clock, "wm_b", branch.rules.derivation)

    branch.store.write(learn)
    assert [("wm_b", "wm_a", "current", "import")] == pairs(branch.store)
