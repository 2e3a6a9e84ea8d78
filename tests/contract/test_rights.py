"""D6: what customers ask about their data has a clock, an owner and a proof; D5: two people."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from madeup import MadeUp, build_branch, open_branch

from bot.actions import Errand, TellStaff
from bot.duedates import raise_overdue
from bot.errors import Invalid
from bot.model import Role
from bot.store import consents, journal, ledger, rights
from bot.store.catalogue import catalogue
from bot.store.db import Db
from bot.store.erasure import erase, mark_of
from bot.store.held import copied_tables, rows_of
from bot.store.sight import Viewer
from bot.web import rights as acts
from bot.web.copying import DATA, PAGE

EAST, WEST = "城东支行", "城西支行"
CHEN = Viewer("chenxy", Role.MANAGER, EAST)
ZHOU = Viewer("zhoujun", Role.HEAD, EAST)
HE = Viewer("heguan", Role.COMPLIANCE, EAST)
QIN = Viewer("qinlan", Role.MANAGER, WEST)
WHO = "wmWang"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up branch, built once; each test has a copy."""
    folder = tmp_path_factory.mktemp("rights") / "branch"
    build_branch(folder).database.close()
    return folder


@pytest.fixture
def branch(built: Path, tmp_path: Path) -> Iterator[MadeUp]:
    found = open_branch(Path(shutil.copytree(built, tmp_path / "branch")))
    yield found
    found.database.close()


def asked(branch: MadeUp, kind: str = "copy", who: Viewer = CHEN, **given: str) -> int:
    told = {"via": "counter", "asked_on": "2026-12-01", "words": "本人持身份证到柜面要求"} | given
    number = acts.open_request(branch.services, who, WHO, kind=kind, **told)
    assert number is not None
    return number


def row(branch: MadeUp, number: int) -> dict[str, object]:
    found = branch.database.read().one("SELECT * FROM rights_request WHERE id = :id", id=number)
    assert found is not None
    return dict(found)


def trail(branch: MadeUp) -> list[str]:
    rows = branch.database.read().rows("SELECT act FROM audit WHERE object LIKE 'rights:%'")
    return [each["act"] for each in rows]


def exported(branch: MadeUp, number: int, who: Viewer = CHEN) -> tuple[str, dict[str, object]]:
    made = acts.export(branch.services, who, number)
    assert made is not None
    assert hashlib.sha256(made).hexdigest() == row(branch, number)["proof"]
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        return archive.read(PAGE).decode(), json.loads(archive.read(DATA))


def approved(branch: MadeUp, kind: str = "copy") -> int:
    number = asked(branch, kind)
    acts.decide(branch.services, ZHOU, number, agreed=True, note="")
    return number


# -- clock, owner, second person


def test_D6_a_request_has_an_owner_and_fifteen_working_days_from_the_day_it_was_asked(
    branch: MadeUp,
) -> None:
    found = row(branch, asked(branch, asked_on="2026-11-27"))
    assert ("chenxy", "2026-12-18", "waiting") == (
        found["owner"],
        found["due_on"],
        found["status"],
    )
    assert ["open_right"] == trail(branch)


def test_D5_a_copy_wants_a_reason_and_a_second_person(branch: MadeUp) -> None:
    with pytest.raises(Invalid, match="至少四个字"):
        asked(branch, words=" 看 ")
    number = asked(branch)
    with pytest.raises(Invalid, match="批准之后"):
        acts.export(branch.services, CHEN, number)
    for nobody in (CHEN, Viewer("mazy", Role.ADMIN, EAST)):
        with pytest.raises(Invalid, match="另一位负责人"):
            acts.decide(branch.services, nobody, number, agreed=True, note="")
    own = asked(branch, "delete", ZHOU)
    with pytest.raises(Invalid, match="另一位负责人"):
        acts.decide(branch.services, ZHOU, own, agreed=True, note="")
    acts.decide(branch.services, HE, number, agreed=True, note="")
    assert "open" == row(branch, number)["status"]
    with pytest.raises(Invalid, match="承办员工"):
        acts.export(branch.services, HE, number)


def test_D6_who_decides_and_who_acts_are_told(branch: MadeUp) -> None:
    def told() -> list[tuple[str, str]]:
        rows = branch.database.read().rows("SELECT payload FROM outbox WHERE kind = 'TellStaff'")
        found = [json.loads(each["payload"]) for each in rows]
        return [(each["words"], each["userid"]) for each in found if "right" in each["words"]]

    number = asked(branch)
    assert [("staff_right_waiting", "zhoujun")] == told()
    asked(branch, "correct")
    assert 1 == len(told())
    acts.decide(branch.services, ZHOU, number, agreed=True, note="")
    assert ("staff_right_approved", "chenxy") == told()[-1]
    asked(branch, "delete", ZHOU)
    assert ("staff_right_waiting", "heguan") == told()[-1]


def test_D5_another_branch_knows_nothing_of_it(branch: MadeUp) -> None:
    number = asked(branch)
    assert None is rights.request(branch.database.read(), QIN, number)
    assert None is acts.export(branch.services, QIN, number)
    given = {"kind": "copy", "via": "phone", "asked_on": "2026-12-01", "words": "电话里要求"}
    assert None is acts.open_request(branch.services, QIN, WHO, **given)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "burn"}, "要求什么"),
        ({"via": "smoke"}, "怎么提出"),
        ({"asked_on": "昨天"}, "提出的日期"),
        ({"asked_on": "2026-12-02"}, "不能晚于今天"),
        ({"asked_on": "2026-09-01"}, "60 天"),
        ({"kind": "withdraw", "purpose": "weather"}, "撤回哪一项"),
    ],
)
def test_D6_what_cannot_be_is_told(branch: MadeUp, wrong: dict[str, str], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        asked(branch, **{"kind": "copy", **wrong})


def test_D6_the_same_is_not_opened_twice(branch: MadeUp) -> None:
    asked(branch)
    with pytest.raises(Invalid, match="还在办"):
        asked(branch)


def test_D6_a_request_past_its_day_is_raised_once_to_somebody_above(branch: MadeUp) -> None:
    number = asked(branch, "explain")
    told: list[Errand] = []

    def look() -> int:
        day = branch.clock.now().date()
        now = int(branch.clock.now().timestamp() * 1000)

        def add(_db: Db, errand: Errand, _now: int) -> bool:
            told.append(errand)
            return True

        return int(branch.write(lambda db: raise_overdue(db, day, now, branch.rules.label, add)))

    branch.clock.move(timedelta(days=21))
    assert 0 == look()
    branch.clock.move(timedelta(days=1))
    assert (1, 0) == (look(), look())
    (errand,) = told
    assert isinstance(errand, TellStaff)
    assert ("zhoujun", "zhoujun") == (errand.userid, row(branch, number)["raised_to"])
    text = branch.rules.renderer.render(
        branch.rules.messages[errand.words], {**errand.values, "customer": "王姐"}
    )
    assert "王姐的申请(要求解释,第 1 号)该在12月22日" in text
    assert "陈小雨" in text


# -- the copy


def test_D6_the_copy_holds_what_is_held_with_its_reasons(branch: MadeUp) -> None:
    page, data = exported(branch, approved(branch))
    for told in (
        "王秀兰",
        "个体商户",
        "城东邻里群",
        "大额存单",
        "好友关系",
        "陈小雨",
        "同意和拒收",
        "18.6万元",
    ):
        assert told in page, told
    tables = [table.name for table in copied_tables()]
    read = branch.database.read()
    assert {name for name in tables if rows_of(read, catalogue()[name], WHO)} == set(data) - {
        "about"
    }
    pushes = data["push"]["rows"]  # type: ignore[index]  # a table
    assert pushes
    assert all(each["account"] for each in pushes)
    assert "谁写的 随产品发布的原文 生日" in page
    moments = [each["sent_at"] for each in data["message"]["rows"]]  # type: ignore[index]  # as above
    assert sorted(moments) == moments


def test_D6_the_copy_tells_nothing_of_others(branch: MadeUp) -> None:
    def say(db: Db) -> None:
        db.run(
            "UPDATE escalation SET note = :note WHERE external_userid = :id",
            note="李国强 13912345678 也问过,她自己的是 18600001111",
            id=WHO,
        )
        vault = branch.services.vault
        db.run(
            "UPDATE customer SET phone_sealed = :p WHERE external_userid = :id",
            p=vault.seal_text("18600001111"),
            id=WHO,
        )

    branch.write(say)
    page, data = exported(branch, approved(branch))
    whole = page + json.dumps(data, ensure_ascii=False)
    assert "18600001111 " not in whole.replace("18600001111", "")
    assert "她自己的是 18600001111" in whole
    others = [
        each[0]
        for each in branch.database.read().rows(
            "SELECT name FROM customer WHERE external_userid <> :id AND name <> ''"
            " UNION SELECT external_userid FROM customer WHERE external_userid <> :id",
            id=WHO,
        )
    ]
    assert [] == [each for each in [*others, "13912345678"] if each in whole]


def test_D5_every_copy_has_its_watermark_and_its_line_in_the_trail(branch: MadeUp) -> None:
    number = approved(branch)
    page, data = exported(branch, number)
    mark = f"仅供 王秀兰 本人 · 申请 {number} 号 · 陈小雨 · 2026-12-01 10:20"
    assert page.count(mark) >= 10
    assert mark == data["about"]["watermark"]  # type: ignore[index]  # the cover
    assert "C2 类 3 级" == data["about"]["secrecy"]  # type: ignore[index]  # as above
    kept = branch.database.read().one("SELECT why FROM audit WHERE act = 'export_copy'")
    assert kept is not None
    assert json.loads(kept["why"])["sha256"] == row(branch, number)["proof"]


def test_D6_a_copy_is_done_when_there_was_one_and_somebody_says_how(branch: MadeUp) -> None:
    number = approved(branch)
    with pytest.raises(Invalid, match="还没有生成过"):
        acts.finish(branch.services, CHEN, number, "done", "当面交给本人")
    exported(branch, number)
    with pytest.raises(Invalid, match="至少四个字"):
        acts.finish(branch.services, CHEN, number, "done", "")
    proof = row(branch, number)["proof"]
    acts.finish(branch.services, CHEN, number, "done", "当面交给本人,已签收")
    found = row(branch, number)
    assert ("done", "chenxy", proof) == (found["status"], found["closed_by"], found["proof"])
    steps = [each["step"] for each in rights.steps(branch.database.read(), number)]
    assert ["opened", "approved", "exported", "done"] == steps
    assert ["open_right", "approve_right", "export_copy", "close_right"] == trail(branch)
    assert None is journal.first_broken_link(branch.database.read())


# -- the others


def test_D6_a_withdrawal_takes_effect_when_it_is_written_down(branch: MadeUp) -> None:
    asked(branch, "withdraw", purpose="marketing")
    assert [WHO] == [each.customer for each in branch.acted]  # type: ignore[union-attr]  # a refusal
    asked(branch, "withdraw", purpose="profiling")
    assert consents.is_impersonal(branch.database.read(), WHO)


def test_T3_without_the_separate_consent_sensitive_facts_and_sums_go(branch: MadeUp) -> None:
    read = branch.database.read()
    some = "SELECT count(*) FROM fact WHERE external_userid = :id AND status <> 'recalled'"
    sensitive = f"{some} AND (class = 'sensitive' OR amount IS NOT NULL)"
    (who,) = {
        each["external_userid"]
        for each in read.rows("SELECT * FROM fact WHERE class = 'sensitive' LIMIT 1")
    }
    assert read.value(sensitive, id=who)
    branch.write(lambda db: ledger.forget_sensitive(db, who))
    assert 0 == read.value(sensitive, id=who)


def test_D6_a_deletion_that_a_second_person_agrees_to_is_done_at_once(branch: MadeUp) -> None:
    copy, number = asked(branch), asked(branch, "delete")
    acts.decide(branch.services, ZHOU, number, agreed=True, note="")
    found, other = row(branch, number), row(branch, copy)
    assert ("done", mark_of(WHO), mark_of(WHO)) == (
        found["status"],
        found["external_userid"],
        found["proof"],
    )
    assert ("ended", None, mark_of(WHO)) == (
        other["status"],
        other["words_sealed"],
        other["external_userid"],
    )
    assert rights.closed(branch.database.read(), HE)


def test_D6_nothing_is_left_of_somebody_erased_but_the_mark(branch: MadeUp) -> None:
    def join(db: Db) -> None:
        db.run(
            "INSERT INTO event (code, name, starts_at, ends_at, seats, taken, sign_up_until)"
            " VALUES ('e', '茶会', 1, 2, 5, 2, 1)"
        )
        db.run(
            "INSERT INTO signup (event_id, external_userid, party, status, at)"
            " VALUES (1, :id, 2, 'going', 0)",
            id=WHO,
        )
        db.run(
            "INSERT INTO assignment (campaign, subject, arm, at) VALUES ('a', :id, 'holdout', 0)",
            id=WHO,
        )
        db.run(
            "INSERT INTO journey (campaign, external_userid, started_at) VALUES ('a', :id, 0)",
            id=WHO,
        )

    branch.write(join)
    asked(branch)
    branch.write(lambda db: erase(db, WHO, "cli", 0))
    read = branch.database.read()
    left = {
        table
        for table in catalogue()
        for each in read.rows(f'SELECT * FROM "{table}"')
        if WHO in " ".join(str(value) for value in tuple(each))
    }
    # A task's id in the made-up branch is made of the recipient's.
    assert {"customer"} == left - {"audit", "send_task"}
    assert 0 == read.value("SELECT taken FROM event")
