"""``qunguan run`` and ``qunguan demo`` as processes: they start, end when told, and say why not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import urllib3
from bot_process import ROOT, BotProcess, FileClock, process_branch
from live_branch import LI, until


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_bot_that_is_asked_to_end_gives_its_lease_up_and_ends(
    folder: Path, keys: Path, number: int, status: int
) -> None:
    with process_branch(folder, keys, FileClock(folder)) as (bot, sandbox):
        bot.start()
        until(lambda: bot.value("SELECT until_at FROM lease"), 30, "the lease")
        sandbox.point_callbacks_at(bot.url)
        sandbox.world.add_friend(sandbox.world.add_customer("周小满"), LI)
        until(lambda: sandbox.world.delivered(channel="welcome"), 30, "greeted")
        assert bot.stop(number) == status
        assert bot.value("SELECT until_at FROM lease") == 0
        assert "Traceback" not in bot.log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WECOM_ARCHIVE_KEYS_DIR", "/no/such/folder", "WECOM_ARCHIVE_KEYS_DIR"),
        ("QUNGUAN_SECRET_KEY", "short", "QUNGUAN_SECRET_KEY"),
        ("QUNGUAN_PORT", "many", "QUNGUAN_PORT"),
        ("WECOM_CALLBACK_AES_KEY", "too-short", "EncodingAESKey"),
    ],
)
def test_a_setting_that_cannot_work_is_named_and_the_program_ends(
    folder: Path, keys: Path, name: str, value: str, said: str
) -> None:
    with process_branch(folder, keys, FileClock(folder)) as (bot, _):
        ended = subprocess.run(
            [sys.executable, "-m", "bot", "run"],
            cwd=ROOT,
            env=bot.environment() | {name: value},
            capture_output=True,
            check=False,
            timeout=60,
        )
        printed = ended.stderr.decode()
        assert ended.returncode == 1
        assert said in printed
        assert "Traceback" not in printed


def test_the_demo_starts_by_itself_and_its_first_minute_can_be_watched(tmp_path: Path) -> None:
    demo = BotProcess(tmp_path, {"PYTHONPATH": str(ROOT)}, (), tmp_path)
    demo._command = ("demo", "--port", str(demo.port))
    try:
        demo.start()
        store = BotProcess(tmp_path / "var" / "demo", {})
        with urllib3.PoolManager(retries=False, timeout=10) as http:

            def items(path: str) -> list[dict[str, object]]:
                headers = {"Authorization": "Bearer demo-token"}
                answer = http.request("GET", f"{demo.url}/api/{path}", headers=headers)
                assert answer.status == 200
                return list(json.loads(answer.data)["items"])

            until(lambda: len(items("customers?limit=500")) > 50, 60, "customers")
            until(lambda: items("groups"), 30, "groups")
            until(lambda: items("pushes?limit=500"), 60, "pushes")
            until(lambda: items("escalations"), 60, "cases")
            welcomed = "SELECT count(*) FROM journal WHERE kind = 'welcomed'"
            until(lambda: store.value(welcomed) == 2, 60, "both new friends are greeted")
        assert "群管演示已就绪" in demo.log.read_text(encoding="utf-8")
        assert demo.stop() == 0
        assert "Traceback" not in demo.log.read_text(encoding="utf-8")
    finally:
        demo.kill()


def test_a_port_that_is_taken_is_said_at_once(folder: Path, keys: Path) -> None:
    with process_branch(folder, keys, FileClock(folder)) as (bot, sandbox):
        taken = sandbox.base_url.rpartition(":")[2]
        ended = subprocess.run(
            [sys.executable, "-m", "bot", "run"],
            cwd=ROOT,
            env=bot.environment() | {"QUNGUAN_PORT": taken},
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert ended.returncode == 1
        assert taken in ended.stderr.decode()
