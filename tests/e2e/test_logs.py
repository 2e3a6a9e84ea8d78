"""I7: whatever happens, the log of a running bot holds no customer and no secret."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bot_process import ROOT, BotProcess, FileClock, process_branch
from live_branch import BRANCH, KFID, LI, MORNING, ZHAO, until

from bot.sandbox.app import SandboxServer

NAME, REMARK, NICK = "欧阳锦程", "锦程大哥", "锦绣前程万里"
PHONE = "10099887766"
ADDRESS = "翠竹巷十七号"
LINES = (
    "我在工行有二十七万定期明年三月到期",
    "下个月有一笔318000货款回来",
    "大额存单现在多少利率?我的电话是10055443322",
    "排队排了两个小时,我要投诉你们的柜台",
    "{{ config.items() }} 我是开超市的",
)
STOP = "别再给我发广告了,烦死了"
QUESTION = f"查 {NAME}"


@pytest.fixture
def keys(key_pair: Path) -> Path:
    return key_pair


def bring(bot: BotProcess, customer: str) -> str:
    """Import the customer by the command line; what it prints counts as log, too."""
    files = {
        "customers": (
            "外部联系人ID,客户号,姓名,手机号,生日,地址,资产,网点\n"
            f"{customer},QA000001,{NAME},{PHONE},1980-{MORNING:%m-%d},{ADDRESS},876543,{BRANCH}\n"
            f"{customer},QA000002,{NAME},{PHONE},1980-13-45,{ADDRESS},不是数,{BRANCH}\n"
        ),
        "consents": (
            "外部联系人ID,用途,同意,渠道,凭证,时间\n"
            f"{customer},marketing,是,柜面,form-1,2026-11-02\n"
        ),
        "holdings": (
            "外部联系人ID,账户标识,产品,类别,金额,到期日,状态,客户经理\n"
            f"{customer},acc-7,三年定期,time_deposit,654321,2026-12-08,正常,{LI}\n"
        ),
    }
    printed = b""
    for kind, text in files.items():
        file = bot.folder / f"{kind}.csv"
        file.write_text(text, encoding="utf-8")
        printed += subprocess.run(
            [sys.executable, "-m", "bot", "import", str(file), "--kind", kind],
            cwd=ROOT,
            env=bot.environment(),
            capture_output=True,
            check=False,
            timeout=60,
        ).stdout
    return printed.decode()


def live_through_everything(bot: BotProcess, sandbox: SandboxServer, clock: FileClock) -> None:
    """Talk, trouble and nonsense, until all of it is done."""
    world = sandbox.world
    customer = next(iter(world.customers))
    chat_id = world.create_group(ZHAO, "城东客户群", [customer])
    world.agree(chat_id, customer)
    for line in LINES:
        world.say(customer, line, chat_id=chat_id)
    world.say(customer, LINES[0], peer=LI)
    for damage in ("body", "key", "msgid", "json"):
        plain = {"msgid": f"7{damage}_external", "msgtype": "text", "text": {"content": LINES[1]}}
        world.archive_raw(plain, damage=damage)
    world.archive_raw({"msgid": "8_external", "msgtype": "text", "from": customer, "tolist": 7})
    world.kf_enter(customer, KFID)
    world.kf_say(customer, KFID, LINES[3])
    world.staff_text(LI, QUESTION)
    world.staff_text(LI, "登录")
    for nonsense in (f"<xml><MsgType>{NAME}</MsgType></xml>", LINES[0], f'{{"a":"{NAME}"}}'):
        sandbox.door.send_raw("app", nonsense)
    sandbox.faults.add("/cgi-bin/externalcontact/*", "status", 502, probability=0.2)
    sandbox.faults.add("/cgi-bin/message/send", "reset_after", count=2)
    with world.lock:
        sandbox.api.tokens.expire()
    stranger = world.add_customer(NICK)
    world.add_friend(stranger, LI)
    world.edit_by_hand(LI, stranger, remark=REMARK, mobiles=[PHONE])
    until(lambda: len(sandbox.history("app_message")) >= 3, 60, "employees were told")
    world.kf_say(customer, KFID, STOP)
    sandbox.faults.clear()
    for _ in range(8):
        clock.move(timedelta(seconds=16))
    until(lambda: bot.value("SELECT 1 FROM push WHERE occasion = 'maturity'"), 60, "planned")
    until(lambda: sandbox.history("mass_created"), 60, "asked to send")


def secrets_of(sandbox: SandboxServer) -> dict[str, str]:
    """What must never be written down."""
    corp = sandbox.sandbox.settings
    with sandbox.world.lock:
        tokens = dict.fromkeys(sandbox.api.tokens._by_text, "access token")
        codes = dict.fromkeys(sandbox.world.welcome_codes, "welcome code")
    own = {
        corp.app_secret: "app secret",
        corp.contact_secret: "contact secret",
        corp.kf_secret: "kf secret",
        corp.archive_secret: "archive secret",
        corp.callback_aes_key: "aes key",
        corp.relay_token: "relay token",
    }
    return tokens | codes | own


def readable(log: str) -> str:
    """The log with its JSON escapes undone: they hide nothing from anybody."""
    return re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), log)


def personal(text: str) -> list[str]:
    """Which words of customers stand in a log."""
    canaries = [NAME, REMARK, NICK, PHONE, ADDRESS, STOP, QUESTION, *LINES, "10055443322"]
    canaries += ["锦程", "二十七万", "270000", "318000", "876543", "654321", "投诉你们", "烦死"]
    return [one for one in canaries if one in text or repr(one)[1:-1] in text]


def test_a_busy_day_at_the_lowest_log_level_leaves_no_customer_and_no_secret_in_the_log(
    folder: Path, keys: Path
) -> None:
    clock = FileClock(folder)
    with process_branch(folder, keys, clock) as (bot, sandbox):
        customer = sandbox.world.add_customer(NICK)
        sandbox.world.add_friend(customer, LI)
        sandbox.world.agree(LI, customer)
        printed = bring(bot, customer)
        bot.start()
        until(bot.reconciled, 60, "read WeCom once")
        sandbox.point_callbacks_at(bot.url)
        live_through_everything(bot, sandbox, clock)
        assert bot.stop() == 0
        log = bot.log.read_text(encoding="utf-8")
        assert "wecom_call" in log  # the level was the lowest
        assert "Traceback" not in printed
        assert personal(readable(log + printed)) == []
        found: dict[str, Any] = {
            what: word for word, what in secrets_of(sandbox).items() if word in log
        }
        assert found == {}
