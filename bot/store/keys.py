"""The keys of a store: kept beside the data, each sealed under the secret of the settings.

A store begins with the keys that its secret gives (``vault.derived_keys``); they are written
down at the first start. From then on the secret only opens the keys, so that it can be changed
without touching the data, and a key can be changed without a restart.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import structlog

from bot.errors import Invalid, Retry
from bot.store import journal, sealed
from bot.store.db import Database, Db, Row
from bot.vault import (
    FIRST_KEY,
    CipherName,
    Key,
    Keys,
    NoCipher,
    derived_keys,
    key_number,
    need_secret,
    unwrap,
    wrap,
)

log = structlog.get_logger()
FRESH_SECONDS = 2.0
"""A running bot seals with a new key at most so long after it was made."""
_SEARCH, _SIGN = FIRST_KEY + 1, FIRST_KEY + 2
_MOST_KEYS = 0xFFFF
_SYSTEM = "system"
_ADD = """
INSERT INTO vault_key (number, purpose, cipher, wrapped, made_at)
VALUES (:number, :purpose, :cipher, :wrapped, :now) ON CONFLICT (number) DO NOTHING
"""
_MISMATCH = (
    "QUNGUAN_SECRET_KEY 与数据库里的密钥对不上:请用写入数据时的那一个;"
    "如果是有意更换,把原来的写进 QUNGUAN_SECRET_KEY_BEFORE 再启动一次"
)


class Ring:
    """The opened keys of a store; looks for new ones every two seconds.

    Args:
        database: Where they are kept.
        secret: What opens them.
        before: The secret before it, while it is being changed.
        now: Epoch milliseconds.
        ticks: Seconds that run evenly.

    Raises:
        Invalid: Neither secret opens the keys.
    """

    def __init__(
        self,
        database: Database,
        secret: str,
        *,
        before: str = "",
        now: Callable[[], int],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        need_secret(secret)
        self._database = database
        self._secret = secret
        self._ticks = ticks
        self._looked_at = ticks()
        rows = all_keys(database.read())
        if not rows:
            rows = database.write(lambda db: _begin(db, secret, before or secret, now()))
        if before and not _opens(secret, rows):
            rows = database.write(lambda db: _change_secret(db, secret, before, now()))
        self._keys = _opened(secret, rows)

    def keys(self, *, anew: bool = False) -> Keys:
        """The keys as they are now; ``anew`` looks for new ones at once.

        While the store cannot be read, those known so far.
        """
        if anew or self._ticks() - self._looked_at > FRESH_SECONDS:
            self._looked_at = self._ticks()
            with contextlib.suppress(sqlite3.Error, Retry):
                self._look()
        return self._keys

    def _look(self) -> None:
        try:
            self._keys = _opened(self._secret, all_keys(self._database.read()))
        except Invalid as why:  # another process changed the secret: what we have still opens
            log.warning("keys cannot be read again", reason=str(why))

    def follow(self, cipher: CipherName, now: int) -> None:
        """Seal with a cipher from now on: what a starting bot does when the setting was changed."""

        def follow(db: Db) -> None:
            if keys_at_rest(db)[-1]["cipher"] != cipher:  # else another process was first
                self._add(db, cipher, now, _SYSTEM)

        if self.keys(anew=True).newest.cipher != cipher:
            self._database.write(follow)
            self.keys(anew=True)

    def make(self, cipher: CipherName, now: int, actor: str) -> Key:
        """A new key that seals from now on."""
        key = self._database.write(lambda db: self._add(db, cipher, now, actor))
        self.keys(anew=True)
        return key

    def _add(self, db: Db, cipher: CipherName, now: int, actor: str) -> Key:
        number = int(db.value("SELECT max(number) FROM vault_key")) + 1
        if number > _MOST_KEYS:
            raise Invalid("密钥编号已用完")
        key = Key.new(number, cipher)
        _keep(db, key, "rest", wrap(self._secret, key.secret, cipher), now)
        journal.audit(db, actor, "make_key", f"key:{number}", now, cipher=cipher)
        return key


def all_keys(db: Db) -> list[Row]:
    """Every key that there ever was, oldest first."""
    return db.rows("SELECT * FROM vault_key ORDER BY number")


def keys_at_rest(db: Db) -> list[Row]:
    """Those that seal data, oldest first."""
    return db.rows("SELECT * FROM vault_key WHERE purpose = 'rest' ORDER BY number")


def mark_emptied(db: Db, number: int, now: int) -> None:
    """Nothing is sealed with a key any more; an earlier proof is replaced."""
    db.run("UPDATE vault_key SET emptied_at = :now WHERE number = :n", n=number, now=now)


def retire(db: Db, number: int, now: int) -> None:
    """Destroy a key; what it sealed can never be read again."""
    db.run(
        "UPDATE vault_key SET wrapped = NULL, retired_at = :now WHERE number = :n AND"
        " retired_at IS NULL",
        n=number,
        now=now,
    )


def _begin(db: Db, secret: str, first: str, now: int) -> list[Row]:
    """Write the keys of a store down that has none yet; data that is there must open."""
    keys = derived_keys(first)
    some = sealed.any_value(db)
    if some is not None and key_number(some) == FIRST_KEY:
        keys.newest.open(some)
    aes = CipherName.AES
    for number, purpose, plain in (
        (FIRST_KEY, "rest", keys.newest.secret),
        (_SEARCH, "search", keys.search),
        (_SIGN, "sign", keys.signing[0]),
    ):
        _keep(db, Key(number, aes, plain), purpose, wrap(secret, plain, aes), now)
    return all_keys(db)


def _change_secret(db: Db, secret: str, before: str, now: int) -> list[Row]:
    """Seal every key under the new secret, and sign with a new key from now on."""
    rows = all_keys(db)
    if _opens(secret, rows):  # another process was first
        return rows
    if not _opens(before, rows):
        raise Invalid(_MISMATCH)
    for row in rows:
        if row["wrapped"] is not None:
            again = wrap(secret, unwrap(before, row["wrapped"]), CipherName(row["cipher"]))
            db.run(
                "UPDATE vault_key SET wrapped = :again WHERE number = :number",
                again=again,
                number=row["number"],
            )
    number = rows[-1]["number"] + 1
    signing = wrap(secret, os.urandom(32), CipherName.AES)
    _keep(db, Key(number, CipherName.AES, b""), "sign", signing, now)
    journal.audit(db, _SYSTEM, "change_secret", "keys", now, keys=len(rows), signing=number)
    return all_keys(db)


def _keep(db: Db, key: Key, purpose: str, wrapped: bytes, now: int) -> None:
    db.run(_ADD, number=key.number, purpose=purpose, cipher=key.cipher, wrapped=wrapped, now=now)


def _opens(secret: str, rows: list[Row]) -> bool:
    try:
        _opened(secret, rows)
    except NoCipher:
        raise
    except Invalid:
        return False
    return True


def _opened(secret: str, rows: list[Row]) -> Keys:
    """Every key that was not retired.

    Raises:
        Invalid: The secret does not open them.
    """
    found: dict[str, dict[int, Key]] = {"rest": {}, "search": {}, "sign": {}}
    try:
        for row in rows:
            if row["wrapped"] is not None:
                plain = unwrap(secret, row["wrapped"])
                key = Key(row["number"], CipherName(row["cipher"]), plain)
                found[row["purpose"]][key.number] = key
    except NoCipher:
        raise
    except Invalid:
        raise Invalid(_MISMATCH) from None
    signing = tuple(key.secret for _, key in sorted(found["sign"].items(), reverse=True))
    return Keys(_shown(found["rest"]), found["search"][_SEARCH].secret, signing)


def _shown(keys: dict[int, Key]) -> Mapping[int, Key]:
    return MappingProxyType(keys)
