"""The official archive library in a process of its own, as decryption and as a source.

A cut ciphertext makes the library abort the process that holds it. That process is a child here:
the record that killed it is damaged, the next call starts another child.
"""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bot.archive.crypto import SHORTEST_MESSAGE, EncryptedRecord
from bot.archive.source import MediaChunk, error_of, parse_chat_data, whole_media
from bot.archive.strict import DamagedRecord, Reason, load_object
from bot.errors import Invalid, Retry

Answer = tuple[dict[str, Any], bytes]
_CHILD = Path(__file__).with_name("sdk_child.py")
_CALL_SECONDS = 20  # handed to the library for one call to the platform
_READ_BYTES = 1 << 20
_STOPPED_BY_OTHERS = (
    -signal.SIGKILL,
    -signal.SIGTERM,
)  # memory killer, shutdown: no record's fault


def sdk_installed() -> bool:
    """True when the optional extra ``archive`` is there."""
    return find_spec("pywecomarchive") is not None


class SdkCrashed(Retry):
    """The child died or hung during a call."""

    def __init__(self, how: str, *, by_input: bool) -> None:
        super().__init__(f"会话存档 SDK 进程{how},已重启", 1.0)
        self.by_input = by_input


class ArchiveSdk:
    """One child, one call at a time, started when first needed and after each death.

    Args:
        corp_id: Needed for pulling only; decryption works without.
        secret: The archive's own secret.
        proxy: ``http://host:port`` or ``socks5://host:port``, or "".
        passwd: ``user:password`` of the proxy, or "".
        patience: Seconds for one answer, the child's start included; later it counts as hung.
    """

    def __init__(
        self,
        corp_id: str = "",
        secret: str = "",
        *,
        proxy: str = "",
        passwd: str = "",
        patience: float = 60.0,
    ) -> None:
        self._login = {"corp_id": corp_id, "secret": secret, "proxy": proxy, "passwd": passwd}
        self._patience = patience
        self._child: subprocess.Popen[bytes] | None = None
        self._ready_to_pull = False
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def decrypt(self, random_key: str, message: str) -> tuple[int, bytes]:
        """``DecryptData``: the library's code and, when that is 0, the plain bytes.

        Raises:
            SdkCrashed: The child died; ``by_input`` tells whether this record did it.
        """
        meta, content = self._steadily(
            lambda: self._call("decrypt", random_key=random_key, message=message)
        )
        return int(meta["rc"]), content

    def pull(self, op: str, **arguments: Any) -> Answer:
        """``chat_data`` or ``media``, after ``Init`` where this child has not had it.

        Raises:
            Retry: Network, busy, or the child died.
            Refused: The library's code says why.
        """
        return self._steadily(lambda: self._pull(op, arguments))

    def close(self) -> None:
        """Let the child go; the next call would start another."""
        with self._lock:
            self._drop()

    def _steadily(self, work: Callable[[], Answer]) -> Answer:
        """Once more in a new child when the old one was stopped by others; reading is harmless."""
        with self._lock:
            try:
                return work()
            except SdkCrashed as crash:
                if crash.by_input:
                    raise
                return work()

    def _pull(self, op: str, arguments: dict[str, Any]) -> Answer:
        if not self._alive() or not self._ready_to_pull:
            _checked(self._call("init", **self._login))
            self._ready_to_pull = True
        return _checked(self._call(op, **arguments, timeout=_CALL_SECONDS))

    def _alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def _call(self, op: str, **arguments: Any) -> Answer:
        if not self._alive():
            self._start()
        request = json.dumps({"op": op, **arguments}).encode()
        try:
            self._send(struct.pack(">I", len(request)) + request)
        except BrokenPipeError:
            raise self._obituary(heard=False) from None
        return self._receive()

    def _start(self) -> None:
        self._drop()
        if not sdk_installed():
            raise Invalid("没有安装会话存档 SDK,请执行 pip install 'qunguan[archive]',或改用中继")
        # -P keeps this folder off the module path; a session of its own keeps Ctrl-C from it.
        self._child = subprocess.Popen(  # noqa: S603  # both words are ours
            [sys.executable, "-P", str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _send(self, frame: bytes) -> None:
        assert self._child is not None
        assert self._child.stdin is not None
        self._child.stdin.write(frame)
        self._child.stdin.flush()

    def _receive(self) -> Answer:
        deadline = time.monotonic() + self._patience
        try:
            meta = load_object(self._frame(deadline))
            return meta, self._frame(deadline)
        except EOFError:
            raise self._obituary(heard=True) from None

    def _frame(self, deadline: float) -> bytes:
        (size,) = struct.unpack(">I", self._exactly(4, deadline))
        return self._exactly(size, deadline)

    def _exactly(self, size: int, deadline: float) -> bytes:
        assert self._child is not None
        assert self._child.stdout is not None
        pipe = self._child.stdout.fileno()
        got = bytearray()
        while len(got) < size:
            if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                self._drop()
                raise SdkCrashed("没有反应", by_input=True)
            piece = os.read(pipe, min(_READ_BYTES, size - len(got)))
            if not piece:
                raise EOFError
            got += piece
        return bytes(got)

    def _obituary(self, *, heard: bool) -> SdkCrashed | Invalid:
        assert self._child is not None
        code = self._child.wait()
        self._drop()
        if code > 0:
            return Invalid("会话存档 SDK 无法在本机加载,请检查系统、架构与依赖(glibc 2.17 以上)")
        by_input = heard and code not in _STOPPED_BY_OTHERS
        return SdkCrashed(f"退出(信号 {-code})", by_input=by_input)

    def _drop(self) -> None:
        child, self._child = self._child, None
        self._ready_to_pull = False
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            assert pipe is not None
            _close_quietly(pipe.close)


class SdkDecryptor:
    """The official decryption with the face of `decrypt_record`; see `RecordDecryptor`."""

    def __init__(self, sdk: ArchiveSdk) -> None:
        self._sdk = sdk

    def __call__(self, random_key: str, encrypt_chat_msg: str) -> str:
        """The plain JSON text of a record.

        Raises:
            DamagedRecord: The library refuses it, or died of it.
            Retry: The child was stopped by somebody else meanwhile.
        """
        if not encrypt_chat_msg.isascii() or len(encrypt_chat_msg) < SHORTEST_MESSAGE:
            raise DamagedRecord(Reason.TOO_SHORT)
        try:
            rc, content = self._sdk.decrypt(random_key, encrypt_chat_msg)
        except SdkCrashed as crash:
            if crash.by_input:
                raise DamagedRecord(Reason.SDK_CRASHED) from None
            raise
        if rc:
            raise DamagedRecord(Reason.SDK_REFUSED, str(rc))
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            raise DamagedRecord(Reason.NOT_UTF8) from None


class SdkSource:
    """The archive through the library on this machine; also what a relay serves."""

    def __init__(self, sdk: ArchiveSdk) -> None:
        self._sdk = sdk

    def chat_data(self, seq: int, limit: int) -> list[EncryptedRecord]:
        """See `ArchiveSource.chat_data`."""
        return parse_chat_data(self.chat_data_text(seq, limit))

    def chat_data_text(self, seq: int, limit: int) -> bytes:
        """The JSON of ``GetChatData``, unchanged.

        Raises:
            Retry: Network, busy, or the child died.
            Refused: The library's code says why.
        """
        return self._sdk.pull("chat_data", seq=seq, limit=limit)[1]

    def media(self, sdkfileid: str) -> bytes:
        """See `ArchiveSource.media`."""
        return whole_media(self.media_chunk, sdkfileid)

    def media_chunk(self, sdkfileid: str, index: str) -> MediaChunk:
        """One chunk; ``index`` is "" for the first, then what the last chunk gave."""
        meta, content = self._sdk.pull("media", sdkfileid=sdkfileid, index=index)
        return MediaChunk(str(meta["index"]), content, bool(meta["finish"]))


def _checked(answer: Answer) -> Answer:
    if rc := int(answer[0]["rc"]):
        raise error_of(rc)
    return answer


def _close_quietly(close: Any) -> None:
    """Closing flushes what a dead child never read."""
    try:
        close()
    except BrokenPipeError:
        return
