"""Records whose key was missing are read once it is there, on every back end."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random

import pytest
from archive_encoder import plain_text, record, seal
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from bot.archive.crypto import ArchiveKeys, EncryptedRecord, RecordDecryptor
from bot.clock import FixedClock
from bot.errands.pulling import Puller
from bot.inbox import Inbox
from bot.store.db import Database
from bot.vault import Vault
from bot.wecom import Secrets, WeComClient

_TABLES = ("inbox", "set_aside")


@lru_cache
def key(_version: int) -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Archive:
    """Gives what it was told to hold, nothing over the network."""

    records: list[EncryptedRecord] = field(default_factory=list)

    def chat_data(self, seq: int, limit: int) -> list[EncryptedRecord]:
        return [each for each in self.records if each.seq > seq][:limit]

    def media(self, sdkfileid: str) -> bytes:
        raise AssertionError(sdkfileid)


@dataclass
class Bank:
    """One store and its archive; ``started_with`` is a bot that has just been started."""

    store: Database
    vault: Vault
    clock: FixedClock
    archive: Archive

    def started_with(self, versions: Iterable[int]) -> Puller:
        keys = ArchiveKeys({version: key(version) for version in versions})
        wecom = WeComClient("http://127.0.0.1:9", "wwmadeup", 1, Secrets(agent="made-up"))
        inbox = Inbox(self.store, self.vault, self.clock)
        return Puller(
            self.store,
            inbox,
            self.vault,
            self.clock,
            wecom,
            self.archive,
            RecordDecryptor(keys),
        )

    def kept_and_waiting(self) -> tuple[int, int]:
        db = self.store.read()
        kept, waiting = (db.value(f"SELECT count(*) FROM {name}") for name in _TABLES)
        return int(kept or 0), int(waiting or 0)


@pytest.fixture
def bank(store: Database, vault: Vault, clock: FixedClock) -> Bank:
    sealed = seal(plain_text(7, "以后不要再发了"), Random(7))
    return Bank(store, vault, clock, Archive([record(7, key(1), sealed)]))


def test_a_record_without_its_key_waits_and_the_cursor_goes_on(bank: Bank) -> None:
    bank.started_with([2]).pull_archive()
    expected = (0, 1)
    assert expected == bank.kept_and_waiting()


def test_the_next_start_with_the_key_reads_it_once(bank: Bank) -> None:
    bank.started_with([2]).pull_archive()
    for _ in range(2):
        bank.started_with([1, 2]).pull_archive()
    expected = (1, 0)
    assert expected == bank.kept_and_waiting()


def test_what_the_new_key_does_not_open_goes_on_waiting(bank: Bank) -> None:
    bank.started_with([2]).pull_archive()
    bank.started_with([2, 3]).pull_archive()
    expected = (0, 1)
    assert expected == bank.kept_and_waiting()
