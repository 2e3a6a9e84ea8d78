"""Who lives in the made-up branch and what happened there this morning."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from bot.clock import SHANGHAI
from bot.facts import Evidence, Fact, FactType
from bot.model import ArchivedMessage, ChatId, ExternalUserId, MsgId
from bot.rulebook import Rulebook
from bot.store import cases, consents, journal, ledger, people, pushes, standing, talk
from bot.store.db import Db
from bot.vault import Vault

if TYPE_CHECKING:
    from madeup import MadeUp

NOW = datetime(2026, 12, 1, 10, 20, tzinfo=SHANGHAI)
EAST, WEST = "城东支行", "城西支行"
STAFF = (
    ("chenxy", "陈小雨", EAST, "manager"),
    ("mazy", "马志远", EAST, "manager"),
    ("liumin", "刘敏", EAST, "owner"),
    ("zhoujun", "周俊", EAST, "head"),
    ("heguan", "何冠", EAST, "compliance"),
    ("qinlan", "秦岚", WEST, "manager"),
)
# id, name, remark, friend of, gender, occupation, assets, month and day of birth, age
PEOPLE = (
    ("wmWang", "王秀兰", "王姐", "chenxy", 2, "个体商户", 186_000, (12, 1), 52),
    ("wmLi", "李国强", "李叔", "chenxy", 1, "退休工人", 442_000, (10, 3), 67),
    ("wmFang", "方慧珍", "方姐", "mazy", 2, "企业主", 1_260_000, (5, 18), 46),
    ("wmChen", "陈雅琴", "陈老师", "mazy", 2, "教师", 96_000, (12, 8), 38),
    ("wmDeng", "邓小琼", "邓姐", "chenxy", 2, "职员", 41_500, (3, 22), 40),
    ("wmGe", "葛长贵", "葛老哥", "liumin", 1, "果农", 63_000, (8, 8), 58),
    ("wmXu", "许淑贞", "许奶奶", "mazy", 2, "退休医生", 880_000, (5, 5), 76),
    ("wmSun", "孙红梅", "", "", 2, "", None, None, None),
    ("wmQian", "钱一鸣", "钱先生", "qinlan", 1, "司机", 23_000, (1, 9), 35),
)
GROUPS = (
    ("wrStreet", "城东邻里群", "liumin", ("wmWang", "wmLi", "wmDeng", "wmSun", "wmXu")),
    ("wrShop", "东街商户朋友群", "chenxy", ("wmWang", "wmFang", "wmSun")),
    ("wrField", "种养技术交流群", "liumin", ("wmGe",)),
    ("wrWest", "城西家长群", "qinlan", ("wmQian",)),
)


def at(hour: int, minute: int, second: int = 0, *, back: int = 0) -> int:
    """A moment of the day of the tests, or so many days before, in epoch milliseconds."""
    moment = NOW.replace(hour=hour, minute=minute, second=second) - timedelta(days=back)
    return int(moment.timestamp() * 1000)


def refresh(db: Db, rules: Rulebook, customers: list[str] | None) -> None:
    moment = int(NOW.timestamp() * 1000)
    standing.refresh_all(db, rules, NOW.date(), moment, customers)


def fill(db: Db, branch: MadeUp) -> None:
    vault = branch.services.vault
    _staff(db)
    _tags(db)
    for person in PEOPLE:
        _person(db, vault, *person)
    for chat_id, name, owner, members in GROUPS:
        _group(db, chat_id, name, owner, members)
    _holdings(db)
    _consents(db)
    _talk(db, vault)
    refresh(db, branch.rules, None)
    _facts(db, branch)
    refresh(db, branch.rules, None)
    _pushes(db, branch)
    _cases(db, branch)
    _journal(db, branch)
    journal.audit(db, "import", "import", "customers", at(8, 30), rows=9)


def _staff(db: Db) -> None:
    for userid, name, branch, role in STAFF:
        db.run(
            "INSERT INTO staff (userid, name, branch, role) VALUES (:u, :n, :b, :r)",
            u=userid,
            n=name,
            b=branch,
            r=role,
        )


def _tags(db: Db) -> None:
    names = [("t1", "大额存单", "interest:large_cd"), ("t2", "中端", "layer:middle")]
    people.keep_tags(
        db,
        [
            {
                "group_id": "g",
                "group_name": "群管",
                "tag": [{"id": tag, "name": name} for tag, name, _ in names],
            }
        ],
    )
    for _, name, slug in names:
        people.bind_tag(db, "群管", name, slug)


def _person(
    db: Db,
    vault: Vault,
    customer: str,
    name: str,
    remark: str,
    friend: str,
    gender: int,
    occupation: str,
    assets: int | None,
    born: tuple[int, int] | None,
    age: int | None,
) -> None:
    created = at(9, 0, back=200)
    if friend:
        contact = {"external_userid": customer, "name": name, "gender": gender}
        tags = [{"tag_id": "t1"}, {"tag_id": "t2"}] if customer == "wmWang" else []
        follow = {
            "userid": friend,
            "remark": remark,
            "createtime": created // 1000,
            "tags": tags,
            "remark_mobiles": [f"1380000{created % 9000 + 1000}"] if remark else [],
        }
        people.keep_customer(db, vault, contact, [follow], created, complete=True)
    else:
        people.know_person(db, customer, created, name)
    if assets is None:
        return
    db.run(
        "UPDATE customer SET core_id = :core, occupation = :occupation, assets = :assets,"
        " birthday_calendar = 'solar', birthday_month = :month, birthday_day = :day,"
        " birthday_year = :year, risk_level = 'C2', risk_valid_to = '2027-06-30',"
        " manager = :manager WHERE external_userid = :id",
        core=f"core-{customer}",
        occupation=occupation,
        assets=assets,
        month=born[0] if born else None,
        day=born[1] if born else None,
        year=2026 - age if age else None,
        manager=friend,
        id=customer,
    )


def _group(db: Db, chat_id: str, name: str, owner: str, members: tuple[str, ...]) -> None:
    joined = at(9, 30, back=90)
    listed = [{"userid": owner, "name": "", "join_time": joined // 1000}]
    for member in members:
        when = at(9, 12) if member == "wmSun" else joined
        nickname = "红梅傲雪" if member == "wmSun" else ""
        listed.append({"userid": member, "name": nickname, "join_time": when // 1000})
    group = {
        "chat_id": chat_id,
        "name": name,
        "owner": owner,
        "member_list": listed,
        "create_time": joined // 1000,
    }
    people.keep_group(db, group, joined)


def _holdings(db: Db) -> None:
    rows = (
        ("a1", "wmWang", "整存整取三年", "time_deposit", 80_000, "2026-12-08"),
        ("a2", "wmLi", "整存整取一年", "time_deposit", 200_000, "2026-12-31"),
        ("a3", "wmFang", "大额存单 2024 第 6 期", "large_cd", 500_000, "2027-04-10"),
        ("a4", "wmXu", "", "time_deposit", 500_000, "2027-02-01"),
    )
    for ref, customer, product, kind, amount, matures in rows:
        db.run(
            "INSERT INTO holding (account_ref, external_userid, core_id, product, kind, amount,"
            " matures_on, opened_on, rate) VALUES (:ref, :id, :core, :product, :kind, :amount,"
            " :matures, '2023-12-08', 1.75)",
            ref=ref,
            id=customer,
            core=f"core-{customer}",
            product=product,
            kind=kind,
            amount=amount,
            matures=matures,
        )


def _consents(db: Db) -> None:
    for customer in ("wmWang", "wmLi", "wmFang", "wmXu", "wmChen", "wmGe"):
        consents.record_consent(
            db,
            customer,
            "marketing",
            granted=True,
            channel="import",
            proof=f"form-{customer}",
            at=at(9, 0, back=100),
        )
    for customer in ("wmWang", "wmFang"):
        consents.record_consent(
            db,
            customer,
            "profiling_sensitive",
            granted=True,
            channel="import",
            proof=f"form2-{customer}",
            at=at(9, 0, back=100),
        )
    consents.record_refusal(db, "wmDeng", "marketing", channel="talk", proof="m-deng", at=at(9, 40))
    for chat_id, _, _, members in GROUPS:
        for member in members:
            talk.keep_agreement(db, chat_id, member, agreed=True, at=at(9, 0, back=90))


def _talk(db: Db, vault: Vault) -> None:
    for back in range(1, 28):
        for customer, every, count in (("wmWang", 2, 3), ("wmLi", 3, 1), ("wmFang", 5, 2)):
            for number in range(count if back % every == 0 else 0):
                chat = "wrShop" if customer == "wmFang" else "wrStreet"
                _say(db, vault, customer, chat, "今天菜价还行", at(19, number, back=back))


def _say(db: Db, vault: Vault, customer: str, chat_id: str, text: str, moment: int) -> str:
    msgid = f"m-{customer}-{moment}"
    sent = datetime.fromtimestamp(moment / 1000, SHANGHAI)
    message = ArchivedMessage(
        MsgId(msgid), moment, customer, (), ChatId(chat_id), sent, "text", text
    )
    talk.keep_message(db, vault, message, chat_id, "read")
    talk.count_activity(db, message, asks="?" in text)
    return msgid


SAID: tuple[tuple[Any, ...], ...] = (
    # customer, chat, moment, text, type, value, words, confidence
    (
        "interest", "wmWang", "wrStreet", (9, 31, 0), "我想聊聊大额存单,现在几个点?",
        "product.interest", {"product": "large_cd"}, "我想聊聊大额存单", 0.92,
    ),
    (
        "inflow", "wmWang", "wrShop", (9, 48, 0), "下旬有一笔二十万的货款到账",
        "cash.inflow",
        {"amount": 200_000, "date_from": "2026-12-21", "date_to": "2026-12-31", "source": "货款"},
        "下旬有一笔二十万的货款到账", 0.9,
    ),
    (
        "other_bank", "wmFang", "wrShop", (9, 52, 0), "我工行有五十万定期下月中旬到期",
        "holding.other_bank",
        {"bank": "工商银行", "product": "time_deposit", "amount": 500_000,
         "date_from": "2027-01-11", "date_to": "2027-01-20"},
        "工行有五十万定期下月中旬到期", 0.91,
    ),
    (
        "complaint", "wmLi", "wrStreet", (9, 55, 0), "昨天排队排了两小时,柜台就开一个",
        "risk.complaint", {"topic": "queue"}, "昨天排队排了两小时", 0.88,
    ),
    (
        "hobby", "wmLi", "wrStreet", (9, 56, 0), "周末还是去水库钓鱼自在",
        "interest.hobby", {"name": "钓鱼"}, "去水库钓鱼", 0.84,
    ),
    (
        "maybe", "wmWang", "wrStreet", (9, 58, 0), "女儿那边可能要用钱",
        "cash.outflow", {}, "可能要用钱", 0.45,
    ),
    (
        "farm", "wmGe", "wrField", (10, 2, 0), "我种了三十亩葡萄,就缺个冷库",
        "work.occupation", {"group": "farmer", "trade": "葡萄", "area_mu": 30},
        "我种了三十亩葡萄", 0.93,
    ),
)  # fmt: skip


def _facts(db: Db, branch: MadeUp) -> None:
    vault = branch.services.vault
    for name, customer, chat, moment, text, kind, value, words, confidence in SAID:
        said = at(*moment)
        msgid = _say(db, vault, customer, chat, text, said)
        start = text.index(words)
        fact = Fact(
            FactType(kind),
            value,
            Evidence(start, start + len(words), words),
            confidence,
            f"{kind}.1",
            "1",
        )
        source = ledger.Source(msgid, datetime.fromtimestamp(said / 1000, SHANGHAI))
        found = ledger.add_fact(db, vault, ExternalUserId(customer), fact, source)
        assert found is not None
        branch.ids[name] = found


def _pushes(db: Db, branch: MadeUp) -> None:
    texts = {
        "wmWang": "王姐,祝您生日快乐,身体健康,事事顺心。\n——城东支行 陈小雨",
        "wmLi": "李叔,您有一笔定期存款12月31日(周四)到期。\n续存、转存或支取,手机银行和网点都能办。"
        "\n要我提前准备什么,回我一声就行。\n——城东支行 陈小雨",
        "wmFang": "方姐,您有一笔大额存单12月31日(周四)到期。\n——城东支行 马志远",
    }
    rows: tuple[tuple[Any, ...], ...] = (
        ("wmWang", "birthday", "0", "greeting", "chenxy", "tasked", []),
        ("wmLi", "maturity", "30", "service", "chenxy", "confirmed", []),
        ("wmDeng", "birthday", "0", "greeting", "chenxy", "dropped", ["G3"]),
        ("wmSun", "birthday", "0", "greeting", "", "dropped", ["G2", "G4"]),
        ("wmChen", "birthday", "0", "greeting", "mazy", "held", ["G12"]),
        ("wmQian", "birthday", "0", "greeting", "qinlan", "planned", []),
    )
    for customer, occasion, step, purpose, sender, status, rules in rows:
        push_id = db.insert(
            "INSERT INTO push (key, campaign, version, occasion, cycle, step, external_userid,"
            " purpose, channel, sender, branch, planned_on, due_at, useful_until, status, rules)"
            " VALUES (:key, :occasion, '1', :occasion, '2026', :step, :id, :purpose,"
            " 'mass_single', :sender, :branch, '2026-12-01', :due, :until, :status, :rules)",
            key=f"{occasion}:2026:{customer}:{step}",
            occasion=occasion,
            step=step,
            id=customer,
            purpose=purpose,
            sender=sender,
            branch=EAST,
            due=at(9, 0),
            until=at(23, 59),
            status=status,
            rules=json.dumps(rules),
        )
        branch.ids[f"push {customer}"] = push_id
        if status in {"tasked", "confirmed"}:
            row = db.one("SELECT * FROM push WHERE id = :id", id=push_id)
            assert row is not None
            task = pushes.create_task(
                db,
                [row],
                text_sealed=branch.services.vault.seal_text(texts[customer]),
                text_hash=customer,
                version="1",
                now=at(9, 0, 5),
            )
            pushes.move_task(db, task, "accepted", at(9, 0, 6), wecom_msgid=f"msg-{customer}")
        if status == "confirmed":
            pushes.end(db, push_id, "confirmed", "sent", at(9, 20))


def _cases(db: Db, branch: MadeUp) -> None:
    rows = (
        ("interest", "large_cd", "wmWang", "wrStreet", "chenxy", "interest", at(11, 31)),
        ("complaint", "queue", "wmLi", "wrStreet", "chenxy", "complaint", at(10, 15)),
        ("competitor_maturity", "工商银行", "wmFang", "wrShop", "mazy", "other_bank", at(17, 0)),
        ("inflow", "货款", "wmWang", "wrShop", "chenxy", "inflow", at(17, 0)),
        ("active", "", "wmLi", "wrStreet", "chenxy", "", at(17, 0)),
    )
    for number, (kind, topic, customer, chat, assignee, fact, deadline) in enumerate(rows):
        found = cases.open_case(
            db,
            kind=kind,
            topic=topic,
            customer=customer,
            chat_id=chat,
            branch=EAST,
            assignee=assignee,
            fact_id=branch.ids.get(fact),
            at=at(9, 31, number),
            deadline=deadline,
            quiet_since=0,
        )
        assert found is not None
        branch.ids[f"case {kind}"] = found
        cases.add_step(db, found, "bot", "card sent", at(9, 32, number), note=assignee)
    cases.raise_case(db, branch.ids["case complaint"], "zhoujun", at(10, 16))
    cases.close_case(db, branch.ids["case active"], "contacted", "chenxy", at(9, 50))  # type: ignore[arg-type]  # a plain id will do in a test


def _journal(db: Db, branch: MadeUp) -> None:
    ids = branch.ids
    for moment, kind, about in (
        (at(8, 55), "reconciled", {"friendships": 9, "groups": 4}),
        (at(8, 55, 2), "day_planned", {"on": "2026-12-01", "planned": 6}),
        (at(9, 0), "push_tasked", {"customer": "wmWang", "userid": "chenxy",
                                   "ref": ids["push wmWang"], "campaign": "birthday"}),
        (at(9, 0, 1), "push_dropped", {"customer": "wmDeng", "ref": ids["push wmDeng"],
                                       "campaign": "birthday", "rules": ["G3"]}),
        (at(9, 0, 2), "push_held", {"customer": "wmChen", "ref": ids["push wmChen"],
                                    "campaign": "birthday", "rules": ["G12"]}),
        (at(9, 0, 6), "task_accepted", {"userid": "chenxy", "ref": 1, "task": 1}),
        (at(9, 12), "joined_group", {"customer": "wmSun", "chat_id": "wrStreet"}),
        (at(9, 14), "friend_added", {"customer": "wmDeng", "userid": "chenxy", "state": ""}),
        (at(9, 14, 1), "welcomed", {"customer": "wmDeng", "userid": "chenxy"}),
        (at(9, 20), "push_confirmed", {"customer": "wmLi", "userid": "chenxy",
                                       "ref": ids["push wmLi"], "campaign": "maturity"}),
        (at(9, 31), "fact_learned", {"customer": "wmWang", "chat_id": "wrStreet",
                                     "ref": ids["interest"], "type": "product.interest"}),
        (at(9, 31, 0), "case_opened", {"customer": "wmWang", "chat_id": "wrStreet",
                                       "userid": "chenxy", "ref": ids["case interest"],
                                       "case": "interest", "topic": "large_cd"}),
        (at(9, 31, 1), "card_sent", {"customer": "wmWang", "userid": "chenxy",
                                     "ref": ids["case interest"], "case": "interest",
                                     "overdue": False}),
        (at(9, 31, 2), "tags_marked", {"customer": "wmWang", "userid": "chenxy",
                                       "add": ["t1"], "remove": []}),
        (at(9, 40), "refused", {"customer": "wmDeng", "scope": "marketing"}),
        (at(9, 48), "fact_learned", {"customer": "wmWang", "chat_id": "wrShop",
                                     "ref": ids["inflow"], "type": "cash.inflow"}),
        (at(9, 48, 1), "segments", {"customer": "wmWang", "entered": ["promised_inflow"],
                                    "left": []}),
        (at(9, 52), "fact_learned", {"customer": "wmFang", "chat_id": "wrShop",
                                     "ref": ids["other_bank"], "type": "holding.other_bank"}),
        (at(9, 52, 1), "segments", {"customer": "wmFang", "entered": ["competitor_maturity"],
                                    "left": []}),
        (at(9, 55), "fact_learned", {"customer": "wmLi", "chat_id": "wrStreet",
                                     "ref": ids["complaint"], "type": "risk.complaint"}),
        (at(9, 58), "fact_pending", {"customer": "wmWang", "chat_id": "wrStreet",
                                     "ref": ids["maybe"], "type": "cash.outflow"}),
        (at(10, 2), "fact_learned", {"customer": "wmGe", "chat_id": "wrField",
                                     "ref": ids["farm"], "type": "work.occupation"}),
        (at(10, 12), "case_closed", {"customer": "wmLi", "userid": "chenxy",
                                     "ref": ids["case active"], "outcome": "contacted"}),
        (at(10, 15), "case_overdue", {"customer": "wmLi", "userid": "zhoujun",
                                      "ref": ids["case complaint"], "case": "complaint"}),
        (at(10, 16), "joined_group", {"customer": "wmQian", "chat_id": "wrWest"}),
    ):  # fmt: skip
        journal.note(db, kind, moment, **about)
