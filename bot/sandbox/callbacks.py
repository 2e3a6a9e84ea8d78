"""Telling the bot: encrypted callbacks from a queue, five seconds each, retried up to three times.

WeCom promises neither delivery nor order, and says nothing about the pause before it asks again;
here it is ``retry_pause`` seconds. A retry decrypts to the same content under fresh random bytes.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

import urllib3

from bot.errors import Invalid
from bot.sandbox.envelope import Envelope, to_xml
from bot.sandbox.faults import Faults
from bot.sandbox.records import Callback, Fields
from bot.sandbox.settings import SandboxSettings

TIMEOUT_SECONDS = 5.0
RETRIES = 3
_ECHO = "5927398469027481236"


@dataclass(frozen=True)
class Delivery:
    """One attempt: where, which one (0: nobody listened), what came back (status 0: no answer)."""

    source: str
    name: str
    attempt: int
    status: int


@dataclass
class _Waiting:
    callback: Callback
    source: str
    name: str
    xml: str
    attempt: int = 1


class CallbackDoor:
    """Sends the world's callbacks to one base address.

    Args:
        on_reply: Gets the userid and the opened passive reply to a message.
        workers: Threads that post; one keeps the order as far as the network does.
        retry_pause: Seconds before a refused callback is sent again.
        timeout: Seconds after which an answer comes too late.

    Attributes:
        deliveries: The latest attempts, oldest first.
    """

    def __init__(
        self,
        settings: SandboxSettings,
        faults: Faults,
        on_reply: Callable[[str, Fields], None],
        *,
        workers: int = 1,
        retry_pause: float = 0.5,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self._settings = settings
        self._faults = faults
        self._on_reply = on_reply
        self._retry_pause = retry_pause
        self._timeout = timeout
        self._base = ""
        self._http = urllib3.PoolManager(maxsize=workers, retries=False)
        self._queue: list[tuple[float, int, _Waiting]] = []
        self._order = itertools.count()
        self._held: list[_Waiting] = []
        self._changed = threading.Condition()
        self._busy = 0
        self._notified = float("-inf")
        self._notify_waits = False
        self._stamp = 0
        self._closed = False
        self.deliveries: deque[Delivery] = deque(maxlen=20_000)
        self._threads = [
            threading.Thread(target=self._run, name="sandbox-callbacks", daemon=True)
            for _ in range(workers)
        ]

    def start(self) -> None:
        """Begin to post."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop; what still waits is dropped, as the platform may."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=self._timeout + 1)
        self._http.clear()

    def point_at(self, base: str) -> None:
        """Send to ``{base}/wecom/callback/{source}`` from now on; with "" nobody hears them."""
        with self._changed:
            self._base = base.rstrip("/")
            self._changed.notify_all()

    def send(self, callback: Callback) -> None:
        """Queue one callback (and let the faults have their way with it).

        While nobody listens it is lost, as it would be before a bot's address is saved.
        """
        source = self._settings.family_sources[callback.family]
        event = callback.fields.get("Event", callback.fields.get("MsgType", ""))
        name = "/".join(
            str(part) for part in (source, event, callback.fields.get("ChangeType", "")) if part
        )
        if not self._base:
            self.deliveries.append(Delivery(source, name, 0, 0))
            return
        if event == "msgaudit_notify":
            self._notify(callback, source, name)
        else:
            self._struck(_Waiting(callback, source, name, to_xml(callback.fields)))

    def send_raw(self, source: str, xml: str) -> None:
        """Queue any text as the decrypted content, for what WeCom would not send."""
        with self._changed:
            self._put(_Waiting(Callback(source, {}), source, f"{source}/raw", xml))

    def _notify(self, callback: Callback, source: str, name: str) -> None:
        """At most one archive notification in ``notify_seconds``; a later one covers the rest.

        No two carry the same second, as no two of the platform's do: on a clock that stands still
        a bot would otherwise take the second for a repetition of the first.
        """
        with self._changed:
            if self._notify_waits:
                return
            due = max(time.monotonic(), self._notified + self._settings.notify_seconds)
            self._notify_waits, self._notified = True, due
            self._stamp = max(self._stamp + 1, int(callback.fields["CreateTime"]))
            xml = to_xml(callback.fields | {"CreateTime": self._stamp})
        self._struck(_Waiting(callback, source, name, xml), due)

    def _struck(self, waiting: _Waiting, due: float | None = None) -> None:
        struck = {fault.action: fault for fault in self._faults.strike(waiting.name)}
        with self._changed:
            if "drop" in struck:
                self._notify_waits = self._notify_waits and "msgaudit" not in waiting.name
                return
            if "reorder" in struck:
                self._held.append(waiting)
                return
            if "delay" in struck:
                due = (due or time.monotonic()) + struck["delay"].value
            self._put(waiting, due)
            if "duplicate" in struck:
                self._put(waiting, due)
            held, self._held = self._held, []
            for one in held:
                self._put(one, due)

    def _put(self, waiting: _Waiting, due: float | None = None) -> None:
        entry = (due if due is not None else time.monotonic(), next(self._order), waiting)
        heapq.heappush(self._queue, entry)
        self._changed.notify()

    def _run(self) -> None:
        while True:
            waiting = self._next()
            if waiting is None:
                return
            try:
                self._deliver(waiting)
            finally:
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()

    def _next(self) -> _Waiting | None:
        """The next callback that is due; waits for it. None when closed."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                if self._queue and self._queue[0][0] <= now:
                    self._busy += 1
                    waiting = heapq.heappop(self._queue)[2]
                    if "msgaudit" in waiting.name:
                        self._notify_waits = False
                    return waiting
                due = self._queue[0][0] - now if self._queue else None
                self._changed.wait(due)
            return None

    def _deliver(self, waiting: _Waiting) -> None:
        status, body = self._post(waiting)
        self.deliveries.append(Delivery(waiting.source, waiting.name, waiting.attempt, status))
        if status == 200:
            if body.strip():
                self._reply(waiting, body)
        elif waiting.attempt <= RETRIES:
            waiting.attempt += 1
            with self._changed:
                self._put(waiting, time.monotonic() + self._retry_pause)

    def _post(self, waiting: _Waiting) -> tuple[int, str]:
        address = self.address(waiting.source)
        if "://" not in address:  # nobody has said where the bot is: as if it were down
            return 0, ""
        post = self.envelope(waiting.source).post(waiting.xml)
        try:
            answer = self._http.request(
                "POST",
                f"{address}?{urlencode(post.query)}",
                body=post.body,
                headers={"Content-Type": "text/xml"},
                timeout=self._timeout,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError:
            return 0, ""
        return answer.status, answer.data.decode("utf-8", "replace")

    def _reply(self, waiting: _Waiting, body: str) -> None:
        """Hand a passive reply to the person who wrote; what cannot be opened shows nothing."""
        userid = str(waiting.callback.fields.get("FromUserName", "sys"))
        try:
            fields = self.envelope(waiting.source).open_reply(body)
        except (Invalid, ValueError) as wrong:
            fields = {"MsgType": "unreadable", "Content": str(wrong)}
        self._on_reply(userid, fields)

    def envelope(self, source: str) -> Envelope:
        """The encryption of one source."""
        token, aes_key = self._settings.callback_keys(source)
        agent_id = self._settings.agent_id if source == "app" else None
        return Envelope(self._settings.corp_id, token, aes_key, agent_id, self._settings.clock)

    def address(self, source: str) -> str:
        """Where callbacks of one source go."""
        return f"{self._base}/wecom/callback/{source}"

    def verify(self, source: str) -> bool:
        """Save the address in the console: the bot must give the echo back within a second."""
        query = self.envelope(source).echo(_ECHO)
        try:
            answer = self._http.request(
                "GET", f"{self.address(source)}?{urlencode(query)}", timeout=1.0, redirect=False
            )
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status == 200 and answer.data == _ECHO.encode()

    def drain(self, seconds: float = 10.0) -> bool:
        """Wait until nothing is queued or under way; False when ``seconds`` pass first."""
        until = time.monotonic() + seconds
        with self._changed:
            for one in self._held:
                self._put(one)
            self._held = []
            while self._queue or self._busy:
                left = until - time.monotonic()
                if left <= 0 or self._closed:
                    return False
                self._changed.wait(left)
            return True
