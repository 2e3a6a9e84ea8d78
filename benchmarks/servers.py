"""The servers under load, each a process of its own on the servers' core.

``python -m benchmarks.servers KIND`` serves on ``QUNGUAN_PORT``: ``floor`` is a bare ASGI
callable that reads the body and answers 200, ``door`` the bot as shipped with worker, outbox
and scheduler at rest. ``qunguan run`` itself is started for everything else.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks import callbacks
from benchmarks.figures import FOLDER, ROOT, SERVER_CORE, pin, real_disk

SECRET = "made-up-secret-for-benchmarks"
_PATIENCE = 60.0
_NOBODY = "http://127.0.0.1:9"
# Five past midnight: no daily job is due, so the same data serve the next run as well.
QUIET_CLOCK = "2026-11-24T00:05:00+08:00"

# The peer of a start: importing FastAPI and uvicorn, and answering once.
_FASTAPI = """
import os
import uvicorn
from fastapi import FastAPI

app = FastAPI()
app.get("/healthz")(lambda: {"status": "ok"})
uvicorn.run(app, port=int(os.environ["QUNGUAN_PORT"]), log_config=None, access_log=False)
"""


class Server:
    """A running server and what it costs."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
        self.process = process
        self.port = port
        self.folder = folder

    def cpu(self) -> float:
        """Seconds of processor that all its threads used so far, to the nanosecond."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text("utf-8").split()[0]) for task in tasks) / 1e9

    def memory(self) -> float:
        """Resident megabytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def kill(self) -> None:
        """SIGKILL: no time for a last word."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it politely, then not."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()


def start(kind: str, folder: Path, **settings: str) -> Server:
    """Start ``floor``, ``door``, ``run`` or ``fastapi``; ``wait`` tells when it answers."""
    port = _free_port()
    process = subprocess.Popen(
        command(kind),
        cwd=folder,
        env=environment(folder, port, settings),
        stdout=subprocess.DEVNULL,
        stderr=(folder / f"{kind}.log").open("ab"),
    )
    pin(process.pid, SERVER_CORE)
    return Server(process, port, folder)


@contextmanager
def serving(kind: str, name: str, **settings: str) -> Iterator[Server]:
    """A server with an empty store, until the end of the block."""
    server = start(kind, fresh_folder(name), **settings)
    try:
        wait(server)
        yield server
    finally:
        server.stop()


def fresh_folder(name: str) -> Path:
    """An empty folder on a real disk."""
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    return real_disk(folder)


def command(kind: str) -> list[str]:
    """How a kind is started."""
    if kind == "run":
        return [sys.executable, "-m", "bot", "run"]
    if kind == "fastapi":
        return [sys.executable, "-c", _FASTAPI]
    return [sys.executable, "-m", "benchmarks.servers", kind]


def environment(folder: Path, port: int, settings: Mapping[str, str]) -> dict[str, str]:
    """The settings of a made-up bank; compiled modules are kept apart from the checkout."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "PYTHONPYCACHEPREFIX": str(FOLDER / "pycache"),
        "QUNGUAN_DATA_DIR": str(folder),
        "QUNGUAN_PORT": str(port),
        "QUNGUAN_SECRET_KEY": SECRET,
        "QUNGUAN_LOG_LEVEL": "error",
        "QUNGUAN_CLOCK": QUIET_CLOCK,
        "WECOM_BASE_URL": _NOBODY,
        "WECOM_CALLBACK_TOKEN": callbacks.TOKEN,
        "WECOM_CALLBACK_AES_KEY": callbacks.AES_KEY,
        "WECOM_CORP_ID": callbacks.CORP,
        **settings,
    }


def wait(server: Server, path: str = "/healthz", *, pause: float = 0.01) -> None:
    """Until the server answers 200.

    Raises:
        RuntimeError: It ended, or a minute passed.
    """
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        with suppress(OSError):
            if get(server.port, path) == 200:
                return
        if server.process.poll() is not None:
            raise RuntimeError(f"a server ended early; see the logs in {server.folder}")
        time.sleep(pause)
    raise RuntimeError(f"a server does not answer; see the logs in {server.folder}")


def get(port: int, path: str) -> int:
    """The status of one GET."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
        return int(line.recv(64)[9:12] or b"0")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# -- in the server's process


async def floor(scope: Any, receive: Any, send: Any) -> None:
    """Read the body, answer 200."""
    more = scope["type"] == "http"
    while more:
        more = (await receive()).get("more_body", False)
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
    )
    await send({"type": "http.response.body", "body": b""})


def main(kind: str) -> None:
    port = int(os.environ["QUNGUAN_PORT"])
    from bot.running import load_settings, serve  # noqa: PLC0415  # each kind loads its own

    if kind == "floor":
        serve(floor, "127.0.0.1", port)
        return
    from bot.app import Bot  # noqa: PLC0415  # as above

    bot = Bot(load_settings())
    serve(bot.asgi, "127.0.0.1", port)
    bot.database.close()


if __name__ == "__main__":
    main(sys.argv[1])
