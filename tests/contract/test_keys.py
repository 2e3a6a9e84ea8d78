"""D3: keys at rest are changed while everything stays readable, whatever kills it in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from backends import POSTGRES, Place
from cryptography.hazmat.decrepit.ciphers.algorithms import CAST5
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from typer.testing import CliRunner

from bot.__main__ import app
from bot.app import Bot
from bot.clock import FixedClock
from bot.errors import Invalid
from bot.rekeying import Rotation, retire, rotate, status
from bot.store import journal, keys, sealed
from bot.store.db import Database, Db
from bot.store.keys import FRESH_SECONDS, Ring
from bot.vault import CipherName, Key, Sm4Gcm, Vault, derived_keys, key_number
from config.settings import Settings

ROOT = Path(__file__).parents[2]
SECRET = "made-up-secret-of-the-tests"
ANOTHER = "another-secret-of-the-tests"
PHONE = "13900000001"
PEOPLE = 23


class Killed(BaseException):
    """The process ends here."""


class Seconds:
    """Time that stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def bot_at(place: Place, **settings: str) -> Bot:
    """A bot that does not run, on a store of the suite."""
    file = place.folder / "bot.db"
    if file.exists():
        file.rename(place.folder / "qunguan.db")
    url = place.folder / "database"
    wired = {"qunguan_secret_key": SECRET, **settings}
    if place.backend is POSTGRES:
        wired["database_url"] = url.read_text(encoding="utf-8")
    return Bot(Settings(_env_file=None, qunguan_data_dir=place.folder, **wired))  # type: ignore[arg-type]  # secrets from text


@pytest.fixture
def bots(place: Place) -> Iterator[Callable[..., Bot]]:
    """Bots on one store, one after the other or beside each other."""
    opened: list[Bot] = []

    def another(**settings: str) -> Bot:
        opened.append(bot_at(place, **settings))
        return opened[-1]

    yield another
    for each in opened:
        each.database.close()


def before_ids(secret: str, plain: bytes) -> bytes:
    """A value as it was sealed before there were key ids."""
    first = derived_keys(secret).newest.secret
    return b"\x01" + bytes(12) + AESGCM(first).encrypt(bytes(12), plain, b"\x01")


def fill(db: Db, vault: Vault) -> None:
    """Values in tables with keys of every shape, one of them from before there were ids."""
    for number in range(PEOPLE):
        phone = f"139{number:08}"
        db.run(
            "INSERT INTO customer (external_userid, phone_sealed, phone_hash, address_sealed,"
            " created_at) VALUES (:id, :phone, :hash, :address, 0)",
            id=f"wm{number:03}",
            phone=vault.seal_text(phone),
            hash=vault.phone_hash(phone),
            address=vault.seal_text(f"幸福路 {number} 号") if number % 3 else None,
        )
        db.run(
            "INSERT INTO day_list (userid, day_on, text_sealed, matters, made_at)"
            " VALUES (:who, :day, :text, 1, 0)",
            who=f"u{number % 3}",
            day=f"2026-11-{number + 1:02}",
            text=vault.seal(f"清单 {number}".encode()) if number % 4 else b"",
        )
        db.run(
            "INSERT INTO unmatched (kind, row_key, row_sealed, imported_at)"
            " VALUES ('holdings', :key, :row, 0)",
            key=f"r{number}",
            row=before_ids(SECRET, f"行 {number}".encode()),
        )


def read_all(db: Db, vault: Vault) -> dict[tuple[str, str, tuple[object, ...]], bytes]:
    """Every value of the store, opened."""
    return {
        (value.place.table, value.column, value.row): vault.open(value.sealed)
        for place in sealed.places(db)
        for batch in sealed.not_under(lambda: db, place, b"\xff\xff\xff", 7)
        for value in batch
    }


def ready(bot: Bot) -> dict[tuple[str, str, tuple[object, ...]], bytes]:
    """Fill the store; what it holds."""
    vault = bot.vault
    bot.database.write(lambda db: fill(db, vault))
    return read_all(bot.database.read(), bot.vault)


def quick(bot: Bot, progress: Callable[[int, int], None] = lambda _done, _of: None) -> Rotation:
    return Rotation(bot.database, bot.vault, progress, settle=0.0, batch=5)


def numbers_in(db: Db) -> set[int | None]:
    """Under which keys anything is sealed."""
    return {
        key_number(value.sealed)
        for place in sealed.places(db)
        for batch in sealed.not_under(lambda: db, place, b"\xff\xff\xff", 50)
        for value in batch
    }


def acts(db: Db) -> list[str]:
    return [row["act"] for row in db.rows("SELECT act FROM audit ORDER BY id")]


# -- rotation


def test_D3_what_is_sealed_names_its_key(bots: Callable[..., Bot]) -> None:
    bot = bots()
    assert 1 == key_number(bot.vault.seal(b"x"))
    list(rotate(bot, quick(bot)))
    assert bot.vault.key.number == key_number(bot.vault.seal(b"x")) == 4


def test_D3_a_new_key_seals_everything_anew_and_search_goes_on(bots: Callable[..., Bot]) -> None:
    bot = bots()
    held = ready(bot)
    told: list[tuple[int, int]] = []
    lines = list(rotate(bot, quick(bot, lambda *step: told.append(step))))
    db = bot.database.read()
    assert held == read_all(db, bot.vault)
    assert {4} == numbers_in(db)
    assert f"重新加密 {len(held)} 处" in lines[1]
    assert (len(held), len(held)) == told[-1]
    assert len(told) > 10
    found = db.value(
        "SELECT count(*) FROM customer WHERE phone_hash = :h", h=bot.vault.phone_hash(PHONE)
    )
    assert 1 == found
    assert ["make_key", "rotate_keys"] == acts(db)
    assert None is journal.first_broken_link(db)


def test_D3_a_rotation_killed_at_any_batch_goes_on_where_it_was(bots: Callable[..., Bot]) -> None:
    bot = bots()
    held = ready(bot)
    steps: list[tuple[int, int]] = []
    list(rotate(bot, quick(bot, lambda *step: steps.append(step))))

    for last in range(len(steps)):
        left = [last]

        def kill(_done: int, _of: int, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed

        with pytest.raises(Killed):
            list(rotate(bot, quick(bot, kill)))
        assert held == read_all(bot.database.read(), bot.vault)
        killed_on = bot.vault.key.number
        assert "已经有新密钥,旧密钥名下还有数据,接着做" == next(iter(list(rotate(bot, quick(bot)))))
        assert {killed_on} == numbers_in(bot.database.read())
    assert held == read_all(bot.database.read(), bot.vault)


def test_D3_a_bot_that_runs_meanwhile_takes_the_new_key_within_seconds(
    bots: Callable[..., Bot],
) -> None:
    bot = bots()
    held, seconds = ready(bot), Seconds()
    ring = Ring(bot.database, SECRET, now=lambda: 0, ticks=seconds)
    running = Vault(SECRET, ring)

    def meanwhile(_seconds: float) -> None:
        """It kept on sealing with the old key until it looked again."""
        write(running.seal(b"late"))
        seconds.now += FRESH_SECONDS + 1
        write(running.seal(b"later"))

    def write(value: bytes) -> None:
        bot.database.write(
            lambda db: db.run(
                "INSERT INTO unmatched (kind, row_key, row_sealed, imported_at)"
                " VALUES ('holdings', :key, :row, 0)",
                key=value.hex(),
                row=value,
            )
        )

    rotation = quick(bot)
    rotation.wait = meanwhile
    list(rotate(bot, rotation))
    everything = read_all(bot.database.read(), running)
    assert held.items() <= everything.items()
    assert {b"late", b"later"} == {everything[each] for each in everything.keys() - held.keys()}
    assert {4} == numbers_in(bot.database.read())


def test_D3_somebody_who_never_takes_the_new_key_is_told(bots: Callable[..., Bot]) -> None:
    bot = bots()
    ready(bot)
    old, rounds = Vault(SECRET), iter(range(100))

    def stubborn(_done: int, _of: int) -> None:
        number = next(rounds)
        bot.database.write(
            lambda db: db.run(
                "UPDATE customer SET phone_sealed = :old WHERE external_userid = 'wm000'",
                old=old.seal(f"{number}".encode()),
            )
        )

    with pytest.raises(Invalid, match="还有进程在用旧密钥"):
        list(rotate(bot, quick(bot, stubborn)))
    assert None is keys.keys_at_rest(bot.database.read())[0]["emptied_at"]


def test_D3_what_no_key_opens_stays_as_it_is_and_is_told(bots: Callable[..., Bot]) -> None:
    bot = bots()
    ready(bot)
    broken = before_ids(ANOTHER, b"x")
    bot.database.write(
        lambda db: db.run("UPDATE unmatched SET row_sealed = :b WHERE row_key = 'r0'", b=broken)
    )
    assert "另有 1 处任何密钥都打不开" in list(rotate(bot, quick(bot)))[2]
    kept = bot.database.read().value("SELECT row_sealed FROM unmatched WHERE row_key = 'r0'")
    assert broken == bytes(kept)


# -- retiring


def test_D3_a_key_is_retired_only_when_nothing_is_under_it(
    bots: Callable[..., Bot], clock: FixedClock
) -> None:
    bot = bots()
    vars(bot)["clock"] = clock
    held = ready(bot)
    copy = before_ids(SECRET, b"x")
    with pytest.raises(Invalid, match="没有可以作废的旧密钥"):
        list(retire(bot, at_once=True))
    bot.ring.make(CipherName.AES, 0, "cli")
    with pytest.raises(Invalid, match="名下还有"):
        list(retire(bot, at_once=True))
    list(rotate(bot, quick(bot)))
    with pytest.raises(Invalid, match="还不到一天"):
        list(retire(bot, at_once=False))
    assert b"x" == bot.vault.open(copy)
    assert ["第 1 号密钥已作废"] == list(retire(bot, at_once=True))
    assert held == read_all(bot.database.read(), bot.vault)
    with pytest.raises(Invalid, match="没有第 1 号密钥"):
        bot.vault.open(copy)
    again = bots()
    assert held == read_all(again.database.read(), again.vault)
    assert "作废" in next(status(again))


# -- the secret


def test_D3_the_secret_can_be_changed_and_links_of_customers_live_on(
    bots: Callable[..., Bot],
) -> None:
    bot = bots()
    held = ready(bot)
    out, session = bot.vault.sign("out:wm001"), bot.vault.sign("session:ann.1.2")
    changed = bots(qunguan_secret_key=ANOTHER, qunguan_secret_key_before=SECRET)
    assert held == read_all(changed.database.read(), changed.vault)
    assert bot.vault.phone_hash(PHONE) == changed.vault.phone_hash(PHONE)
    assert changed.vault.signed("out:wm001", out)
    assert not changed.vault.signed("session:ann.1.2", session)
    assert changed.vault.signed("out:wm001", changed.vault.sign("out:wm001"))
    after = bots(qunguan_secret_key=ANOTHER)
    assert held == read_all(after.database.read(), after.vault)
    assert ["change_secret"] == acts(after.database.read())
    with pytest.raises(Invalid, match="QUNGUAN_SECRET_KEY_BEFORE"):
        bots(qunguan_secret_key=SECRET).vault.seal(b"x")
    with pytest.raises(Invalid, match="QUNGUAN_SECRET_KEY_BEFORE"):
        bots(qunguan_secret_key=SECRET, qunguan_secret_key_before="yet another secret").ring.keys()


def test_D3_another_secret_on_a_store_from_before_there_were_keys_is_refused(
    store: Database,
) -> None:
    store.write(lambda db: fill(db, Vault(SECRET)))
    with pytest.raises(Invalid, match="不一致"):
        Ring(store, ANOTHER, now=lambda: 0)
    assert [] == keys.all_keys(store.read())
    assert Ring(store, SECRET, now=lambda: 0).keys() is not None


def test_D3_no_key_stands_in_the_store_as_it_is(bots: Callable[..., Bot]) -> None:
    bot = bots()
    bot.ring.make(CipherName.SM4, 0, "cli")
    kept = b"".join(bytes(row["wrapped"]) for row in keys.all_keys(bot.database.read()))
    known = bot.ring.keys()
    plain = [*(key.secret for key in known.at_rest.values()), known.search, *known.signing]
    assert [] == [each for each in plain if each in kept]
    assert [] == [each for each in plain if each.hex() in repr(known) or repr(each) in repr(known)]


# -- SM4


def test_D3_sm4_gcm_gives_what_rfc_8998_publishes() -> None:
    key = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    nonce = bytes.fromhex("00001234567800000000ABCD")
    header = bytes.fromhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2")
    plain = bytes.fromhex(
        "AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCDDDDDDDDDDDDDDDD"
        "EEEEEEEEEEEEEEEEFFFFFFFFFFFFFFFFEEEEEEEEEEEEEEEEAAAAAAAAAAAAAAAA"
    )
    published = bytes.fromhex(
        "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735"
        "D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D"
        "83DE3541E4C2B58177E065A9BF7B62EC"
    )
    assert published == Sm4Gcm(key).encrypt(nonce, plain, header)
    assert plain == Sm4Gcm(key).decrypt(nonce, published, header)


def test_D3_another_cipher_seals_what_is_new_and_rotation_what_is_old(
    bots: Callable[..., Bot],
) -> None:
    held = ready(bots())
    bot = bots(qunguan_cipher="sm4")
    assert held == read_all(bot.database.read(), bot.vault)
    assert 2 == bot.vault.seal(b"x")[0]  # a command alone changes nothing
    bot.ring.follow(CipherName.SM4, 0)
    bot.ring.follow(CipherName.SM4, 0)
    assert 2 == len(keys.keys_at_rest(bot.database.read()))
    assert 3 == bot.vault.seal(b"x")[0]
    assert "接着做" in next(rotate(bot, quick(bot)))
    list(rotate(bot, quick(bot)))
    values = [
        value.sealed[0]
        for place in sealed.places(bot.database.read())
        for batch in sealed.not_under(bot.database.read, place, b"\xff\xff\xff", 50)
        for value in batch
    ]
    assert {3} == set(values)
    assert held == read_all(bot.database.read(), bot.vault)
    back = bots(qunguan_cipher="aes")
    back.ring.follow(CipherName.AES, 0)
    assert held == read_all(back.database.read(), back.vault)
    assert 2 == back.vault.seal(b"x")[0]


@pytest.mark.parametrize("position", [0, 1, 2, 3, 14, 15, -1])
def test_D3_a_changed_byte_does_not_open_under_sm4(position: int) -> None:
    key = Key.new(7, CipherName.SM4)
    value = bytearray(key.seal("十五万".encode()))
    value[position] ^= 1
    with pytest.raises(Invalid):
        key.open(bytes(value))
    with pytest.raises(Invalid):
        key.open(bytes(value[:10]))


def test_D3_a_machine_without_the_cipher_is_told_what_to_do() -> None:
    with pytest.raises(Invalid, match=r"不支持 SM4-GCM.*QUNGUAN_CIPHER 改回 aes"):
        Sm4Gcm(bytes(16), CAST5)


# -- every place


def test_D3_every_sealed_column_is_found_with_its_primary_key(store: Database) -> None:
    found = {place.table: place for place in sealed.places(store.read())}
    assert ("external_userid",) == found["customer"].key
    assert ("phone_sealed", "address_sealed") == found["customer"].columns
    assert ("userid", "day_on") == found["day_list"].key
    assert {"inbox", "message", "fact", "send_task", "set_aside", "unmatched"} <= set(found)


# -- killed for real

_ROTATING = """
import sys
from bot.__main__ import app
from bot.app import Bot
from bot.rekeying import Rotation, rotate
from config.settings import Settings
bot = Bot(Settings(_env_file=None))
def tell(done, of):
    print(done, of, flush=True)
    if done > 5:
        sys.stdin.read()
list(rotate(bot, Rotation(bot.database, bot.vault, tell, settle=0.0, batch=1)))
print("finished", flush=True)
"""


def test_D3_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, qunguan_data_dir=tmp_path, qunguan_secret_key=SECRET)  # type: ignore[arg-type]  # as above
    bot = Bot(settings)
    held = ready(bot)
    bot.database.close()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "QUNGUAN_DATA_DIR": str(tmp_path),
        "QUNGUAN_SECRET_KEY": SECRET,
    }

    def rotating() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", _ROTATING],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    with rotating() as first:
        assert first.stdout is not None
        while not first.stdout.readline().startswith("6 "):
            pass
        first.send_signal(signal.SIGKILL)
        assert "finished" not in first.stdout.read()
    again = Bot(settings)
    assert held == read_all(again.database.read(), again.vault)
    assert {1, 4} == numbers_in(again.database.read())
    again.database.close()
    with rotating() as second:
        assert "finished" in second.communicate()[0]
    last = Bot(settings)
    assert held == read_all(last.database.read(), last.vault)
    assert {4} == numbers_in(last.database.read())
    last.database.close()


# -- as it is typed


def test_D3_the_commands_tell_what_there_is_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUNGUAN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("QUNGUAN_SECRET_KEY", SECRET)
    answer = CliRunner().invoke(app, ["keys", "list"])
    assert 0 == answer.exit_code
    assert answer.stdout.startswith("第 1 号 AES-256-GCM ")
    assert "在用,名下 0 条记录" in answer.stdout
    refused = CliRunner().invoke(app, ["keys", "retire", "--now"])
    assert "没有可以作废的旧密钥" in str(refused.exception)
