"""``qunguan keys``: a new key at rest, everything sealed anew with it, the old ones destroyed.

A rotation has no state of its own: a value names its key, so what is left to do is what does
not name the newest one. It may be killed at any point and begun again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from bot.clock import SHANGHAI
from bot.errors import Invalid
from bot.store import journal, keys, sealed
from bot.store.db import Database, Db, Row
from bot.vault import FIRST_KEY, SPELLED, CipherName, Key, Vault, key_number

if TYPE_CHECKING:
    from bot.app import Bot

BATCH = 500
_SETTLE_SECONDS = 2 * keys.FRESH_SECONDS + 1
_REST_BEFORE_RETIRING = timedelta(days=1)
_MOST_ROUNDS = 5


Progress = Callable[[int, int], None]
"""Told how many values are sealed anew, and of how many."""


def _silently(done: int, of: int) -> None:
    """Nobody looks."""


@dataclass
class Rotation:
    """Seals everything with the newest key.

    Attributes:
        settle: Seconds until every running bot seals with a key that was just made.
        wait: Sleeps.
        batch: Rows at a time.
    """

    database: Database
    vault: Vault
    progress: Progress = _silently
    settle: float = _SETTLE_SECONDS
    wait: Callable[[float], None] = time.sleep
    batch: int = BATCH
    ticks: Callable[[], float] = time.monotonic

    def run(self) -> tuple[int, int]:
        """Do all that is left; how many values were sealed anew, and how many no key opens.

        Raises:
            Invalid: Somebody keeps on sealing with an older key.
        """
        begun = self.ticks()
        done, closed = self._sweep()
        self.wait(max(0.0, begun + self.settle - self.ticks()))
        for _ in range(_MOST_ROUNDS):
            more, closed = self._sweep()
            if not more:
                return done, closed
            done += more
        raise Invalid(
            "还有进程在用旧密钥写数据:请把所有群管进程升级并重启,再运行 qunguan keys rotate"
        )

    def _sweep(self) -> tuple[int, int]:
        """Look at every sealed value once; how many were sealed anew, and how many cannot be."""
        key, done, closed = self.vault.key, 0, 0
        db = self.database.read()
        places = sealed.places(db)
        left = sum(sealed.count_others(db, place, key.header) for place in places)
        for place in places:
            for values in sealed.not_under(self.database.read, place, key.header, self.batch):
                ready, shut = sealed.resealed(values, lambda old: key.seal(self.vault.open(old)))
                self.database.write(partial(sealed.exchange, values=ready))
                done += len(ready)
                closed += len(shut)
                self.progress(done + closed, max(left, done + closed))
        return done, closed


def rotate(bot: Bot, rotation: Rotation) -> Iterator[str]:
    """Make a new key unless one is half done, and seal everything with it; what was done.

    Raises:
        Invalid: Somebody keeps on sealing with an older key.
    """
    ring = bot.ring
    cipher = CipherName(bot.settings.qunguan_cipher)
    if _half_done(keys.keys_at_rest(bot.database.read()), cipher):
        yield "已经有新密钥,旧密钥名下还有数据,接着做"
    else:
        ring.make(cipher, _now(bot), _actor())
    key = bot.vault.key
    yield f"新密钥:第 {key.number} 号,{SPELLED[key.cipher]};从现在起写入的都用它"
    done, closed = rotation.run()
    bot.database.write(lambda db: _prove(db, key, _now(bot), done, closed))
    yield f"重新加密 {done} 处;逐一核对过,旧密钥名下已经没有数据"
    if closed:
        yield f"另有 {closed} 处任何密钥都打不开(早已损坏),原样未动"
    yield "旧密钥还能读;恢复旧备份用不到它之后,运行 qunguan keys retire 作废"


def _half_done(known: list[Row], cipher: CipherName) -> bool:
    """The newest key is the one that is wanted, and older ones are still in use."""
    wanted = known[-1]["cipher"] == cipher
    return wanted and any(row["emptied_at"] is None for row in known[:-1])


def _prove(db: Db, key: Key, now: int, done: int, closed: int) -> None:
    for row in keys.keys_at_rest(db):
        if row["number"] < key.number and row["retired_at"] is None:
            keys.mark_emptied(db, row["number"], now)
    journal.audit(db, _actor(), "rotate_keys", f"key:{key.number}", now, values=done, shut=closed)


def retire(bot: Bot, *, at_once: bool) -> Iterator[str]:
    """Destroy the keys that nothing is sealed with any more, after looking once more.

    Raises:
        Invalid: There is none, one is still in use, or it was in use until lately.
    """
    db = bot.database.read()
    old = [row for row in keys.keys_at_rest(db)[:-1] if row["retired_at"] is None]
    if not old:
        raise Invalid("没有可以作废的旧密钥;先运行 qunguan keys rotate 换一个新的")
    for row in old:
        _may_go(bot, row, at_once=at_once)
    for row in old:
        number = row["number"]
        bot.database.write(partial(_destroy, number=number, now=_now(bot)))
        yield f"第 {number} 号密钥已作废"
    bot.ring.keys(anew=True)


def _may_go(bot: Bot, row: Row, *, at_once: bool) -> None:
    number, emptied = row["number"], row["emptied_at"]
    left = _values_under(bot, number)
    if emptied is None or left:
        words = f"还有 {left} 处数据" if left else "还没有核对过"
        raise Invalid(f"第 {number} 号密钥名下{words},请先运行 qunguan keys rotate")
    rested = timedelta(milliseconds=_now(bot) - emptied)
    if rested < _REST_BEFORE_RETIRING and not at_once:
        raise Invalid(f"第 {number} 号密钥换下还不到一天;请先备份一次、观察一天再作废,或者加 --now")


def _values_under(bot: Bot, number: int) -> int:
    """How many values in the store and in the queue a key sealed."""
    db, ways = bot.database.read(), _beginnings(number)
    stored = sum(sealed.under(db, place, ways) for place in sealed.places(db))
    return stored + sum(key_number(body) == number for body in bot.inbox.queued_elsewhere())


def _beginnings(number: int) -> list[bytes]:
    headers = [Key(number, cipher, b"").header for cipher in CipherName]
    return [*headers, b"\x01"] if number == FIRST_KEY else headers


def _destroy(db: Db, number: int, now: int) -> None:
    keys.retire(db, number, now)
    journal.audit(db, _actor(), "retire_key", f"key:{number}", now)


def status(bot: Bot) -> Iterator[str]:
    """Every key at rest: its cipher, its age, and what is sealed with it."""
    newest = bot.vault.key.number
    for row in keys.keys_at_rest(bot.database.read()):
        number, cipher = row["number"], SPELLED[CipherName(row["cipher"])]
        made = _day(row["made_at"])
        if row["retired_at"] is not None:
            yield f"第 {number} 号 {cipher} {made} 起,{_day(row['retired_at'])} 作废"
            continue
        use = "在用" if number == newest else "只读"
        left = _values_under(bot, number)
        yield f"第 {number} 号 {cipher} {made} 起,{use},名下 {left} 条记录"


def _day(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC).astimezone(SHANGHAI):%Y-%m-%d}"


def _now(bot: Bot) -> int:
    return int(bot.clock.now().timestamp() * 1000)


def _actor() -> str:
    return os.environ.get("USER", "cli")
