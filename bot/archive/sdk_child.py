"""The process that holds the official library; it may die, the bot lives on.

Runs as a file, imports nothing of the bot: it starts fast and knows no keys. On standard input
come frames (4 bytes of length, big-endian, then JSON ``{"op", …}``); to each it answers two
frames on standard output: JSON ``{"rc", …}`` and the bytes that the library gave.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

# The binding declares the C functions; the client above it parses answers and stops at the first
# odd record, while a relay must hand on the JSON unchanged. The version is pinned for this.
from pywecomarchive._native import NativeBinding

Answer = tuple[dict[str, Any], bytes]
BAD_PARAMETER = 10000
"""The library's own code for arguments that it cannot use."""


class Library:
    """The C functions behind three operations; one handle for the life of the process."""

    def __init__(self) -> None:
        self._lib = NativeBinding().lib
        self._sdk: int | None = None
        self._proxy = (b"", b"")
        self.operations: dict[str, Callable[..., Answer]] = {
            "decrypt": self.decrypt,
            "init": self.init,
            "chat_data": self.chat_data,
            "media": self.media,
        }

    def init(self, corp_id: str, secret: str, proxy: str, passwd: str) -> Answer:
        """Open the one handle; repeated ``Init`` is known to lose the access token."""
        sdk = self._lib.NewSdk()
        rc = self._lib.Init(sdk, corp_id.encode(), secret.encode()) if sdk else BAD_PARAMETER
        if rc == 0:
            self._sdk, self._proxy = sdk, (proxy.encode(), passwd.encode())
        elif sdk:
            self._lib.DestroySdk(sdk)
        return {"rc": rc}, b""

    def decrypt(self, random_key: str, message: str) -> Answer:
        """``DecryptData``: pure computing, needs no handle."""
        return self._sliced(
            lambda to: self._lib.DecryptData(random_key.encode(), message.encode(), to)
        )

    def chat_data(self, seq: int, limit: int, timeout: int) -> Answer:
        """``GetChatData``: the JSON as it came."""
        return self._sliced(
            lambda to: self._lib.GetChatData(self._sdk, seq, limit, *self._proxy, timeout, to)
        )

    def media(self, sdkfileid: str, index: str, timeout: int) -> Answer:
        """``GetMediaData``: one chunk. The index is bytes; Latin-1 carries them through JSON."""
        lib, media = self._lib, self._lib.NewMediaData()
        try:
            where = (index.encode("latin-1"), sdkfileid.encode())
            rc = lib.GetMediaData(self._sdk, *where, *self._proxy, timeout, media)
            if rc:
                return {"rc": rc}, b""
            after = _read(lib.GetOutIndexBuf(media), lib.GetIndexLen(media)).decode("latin-1")
            finish = bool(lib.IsMediaDataFinish(media))
            content = _read(lib.GetData(media), lib.GetDataLen(media))
            return {"rc": 0, "index": after, "finish": finish}, content
        finally:
            lib.FreeMediaData(media)

    def _sliced(self, call: Callable[[int], int]) -> Answer:
        lib, piece = self._lib, self._lib.NewSlice()
        try:
            rc = call(piece)
            if rc:
                return {"rc": rc}, b""
            return {"rc": 0}, _read(lib.GetContentFromSlice(piece), lib.GetSliceLen(piece))
        finally:
            lib.FreeSlice(piece)


def _read(pointer: int | None, length: int) -> bytes:
    return NativeBinding.read(pointer, length) if pointer and length > 0 else b""


def _no_core_dumps() -> None:
    """A core file of this process would hold customers' words."""
    try:
        import resource  # noqa: PLC0415  # does not exist on Windows
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _private_output() -> BinaryIO:
    """The pipe to the bot, out of reach of anything that the library prints."""
    pipe = os.fdopen(os.dup(1), "wb")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    return pipe


def _write(pipe: BinaryIO, frame: bytes) -> None:
    pipe.write(struct.pack(">I", len(frame)) + frame)


def _answer(library: Library, request: dict[str, Any]) -> Answer:
    try:
        return library.operations[request.pop("op")](**request)
    except UnicodeEncodeError:
        return {"rc": BAD_PARAMETER}, b""


def main() -> None:
    """Answer until the bot closes the pipe, its death included."""
    _no_core_dumps()
    pipe, requests = _private_output(), sys.stdin.buffer
    library = Library()
    while len(size := requests.read(4)) == 4:
        request = json.loads(requests.read(*struct.unpack(">I", size)))
        meta, content = _answer(library, request)
        _write(pipe, json.dumps(meta).encode())
        _write(pipe, content)
        pipe.flush()


if __name__ == "__main__":
    main()
