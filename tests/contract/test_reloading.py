"""Changed rules are taken over while the bot runs; wrong ones change nothing and are told."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.clock import FixedClock
from bot.errors import Retry
from bot.facts import Speech
from bot.proving import version_of
from bot.reloading import RuleWatch
from bot.rulebook import Rulebook, load_rulebook
from bot.store import migrations, notices, standing
from bot.store.db import Database, Db
from handlers.reading import Reader

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 11, 24, 4, tzinfo=UTC)


class Running:
    """A bot's rulebook and reader with a watch over copies of their files."""

    def __init__(self, folder: Path) -> None:
        self.config, self.templates = folder / "config", folder / "templates"
        for copy in (self.config, self.templates):
            shutil.copytree(ROOT / copy.name, copy)
        migrations.upgrade(folder / "bot.db")
        self.database = Database(folder / "bot.db")
        self.book = load_rulebook(self.config, self.templates)
        self.reader = Reader.load(self.config)
        self.followed: list[int] = []
        self.watch = self.new_watch()
        self.watch.begin()

    def new_watch(self) -> RuleWatch:
        return RuleWatch(
            self.config,
            self.templates,
            self.database,
            FixedClock(NOON),
            self.book,
            self.reader,
            self.follow,
        )

    def follow(self, _db: Db, now: int) -> None:
        self.followed.append(now)

    def change(self, file: str, old: str, new: str) -> None:
        path = self.config.parent / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def look(self) -> bool:
        """The look that sees a change, and the one after it."""
        return [self.watch.look(), self.watch.look()][-1]

    def hobbies(self, text: str) -> list[str]:
        facts = self.reader.read(Speech(text, NOON))
        return [fact.value["name"] for fact in facts if fact.type == "interest.hobby"]

    def audited(self) -> list[str]:
        rows = self.database.read().rows("SELECT * FROM audit WHERE act = 'rules_in_force'")
        return [row["object"] for row in rows]

    def journal(self) -> list[tuple[str, dict[str, Any]]]:
        rows = self.database.read().rows("SELECT kind, why FROM journal ORDER BY id")
        return [(row["kind"], json.loads(row["why"])) for row in rows]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    found = Running(tmp_path)
    yield found
    found.database.close()


HOBBY = "config/lexicon/words.yaml", "读书: 读书", "读书: 翻两页闲章 读书"
SAYS = "周末就爱翻两页闲章"


def test_a_new_word_is_read_without_a_restart_by_the_reader_that_everybody_has(
    running: Running,
) -> None:
    read = running.reader.read
    assert [] == running.hobbies(SAYS)
    running.change(*HOBBY)
    assert running.look()
    assert ["读书"] == running.hobbies(SAYS)
    assert ["读书"] == [fact.value["name"] for fact in read(Speech(SAYS, NOON))]


def test_C5_a_notice_named_in_the_file_is_in_force_with_the_rules_that_name_it(
    running: Running,
) -> None:
    assert notices.in_force(running.database.read()) == {}
    running.change("config/thresholds.yaml", "marketing: ''", "marketing: 2026-2")
    assert running.look()
    assert notices.in_force(running.database.read()) == {"marketing": "2026-2"}
    assert notices.are(running.database.read(), running.book.thresholds.notices)


def test_new_numbers_segments_and_words_stand_in_the_rulebook_that_everybody_has(
    running: Running,
) -> None:
    book, lines = running.book, running.book.lines.lines
    running.change("config/thresholds.yaml", "marketing_a_week: 2", "marketing_a_week: 1")
    running.change("config/thresholds.yaml", "private: 6_000_000", "private: 8_000_000")
    running.change("config/rules/segments.yaml", "label: 关键人", "label: 村里的关键人")
    running.change("templates/labels.yaml", "gold: 黄金", "gold: 金条")
    assert running.look()
    assert 1 == book.thresholds.caps.marketing_a_week
    assert [("private", 6_000_000), ("private", 8_000_000)] == [lines[-1], book.lines.lines[-1]]
    assert "村里的关键人" in [rule.label for rule in book.segments]
    assert "金条" == book.label("product", "gold")


def test_changed_segments_have_everybody_derived_again(running: Running) -> None:
    db = running.database
    db.write(lambda each: standing.touch_all(each, running.book, 1))
    running.change("config/lexicon/desk.yaml", "clerk: 柜员", "clerk: 坐班的 柜员")
    assert running.look()
    assert not standing.rules_changed(db.read(), running.book)
    running.change("config/thresholds.yaml", "near_line_share: 0.2", "near_line_share: 0.3")
    running.change("config/rules/segments.yaml", "{assets: 39999}", "{assets: 34999}")
    assert running.look()
    assert standing.rules_changed(db.read(), running.book)


def test_wrong_rules_change_nothing_and_are_told_with_file_line_and_fix(running: Running) -> None:
    running.change(*HOBBY)
    running.change("config/rules/segments.yaml", "tag: true", "tag: maybe")
    before = running.watch.version
    assert not running.look()
    assert [] == running.hobbies(SAYS)
    (trouble,) = running.watch.trouble
    assert trouble.startswith("segments.yaml 第 20 行:")
    assert "请填 true 或 false" in trouble
    assert before == running.watch.version
    assert [before] == running.audited()
    assert ["rules_refused"] == [kind for kind, _ in running.journal()]


def test_the_log_of_wrong_rules_names_places_and_no_contents(running: Running) -> None:
    running.change("config/rules/frames-work.yaml", "any:", "any: 保密的句式 #")
    with capture_logs() as logs:
        running.look()
    (entry,) = logs
    assert "warning" == entry["log_level"]
    assert all(re.fullmatch(r"\S+\.yaml 第 \d+ 行", place) for place in entry["places"])
    assert "frames-work.yaml" in entry["places"][0]
    assert "保密" not in json.dumps(logs, ensure_ascii=False)
    assert "保密" not in json.dumps(running.journal(), ensure_ascii=False)


def test_mended_rules_are_taken_over_and_the_warning_goes(running: Running) -> None:
    running.change(*HOBBY)
    running.change("config/rules/segments.yaml", "tag: true", "tag: maybe")
    running.look()
    running.change("config/rules/segments.yaml", "tag: maybe", "tag: true")
    assert running.look()
    assert () == running.watch.trouble
    assert ["读书"] == running.hobbies(SAYS)


def test_taking_a_wrong_change_back_ends_the_warning_without_a_new_version(
    running: Running,
) -> None:
    running.change("config/rules/segments.yaml", "tag: true", "tag: maybe")
    running.look()
    running.change("config/rules/segments.yaml", "tag: maybe", "tag: true")
    assert not running.look()
    assert () == running.watch.trouble
    assert 1 == len(running.audited())


def test_the_versions_in_force_are_audited_once_each(running: Running) -> None:
    first = running.watch.version
    assert version_of(running.config, running.templates) == first
    again = running.new_watch()
    again.begin()
    assert [first] == running.audited()
    running.change(*HOBBY)
    running.look()
    second = running.watch.version
    assert [first, second] == running.audited()
    assert ("rules_taken", {"rules": second}) in running.journal()


def test_nothing_is_proved_while_nothing_changes_and_nothing_changes_by_a_touch(
    running: Running,
) -> None:
    (running.config / "lexicon/desk.yaml").touch()
    assert [False, False, False] == [running.watch.look() for _ in range(3)]
    assert ([], []) == (running.followed, running.journal())


def test_files_that_are_still_being_saved_are_left_alone(running: Running) -> None:
    running.change("config/rules/segments.yaml", "tag: true", "tag: maybe")
    assert not running.watch.look()
    running.change("config/rules/segments.yaml", "tag: maybe", "tag: true")
    running.change(*HOBBY)
    assert [False, True] == [running.watch.look(), running.watch.look()]
    assert ["rules_taken"] == [kind for kind, _ in running.journal()]


def test_the_time_of_a_file_does_not_hide_its_change(running: Running) -> None:
    words = running.config / "lexicon/words.yaml"
    before = words.stat()
    running.change(*HOBBY)

    os.utime(words, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert running.look()
    assert ["读书"] == running.hobbies(SAYS)


def test_what_has_to_follow_is_added_with_the_change(running: Running) -> None:
    running.change(*HOBBY)
    running.look()
    assert [int(NOON.timestamp() * 1000)] == running.followed


def test_a_change_that_is_lost_is_taken_over_at_the_next_look(running: Running) -> None:
    tries: list[int] = []

    def follow(_db: Db, now: int) -> None:
        tries.append(now)
        if len(tries) == 1:
            raise Retry("数据库暂时无法写入")

    running.watch.taken = follow
    running.change(*HOBBY)
    assert not running.watch.look()
    with pytest.raises(Retry):
        running.watch.look()
    assert ([], 1) == (running.hobbies(SAYS), len(running.audited()))
    assert running.watch.look()
    assert (["读书"], 2) == (running.hobbies(SAYS), len(running.audited()))


def test_a_folder_that_is_gone_keeps_the_rules_in_force(running: Running) -> None:
    away = running.config.rename(running.config.parent / "away")
    assert not running.look()
    assert running.watch.trouble
    away.rename(running.config)
    assert not running.look()
    assert () == running.watch.trouble


def test_a_rulebook_becomes_another_with_all_that_follows_from_it() -> None:
    one = load_rulebook(ROOT / "config", ROOT / "templates")
    held, lines, derivation = vars(one), one.lines, one.derivation
    one.become(load_rulebook(ROOT / "config", ROOT / "templates"))
    assert held is not vars(one)
    assert lines is not one.lines
    assert derivation is not one.derivation
    assert isinstance(one, Rulebook)
