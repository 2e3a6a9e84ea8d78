"""One data folder, one bot."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bot.errors import Invalid
from bot.opening import sole_use_of_folder
from bot.running import DEMO_FOLDER, run_demo, run_sandbox


def test_a_second_bot_on_the_same_folder_is_told_so(tmp_path: Path) -> None:
    with (
        sole_use_of_folder(tmp_path),
        pytest.raises(Invalid, match="另一个群管"),
        sole_use_of_folder(tmp_path),
    ):
        pass


def test_a_folder_is_free_again_when_its_bot_has_ended(tmp_path: Path) -> None:
    for _ in range(2):
        with sole_use_of_folder(tmp_path):
            held = (tmp_path / "lock").exists()
        assert held


def test_a_second_demo_does_not_wipe_the_one_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = DEMO_FOLDER / "qunguan.db"
    DEMO_FOLDER.mkdir(parents=True)
    for name in (".demo", "qunguan.db"):
        (DEMO_FOLDER / name).touch()
    with sole_use_of_folder(DEMO_FOLDER), pytest.raises(Invalid, match="另一个群管"):
        run_demo(free_port())
    assert kept.exists()


def test_a_sandbox_on_a_port_in_use_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Invalid, match="已被占用"):
        run_sandbox(taken.getsockname()[1])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
