"""Judged messages as labelled lines: what people said, what may be read, nobody recognisable."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from madeup import TOKEN, MadeUp
from madeup_town import NOW, at

from bot.app import Bot
from bot.clock import SHANGHAI
from bot.errors import Invalid
from bot.facts import Evidence, Fact, FactType
from bot.model import ArchivedMessage, ChatId, ExternalUserId, MsgId, Role
from bot.rulerecord import ask_export, export, record_lines
from bot.rulework import score_lines
from bot.store import journal, ledger, talk
from bot.store.db import Db
from bot.store.labelled import labelled
from bot.store.sight import Viewer
from bot.web import exporting
from bot.web.corrections import correct_fact
from config.settings import Settings
from handlers.reading import Reader
from handlers.reading.offline import read_lines

API = Viewer("api", Role.ADMIN, sensitive=True)
REASON = "月度规则评分"


@pytest.fixture
def bot(madeup: MadeUp, tmp_path: Path) -> Iterator[Bot]:
    """A bot that does not run, on the same folder."""
    found = Bot(
        Settings(
            _env_file=None,
            qunguan_data_dir=tmp_path / "store",
            qunguan_secret_key="a secret for tests only",
            qunguan_api_token=TOKEN,
        )
    )
    found.clock = madeup.clock
    yield found
    found.database.close()


def judge(madeup: MadeUp, name: str, status: str, **value: Any) -> None:
    assert correct_fact(madeup.services, API, madeup.ids[name], status, value or None)


def lines(madeup: MadeUp) -> dict[str, dict[str, Any]]:
    """What would be exported, by text."""
    found = labelled(madeup.database.read(), madeup.services.vault)
    return {each.text: json.loads(each.line()) for each in found}


def test_the_last_word_of_a_person_is_the_label(madeup: MadeUp) -> None:
    judge(madeup, "farm", "confirmed", area_mu=40)
    judge(madeup, "hobby", "rejected")
    found = lines(madeup)
    farm = found["我种了三十亩葡萄,就缺个冷库"]
    assert farm["facts"] == [
        {
            "type": "work.occupation",
            "value": {"group": "farmer", "trade": "葡萄", "area_mu": 40},
            "evidence": {"start": 0, "end": 8, "text": "我种了三十亩葡萄"},
            "rule": "work.occupation.1",
            "version": "1",
            "verdict": "changed",
        }
    ]
    assert (farm["sent_at"], farm["rejected"]) == ("2026-12-01T10:02:00+08:00", [])
    hobby = found["周末还是去水库钓鱼自在"]
    assert (hobby["facts"], [each["value"] for each in hobby["rejected"]]) == (
        [],
        [{"name": "钓鱼"}],
    )
    assert len(found) == 2


def test_what_nobody_looked_at_is_marked(madeup: MadeUp) -> None:
    judge(madeup, "farm", "confirmed")
    add = Fact(FactType.HOBBY, {"name": "园艺"}, Evidence(0, 3, "我种了"), 0.9, "hobby.x", "1")
    row = ledger.fact_row(madeup.database.read(), madeup.ids["farm"])
    assert row is not None
    source = ledger.Source(row["msgid"], NOW)
    vault = madeup.services.vault
    who = ExternalUserId("wmGe")
    madeup.write(lambda db: ledger.add_fact(db, vault, who, add, source))
    (found,) = lines(madeup).values()
    assert [each["verdict"] for each in found["facts"]] == ["confirmed", "unjudged"]


def test_a_line_names_nobody(madeup: MadeUp) -> None:
    text = "我是王秀兰,货款打13800000001,家住幸福路3号2单元"
    say(madeup, "m-who", text, ("cash.inflow", {"source": "货款"}, 6, 10))
    judge(madeup, "said", "confirmed")
    (found,) = lines(madeup).values()
    assert found["text"] == "我是●●●,货款打●●●●●●●●●●●,●●●●●●●●●●"
    assert found["facts"][0]["evidence"]["text"] == "货款打●"
    assert "wmWang" not in json.dumps(found)
    assert "m-who" not in json.dumps(found)


def say(
    madeup: MadeUp,
    msgid: str,
    text: str,
    fact: tuple[str, dict[str, Any], int, int],
    before: str = "",
) -> None:
    """A line of wmWang's with one fact, which may begin in the line before."""
    kind, value, start, end = fact
    vault, sent = madeup.services.vault, datetime.fromtimestamp(at(10, 5) / 1000, SHANGHAI)
    chat = ChatId("wrStreet")

    def keep(db: Db) -> None:
        told = [(msgid, text, sent)]
        if before:
            told.insert(0, (f"{msgid}-before", before, sent - timedelta(seconds=20)))
        for number, words, moment in told:
            one = ArchivedMessage(MsgId(number), 1, "wmWang", (), chat, moment, "text", words)
            talk.keep_message(db, vault, one, chat, "read")
        words = f"{before}\n{text[:end]}" if before else text[start:end]
        found = Fact(FactType(kind), value, Evidence(start, end, words), 0.9, "said.1", "1")
        number = ledger.add_fact(
            db, vault, ExternalUserId("wmWang"), found, ledger.Source(msgid, sent)
        )
        assert number is not None
        madeup.ids["said"] = number

    madeup.write(keep)


def test_a_thought_in_two_lines_is_one_line(madeup: MadeUp) -> None:
    say(madeup, "m-two", "月底到", ("cash.inflow", {"source": "货款"}, 0, 3), before="有笔货款")
    judge(madeup, "said", "confirmed")
    (found,) = lines(madeup).values()
    assert (found["text"], found["facts"][0]["evidence"]) == (
        "有笔货款\n月底到",
        {"start": 0, "end": 8, "text": "有笔货款\n月底到"},
    )


def test_a_thought_whose_first_line_was_taken_back_is_left_out(madeup: MadeUp) -> None:
    say(madeup, "m-two", "月底到", ("cash.inflow", {"source": "货款"}, 0, 3), before="有笔货款")
    judge(madeup, "said", "confirmed")
    madeup.write(lambda db: talk.set_state(db, "m-two-before", "recalled"))
    assert lines(madeup) == {}


def recalled(db: Db) -> None:
    db.run("UPDATE message SET state = 'recalled' WHERE sender = 'wmGe'")


def disagreed(db: Db) -> None:
    db.run("UPDATE agreement SET status = 'Disagree' WHERE external_userid = 'wmGe'")


def restricted(db: Db) -> None:
    db.run("UPDATE customer SET restricted = 1 WHERE external_userid = 'wmGe'")


def wordless(db: Db) -> None:
    db.run("UPDATE message SET text_sealed = NULL WHERE sender = 'wmGe'")


def in_customer_service(db: Db) -> None:
    db.run("UPDATE message SET conversation = 'wkDesk|wmGe' WHERE sender = 'wmGe'")


@pytest.mark.parametrize("stop", [recalled, disagreed, restricted, wordless, in_customer_service])
def test_T1_what_may_not_be_read_now_is_left_out(
    madeup: MadeUp, stop: Callable[[Db], None]
) -> None:
    judge(madeup, "farm", "confirmed")
    madeup.write(stop)
    assert lines(madeup) == {}


def test_C2_sensitive_values_go_where_their_consent_stands(madeup: MadeUp) -> None:
    judge(madeup, "inflow", "confirmed")
    judge(madeup, "other_bank", "confirmed")
    assert len(lines(madeup)) == 2
    madeup.write(lambda db: db.run("UPDATE customer SET sensitive_ok = 0"))
    (found,) = lines(madeup).values()
    assert [(each["type"], "amount" in each["value"]) for each in found["facts"]] == [
        ("cash.inflow", False)
    ]
    assert found["text"] == "下旬有一笔●●●的货款到账"


# -- the commands


HE = Viewer("heguan", Role.COMPLIANCE, "城东支行")


def agreed(bot: Bot) -> int:
    """An export that a second person agreed to."""
    number = exporting.ask(bot.database, bot.clock, "zhoujun", REASON)
    exporting.decide(bot.database, bot.clock, HE, number, agreed=True)
    return number


def test_D5_an_export_wants_a_reason_and_a_second_person_and_is_written_once(
    madeup: MadeUp, bot: Bot, tmp_path: Path
) -> None:
    judge(madeup, "farm", "confirmed")
    file = tmp_path / "labelled.jsonl"
    assert "第 1 号" in ask_export(bot, f" {REASON} ", "heguan")
    with pytest.raises(Invalid, match="还没有批准"):
        export(bot, file, 1)
    for nobody in (HE, API, Viewer("zhoujun", Role.HEAD, "城东支行")):
        with pytest.raises(Invalid, match="另一位"):
            exporting.decide(bot.database, bot.clock, nobody, 1, agreed=True)
    assert not file.exists()
    city = Viewer("shi", Role.CITY)
    exporting.decide(bot.database, bot.clock, city, 1, agreed=True)
    assert "1 条消息,1 条事实" in export(bot, file, 1)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (line,) = map(json.loads, file.read_text("utf-8").splitlines())
    assert "导出 1 号 · heguan · 2026-12-01 10:20" == line["watermark"]
    rows = madeup.database.read().rows("SELECT actor, act, why FROM audit ORDER BY id DESC LIMIT 3")
    assert [
        ("heguan", "export_examples"),
        ("shi", "approve_export"),
        ("heguan", "ask_export"),
    ] == [(row["actor"], row["act"]) for row in rows]
    assert json.loads(rows[0]["why"]) == {
        "request": 1,
        "reason": REASON,
        "approved_by": "shi",
        "messages": 1,
        "facts": 1,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
    assert journal.first_broken_link(madeup.database.read()) is None
    with pytest.raises(Invalid, match="已经导出过"):
        export(bot, tmp_path / "again.jsonl", 1)


def test_D5_a_file_that_is_there_is_left_alone_and_the_approval_stays(
    madeup: MadeUp, bot: Bot, tmp_path: Path
) -> None:
    judge(madeup, "farm", "confirmed")
    file = tmp_path / "labelled.jsonl"
    file.write_text("mine", "utf-8")
    number = agreed(bot)
    with pytest.raises(Invalid, match="不会覆盖"):
        export(bot, file, number)
    assert "mine" == file.read_text("utf-8")
    export(bot, tmp_path / "other.jsonl", number)


def test_D5_an_approval_of_an_export_lasts_a_week(madeup: MadeUp, bot: Bot, tmp_path: Path) -> None:
    judge(madeup, "farm", "confirmed")
    number = agreed(bot)
    madeup.clock.move(timedelta(days=7, seconds=1))
    with pytest.raises(Invalid, match="重新申请"):
        export(bot, tmp_path / "x.jsonl", number)


def test_D5_an_export_that_is_refused_or_unknown_is_not_made(
    madeup: MadeUp, bot: Bot, tmp_path: Path
) -> None:
    judge(madeup, "farm", "confirmed")
    number = exporting.ask(bot.database, bot.clock, "zhoujun", REASON)
    exporting.decide(bot.database, bot.clock, HE, number, agreed=False)
    with pytest.raises(Invalid, match="没有批准"):
        export(bot, tmp_path / "x.jsonl", number)
    with pytest.raises(Invalid, match="另一位"):
        exporting.decide(bot.database, bot.clock, HE, number, agreed=True)
    with pytest.raises(Invalid, match="没有第 9 号"):
        export(bot, tmp_path / "x.jsonl", 9)


def test_D5_the_second_person_is_told_of_an_export(madeup: MadeUp, bot: Bot) -> None:
    for by, second in (("zhoujun", "heguan"), ("heguan", None)):
        exporting.ask(bot.database, bot.clock, by, REASON)
        rows = madeup.database.read().rows("SELECT payload FROM outbox WHERE kind = 'TellStaff'")
        told = [json.loads(row["payload"]) for row in rows]
        assert [second or "heguan"] == [each["userid"] for each in told]
    text = bot.rules.renderer.render(bot.rules.messages[told[0]["words"]], told[0]["values"])
    assert "周俊申请导出员工判断过的话(第 1 号)" in text


@pytest.mark.parametrize(
    ("reason", "by", "said"),
    [
        ("", "heguan", "--reason"),
        ("  ", "heguan", "--reason"),
        ("评分", "heguan", "--reason"),
        (REASON, "", "--by"),
        (REASON, "nobody", "--by"),
    ],
)
def test_D5_without_a_reason_and_a_name_nothing_can_be_asked_for(
    madeup: MadeUp, bot: Bot, reason: str, by: str, said: str
) -> None:
    judge(madeup, "farm", "confirmed")
    with pytest.raises(Invalid, match=said):
        ask_export(bot, reason, by)


def test_without_verdicts_the_export_says_what_to_do(bot: Bot, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="核实或否定"):
        ask_export(bot, REASON, "zhoujun")
    with pytest.raises(Invalid, match="没有可以导出"):
        export(bot, tmp_path / "x.jsonl", agreed(bot))
    assert not (tmp_path / "x.jsonl").exists()


def test_an_export_whose_trail_cannot_be_written_leaves_no_file(
    madeup: MadeUp, bot: Bot, tmp_path: Path
) -> None:
    judge(madeup, "farm", "confirmed")
    number = agreed(bot)
    madeup.write(lambda db: db.run("DROP TABLE audit"))
    with pytest.raises(Exception, match="audit"):
        export(bot, tmp_path / "x.jsonl", number)
    assert not (tmp_path / "x.jsonl").exists()


def test_a_file_that_cannot_be_made_is_answered_with_its_reason(
    madeup: MadeUp, bot: Bot, tmp_path: Path
) -> None:
    judge(madeup, "farm", "confirmed")
    with pytest.raises(Invalid, match="请换一个位置"):
        export(bot, tmp_path / "nowhere" / "x.jsonl", agreed(bot))


def test_exported_lines_are_read_like_any_others(madeup: MadeUp, bot: Bot, tmp_path: Path) -> None:
    for name in ("farm", "inflow"):
        judge(madeup, name, "confirmed")
    export(bot, tmp_path / "x.jsonl", agreed(bot))
    text = (tmp_path / "x.jsonl").read_text("utf-8").splitlines()
    wrong: list[tuple[int, str]] = []
    reader = Reader.load(bot.settings.qunguan_config_dir)
    answers = read_lines(text, reader, expressions=False, on_error=lambda *flaw: wrong.append(flaw))
    told = {
        answer["id"]: [each["type"] for each in answer["facts"]]
        for answer in map(json.loads, answers)
    }
    wanted = {
        line["id"]: [each["type"] for each in line["facts"]] for line in map(json.loads, text)
    }
    assert (wanted, []) == (told, wrong)
    found = score_lines(text, reader, lambda *flaw: wrong.append(flaw))
    assert (found.micro.right, found.micro.wanted, found.messages, wrong) == (2, 2, 2, [])


def test_the_record_is_told_in_words(madeup: MadeUp, bot: Bot) -> None:
    judge(madeup, "farm", "confirmed", area_mu=40)
    judge(madeup, "hobby", "rejected")
    told = list(record_lines(bot, None, None))
    assert told == [
        "2026-09-03 到 2026-12-01,员工判断过的规则 2 条",
        "interest.hobby.1 第 1 版 爱好:核实 0,否定 1,改正 0,准确率 0%(至少 0%),最近用到 2026-12-01",
        (
            "work.occupation.1 第 1 版 职业:核实 0,否定 0,改正 1,准确率 0%(至少 0%),"
            "最近用到 2026-12-01"
        ),
    ]


def test_the_record_without_verdicts_says_how_they_come_about(bot: Bot) -> None:
    assert "核实" in list(record_lines(bot, None, None))[-1]


def test_days_the_wrong_way_round_are_refused(bot: Bot) -> None:
    with pytest.raises(Invalid, match="--from"):
        list(record_lines(bot, NOW.date(), NOW.date() - timedelta(days=1)))
