"""The connection to Redis, its errors as ours, and locks that end by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from bot.errors import Invalid, Retry

try:
    import redis
except ImportError:
    raise Invalid("没有安装 Redis 的客户端,请运行 pip install 'qunguan[scaled]'") from None

_CONNECT_SECONDS = 2.0
_ANSWER_SECONDS = 3.0
_LOCK_SECONDS = 30.0


class Shared:
    """Redis under the names of one corp.

    Every name begins alike and in braces, so that on a cluster all of them are in one place.

    Args:
        url: ``redis://…`` or ``rediss://…``.
        corp_id: Whose names they are.
    """

    def __init__(self, url: str, corp_id: str) -> None:
        try:
            self.client: Any = redis.Redis.from_url(
                url,
                socket_connect_timeout=_CONNECT_SECONDS,
                socket_timeout=_ANSWER_SECONDS,
                protocol=2,
                health_check_interval=15,
            )
        except ValueError:
            raise Invalid("REDIS_URL 要写完整,例如 redis://:密码@主机:6379/0") from None
        self._prefix = f"qunguan:{{{corp_id}}}"

    def name(self, *parts: str) -> str:
        """A name for something of this corp."""
        return ":".join((self._prefix, *parts))

    @contextmanager
    def answering(self) -> Iterator[Any]:
        """The client; its errors come out as ours.

        Raises:
            Retry: Redis does not answer, or answers no; what was written is not known.
        """
        try:
            yield self.client
        except redis.RedisError as trouble:
            raise Retry(f"Redis 暂时不可用({type(trouble).__name__})") from None

    @contextmanager
    def lock(self, *parts: str, patience: float) -> Iterator[None]:
        """Held while the block runs, but for no longer than half a minute.

        Raises:
            Retry: Somebody else held it for too long, or Redis does not answer.
        """
        with self.answering() as client:
            lock = client.lock(
                self.name("lock", *parts), timeout=_LOCK_SECONDS, sleep=0.02, thread_local=False
            )
            if not lock.acquire(blocking_timeout=patience):
                raise Retry("另一个进程正在做同一件事,稍后再试")
        try:
            yield
        finally:
            with suppress(redis.RedisError):  # it ends by itself
                lock.release()

    def close(self) -> None:
        """Hang up."""
        self.client.close()
