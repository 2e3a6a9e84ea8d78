"""When a call may go out: rates, rests after a limit, lanes for one customer, members' caps."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final
from zlib import crc32

from bot.errors import Retry

PER_MINUTE: Final = 6000
"""Of WeCom's 10,000 a minute for one interface of a corp; the rest is for other programs."""
PATIENCE_SECONDS: Final = 5.0
"""A thread waits so long for its turn; beyond that the work goes back to its queue."""
MEMBER_CAPS: Final = ((60.0, 28), (3600.0, 950))
"""(seconds, messages) to one member from one app. WeCom allows 30 and 1,000 and drops the rest
with errcode 0; its window does not begin with ours, hence a little less."""
_STRIPES: Final = 64
_SWEEP_AT: Final = 4096


class Bucket:
    """A rate with a burst, kept as one number (the theoretical arrival time of the next call)."""

    def __init__(self, per_minute: float, burst: int) -> None:
        self._interval = 60.0 / per_minute
        self._slack = self._interval * (burst - 1)
        self._due = float("-inf")
        self._lock = threading.Lock()

    def take(self, now: float, patience: float) -> float:
        """Seconds to wait for a turn; the turn is taken unless that is more than ``patience``."""
        with self._lock:
            due = max(self._due, now)
            wait = max(0.0, due - self._slack - now)
            if wait <= patience:
                self._due = due + self._interval
            return wait


class Pacing:
    """Every interface's rate and rest, in one process; knows nothing of the network.

    Args:
        monotonic: Seconds that never jump.
        sleep: How a thread waits.
    """

    def __init__(self, monotonic: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._lock = threading.Lock()
        self._buckets: dict[str, Bucket] = {}
        self._narrow: dict[str, threading.BoundedSemaphore] = {}
        self._parked: dict[str, float] = {}
        self._struck: set[str] = set()
        self._lanes = [threading.RLock() for _ in range(_STRIPES)]
        self._sent: defaultdict[str, deque[float]] = defaultdict(deque)

    @contextmanager
    def turn(self, path: str, per_minute: int = PER_MINUTE, parallel: int = 0) -> Iterator[None]:
        """Wait for a turn at this interface and hold it.

        Args:
            path: The interface.
            per_minute: Calls a minute.
            parallel: Calls at the same time; 0 for any number.

        Raises:
            Retry: The interface rests, or the queue for it is longer than five seconds.
        """
        with self.door(path, parallel):
            self.check(path)
            wait = self.wait_for(path, per_minute)
            if wait > PATIENCE_SECONDS:
                raise Retry(f"接口调用排队过长，稍后再试；{path}", wait)
            if wait > 0:
                self._sleep(wait)
            yield

    def wait_for(self, path: str, per_minute: int) -> float:
        """Seconds to wait for a turn; the turn is taken unless that is too long."""
        with self._lock:
            burst = max(1, per_minute // 60)
            bucket = self._buckets.setdefault(path, Bucket(per_minute, burst))
        return bucket.take(self._monotonic(), PATIENCE_SECONDS)

    def door(self, path: str, parallel: int) -> AbstractContextManager[object]:
        """Held during a call: an interface may answer only so many at once."""
        with self._lock:
            # An unlimited door is a lock of one's own.
            return (
                self._narrow.setdefault(path, threading.BoundedSemaphore(parallel))
                if parallel
                else threading.Lock()
            )

    def check(self, path: str) -> None:
        """Refuse while the interface rests, without touching the network.

        Raises:
            Retry: It rests; ``after`` is what is left.
        """
        rest = self._parked.get(path, 0.0) - self._monotonic()
        if rest > 0:
            raise Retry(f"接口触发频率限制，正在冷却；{path}", rest)

    def park(self, path: str, first: float, again: float) -> float:
        """Let the interface rest: ``first`` seconds, or ``again`` when the limit came right back.

        Returns:
            Seconds it still rests. Calls that were under way when the rest began do not
            lengthen it.
        """
        with self._lock:
            now = self._monotonic()
            if self._parked.get(path, 0.0) <= now:
                self._parked[path] = now + (again if path in self._struck and again else first)
                self._struck.add(path)
            return self._parked[path] - now

    def passed(self, path: str) -> None:
        """A call went through after the rest: the next limit counts as a first one."""
        with self._lock:
            if self._parked.get(path, 0.0) <= self._monotonic():
                self._struck.discard(path)

    def lane(self, userid: str, external_userid: str) -> AbstractContextManager[object]:
        """Held while one friendship is written: two writes at once get 45035."""
        return self._lanes[crc32(f"{userid}\0{external_userid}".encode()) % _STRIPES]

    def admit(self, userids: Iterable[str]) -> None:
        """Count one message to each member, or none when somebody's cap is reached.

        Raises:
            Retry: WeCom would drop the message without a word; ``after`` is when it would not.
        """
        members = {userid.lower() for userid in userids}
        with self._lock:
            now = self._monotonic()
            wait = max((self._cap_wait(member, now) for member in members), default=0.0)
            if wait > 0:
                raise Retry("该成员的应用消息已达每分钟或每小时上限，稍后再发", wait)
            for member in members:
                self._sent[member].append(now)
            if len(self._sent) > _SWEEP_AT:
                self._sweep(now)

    def recall(self, sent: Iterable[tuple[str, float]]) -> None:
        """Count messages of before this process began: (member, seconds ago), in any order."""
        with self._lock:
            now = self._monotonic()
            for member, ago in sorted(sent, key=lambda each: -each[1]):
                self._sent[member.lower()].append(now - ago)

    def _cap_wait(self, member: str, now: float) -> float:
        sent = self._sent.get(member)
        if not sent:
            return 0.0
        while sent and sent[0] <= now - MEMBER_CAPS[-1][0]:
            sent.popleft()
        # The cap is free again when its n-th newest message leaves the span.
        waits = (sent[-most] + span - now for span, most in MEMBER_CAPS if len(sent) >= most)
        return max(0.0, *waits, 0.0)

    def _sweep(self, now: float) -> None:
        horizon = now - MEMBER_CAPS[-1][0]
        for member in [name for name, sent in self._sent.items() if sent[-1] <= horizon]:
            del self._sent[member]
