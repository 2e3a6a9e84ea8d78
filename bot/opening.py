"""What a start makes of the settings before anything runs: checked, keys, lock, archive."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from bot.errors import Invalid
from bot.store.keys import Ring
from bot.store.retention import WORDS_DAYS
from bot.vault import need_secret
from bot.wire import CallbackKeys
from config.settings import PUBLIC_WECOM, Settings

if TYPE_CHECKING:
    from bot.archive.pull import Decryptor
    from bot.archive.source import ArchiveSource
    from bot.clock import Clock
    from bot.modelreader import ModelReader
    from bot.shared import Shared
    from bot.store.db import Database
    from bot.vault import Vault
    from handlers.reading.doubts import Doubts
    from scheduler.thresholds import ModelLimits

SOURCES = ("app", "contacts", "archive", "kf")


def check_settings(settings: Settings) -> None:
    """Refuse settings that can never work together.

    Raises:
        Invalid: With the setting and what to write.
    """
    if settings.database_url and not settings.database_url.startswith("postgresql://"):
        raise Invalid(
            "DATABASE_URL 要写成 postgresql://用户:密码@主机:5432/数据库,不设则用内置存储"
        )
    if settings.redis_url and not settings.redis_url.startswith(("redis://", "rediss://")):
        raise Invalid("REDIS_URL 要写成 redis://:密码@主机:6379/0,不设则不用 Redis")
    if settings.redis_url and not settings.database_url:
        raise Invalid("REDIS_URL 要和 DATABASE_URL 一起设:内置存储只能由一个进程使用,用不上 Redis")
    if settings.qunguan_clock != "system" and settings.wecom_base_url == PUBLIC_WECOM:
        raise Invalid("QUNGUAN_CLOCK 只能在沙盒或测试环境使用;连接正式企业微信时请去掉它")
    if settings.qunguan_model_url and not settings.qunguan_model_name:
        raise Invalid("设了 QUNGUAN_MODEL_URL,还要用 QUNGUAN_MODEL_NAME 写明模型的名称")
    need_secret(settings.qunguan_secret_key.get_secret_value())


def open_ring(settings: Settings, database: Database, clock: Clock) -> Ring:
    """The keys of a store.

    Raises:
        Invalid: The secret does not open them, or this machine lacks the cipher.
    """
    return Ring(
        database,
        settings.qunguan_secret_key.get_secret_value(),
        before=settings.qunguan_secret_key_before.get_secret_value(),
        now=lambda: int(clock.now().timestamp() * 1000),
    )


def callback_keys(settings: Settings) -> dict[str, CallbackKeys]:
    """The keys of every callback source that is set up."""
    found = {}
    for source in SOURCES:
        token, aes_key = settings.callback_secrets(source)
        if token and aes_key:
            found[source] = CallbackKeys(token, aes_key, settings.wecom_corp_id)
    return found


def sole_use(settings: Settings) -> contextlib.AbstractContextManager[None]:
    """Hold a store: two bots on one, without Redis, would each take up the other's errands.

    The lock ends with the process, however that ends.

    Raises:
        Invalid: Another bot holds it.
    """
    if not settings.database_url:
        return sole_use_of_folder(settings.qunguan_data_dir)
    from bot.store.postgres import sole_use_of_database

    return sole_use_of_database(settings.database_url)


@contextlib.contextmanager
def sole_use_of_folder(folder: Path) -> Iterator[None]:
    """Hold a data folder.

    Raises:
        Invalid: Another bot holds it.
    """
    import fcntl

    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Invalid(
                f"数据文件夹 {folder} 正由另一个群管使用,请先停掉它,或换一个 QUNGUAN_DATA_DIR"
                "(演示:换一个目录启动)"
            ) from None
        yield


def open_shared(settings: Settings) -> Shared | None:
    """What several processes share; None where there is one."""
    if not settings.redis_url:
        return None
    from bot.shared import Shared

    return Shared(settings.redis_url, settings.wecom_corp_id)


def share_the_way(shared: Shared, vault: Vault) -> dict[str, Any]:
    """What the processes of one corp share of the way to WeCom: tokens and pace."""
    from bot.shared import SharedPacing, SharedTokenCache

    return {
        "token_cache": SharedTokenCache(shared, vault),
        "pacing": SharedPacing(shared, monotonic, sleep),
    }


def open_archive(
    settings: Settings, closing: contextlib.ExitStack
) -> tuple[ArchiveSource | None, Decryptor | None]:
    """Where archive records come from and what opens them; None where nothing is set up.

    The official SDK decrypts where it is installed, our own decryption elsewhere. What has to
    be closed at the end is put on ``closing``.
    """
    if settings.wecom_archive_keys_dir is None:
        return None, None
    import urllib3

    from bot.archive.crypto import ArchiveKeys, RecordDecryptor
    from bot.archive.sdk import ArchiveSdk, SdkDecryptor, SdkSource, sdk_installed
    from bot.archive.source import RelaySource

    keys = ArchiveKeys.load(settings.wecom_archive_keys_dir)
    relay = settings.wecom_archive_relay_url
    token = settings.wecom_archive_relay_token.get_secret_value()
    http = urllib3.PoolManager(maxsize=2)
    closing.callback(http.clear)
    if not sdk_installed():
        if not relay:
            raise Invalid(
                "本机没有会话存档 SDK:请运行 pip install 'qunguan[archive]',"
                "或设置 WECOM_ARCHIVE_RELAY_URL 通过中继拉取"
            )
        return RelaySource(relay, token, http), RecordDecryptor(keys)
    sdk = ArchiveSdk(settings.wecom_corp_id, settings.wecom_archive_secret.get_secret_value())
    closing.callback(sdk.close)
    source = RelaySource(relay, token, http) if relay else SdkSource(sdk)
    return source, RecordDecryptor(keys, SdkDecryptor(sdk))


def open_doubts(settings: Settings, sure: float, today: date) -> Doubts | None:
    """What was learnt from corrections, if it is to be used and not too old; else None.

    It may not outlive the words that it was learnt from.

    Raises:
        Invalid: The file is missing, broken or too old; says what to do.
    """
    if settings.qunguan_doubts == "off":
        return None
    from handlers.reading.doubts import unpack

    try:
        text = settings.doubts_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Invalid("设了 QUNGUAN_DOUBTS=on,但还没有学过,请先运行 qunguan rules train") from None
    found, until = unpack(text, sure)
    if today - until > timedelta(days=WORDS_DAYS):
        raise Invalid(f"学来的东西出自 {until} 以前的话,已过期,请重新运行 qunguan rules train")
    return found


def open_model(
    settings: Settings, limits: ModelLimits, closing: contextlib.ExitStack
) -> ModelReader | None:
    """The bank's language model; None where none is set up.

    Raises:
        Invalid: The address or its instructions do not do.
    """
    if not settings.qunguan_model_url:
        return None
    from bot.modelreader import ModelReader

    reader = ModelReader.load(
        settings.qunguan_config_dir,
        settings.qunguan_model_url,
        settings.qunguan_model_name,
        settings.qunguan_model_key.get_secret_value(),
        limits,
    )
    closing.callback(reader.close)
    return reader
