"""P4: a thousand passwords and codes come in by every way there is, and none is found anywhere."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

from live_branch import BRANCH, KFID, LI, ZHAO, Branch
from structlog.testing import capture_logs

from bot.clock import today
from bot.model import Role
from bot.store.sight import Viewer
from bot.web.copying import make_copy
from bot.web.rights import open_request

FORMS = ("密码是{}", "验证码：{}", "{}是我的验证码", "支付密码 {} 帮我转一下", "CVV{}")
OFTEN = {0: 320, 1: 320, 2: 340, 3: 20}
"""Employees get an answer to each line, so that they write less."""


def canaries(way: int) -> list[str]:
    """Numbers of eight digits that nothing else in the branch has."""
    return [f"73{way}{number:05d}" for number in range(OFTEN[way])]


def everything(branch: Branch) -> Iterator[str]:
    """Every value of every table, opened when it is sealed."""
    for (table,) in branch.rows("SELECT name FROM sqlite_master WHERE type = 'table'"):
        for row in branch.rows(f"SELECT * FROM {table}"):
            yield from (_plain(branch, name, row[name]) for name in row.keys())  # noqa: SIM118  # a row


def _plain(branch: Branch, name: str, value: Any) -> str:
    if name.endswith("_sealed") and value:
        return branch.bot.vault.open(value).decode()
    return str(value)


def copy_of(branch: Branch, customer: str) -> str:
    """What the customer would be handed."""
    services, who = branch.bot.services, Viewer(LI, Role.MANAGER, BRANCH)
    asked = {"kind": "copy", "via": "chat", "asked_on": today(services.clock).isoformat()}
    number = open_request(services, who, customer, **asked, words="客户要一份资料")
    db = services.database.read()
    row = db.one("SELECT * FROM rights_request WHERE id = :id", id=number)
    assert row is not None
    with zipfile.ZipFile(io.BytesIO(make_copy(services, db, row, who))) as archive:
        return "\n".join(archive.read(name).decode() for name in archive.namelist())


def test_P4_D2_no_password_or_code_is_stored_logged_or_sent_on(branch: Branch) -> None:
    world = branch.world
    customer = branch.customer("周小满", LI)
    chat_id = branch.group(ZHAO, customer)
    world.kf_enter(customer, KFID)
    branch.settle()
    ways = {
        0: lambda words: world.say(customer, words, chat_id=chat_id),
        1: lambda words: world.say(customer, words, peer=LI),
        2: lambda words: world.kf_say(customer, KFID, words),
        3: lambda words: world.staff_text(LI, f"查 {words}"),
    }
    world.say(customer, "不是密码的话", peer=LI)
    with capture_logs() as logs:
        for way, say in ways.items():
            for number, canary in enumerate(canaries(way)):
                say(FORMS[number % len(FORMS)].format(canary))
        branch.settle(120)
    assert (
        branch.value("SELECT count(*) FROM message WHERE kind = 'text'")
        >= sum(OFTEN.values()) - OFTEN[3]
    )
    wanted = {canary for way in ways for canary in canaries(way)}
    stored = "\n".join(everything(branch))
    assert [] == sorted(one for one in wanted if one in stored)
    assert logs
    assert [] == sorted(one for one in wanted if one in repr(logs))
    told = "\n".join(branch.texts_to(LI) + branch.texts_to(ZHAO))
    assert [] == sorted(one for one in wanted if one in told)
    copy = copy_of(branch, customer)
    assert "不是密码的话" in copy
    assert [] == sorted(one for one in wanted if one in copy)


def test_D2_the_customer_is_told_to_take_it_back(branch: Branch) -> None:
    customer = branch.customer("周小满", LI)
    branch.world.kf_enter(customer, KFID)
    branch.settle()
    branch.world.kf_say(customer, KFID, "密码是abc123 你帮我看看")
    branch.world.say(customer, "验证码482913", peer=LI)
    branch.settle()
    sent = branch.world.delivered(channel="kf", external_userid=customer)
    assert any("请尽快撤回" in one["text"] for one in sent)
    assert any("没有保存" in text for text in branch.texts_to(LI))


def test_D2_what_was_said_around_it_is_still_understood(branch: Branch) -> None:
    customer = branch.customer("周小满", LI)
    branch.settle()
    branch.world.say(customer, "大额存单现在多少利率? 我手机银行密码是abc123", peer=LI)
    branch.settle()
    assert {"product.interest": {"product": "large_cd"}} == branch.facts(customer)
