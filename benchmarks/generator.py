"""The load: a raw socket client in a process of its own, on a core of its own.

``python -m benchmarks.generator`` reads one ``Job`` as JSON from standard input, makes its
callbacks, posts them over keep-alive connections and prints one ``Load`` as JSON.

A closed loop posts the next callback of a connection when the last one was answered. An open
loop posts at fixed moments, whatever the server does, and counts latency from the moment that
was planned, so that a pause shows in every callback that it held up.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import cast

import uvloop

from benchmarks import callbacks
from benchmarks.figures import GENERATOR_CORE, ROOT, pin

CONNECTIONS = 64
_PATIENCE = 30.0


@dataclass(frozen=True)
class Job:
    """What to post, and how.

    Attributes:
        rate: Callbacks a second of an open loop; 0 is a closed loop.
        repeat: Post the same contents encrypted anew, as WeCom repeats them.
    """

    port: int
    count: int
    seed: int
    rate: float = 0.0
    kind: str = "mix"
    repeat: bool = False


@dataclass
class Load:
    """What became of it.

    Attributes:
        seconds: From the first callback to the last answer.
        statuses: How often each status was answered.
        acked: Which callbacks got 200.
        sent_at: When each was to be sent (monotonic seconds, the same in every process).
        latencies: Of every answer, in seconds.
        broken: The server went away.
    """

    seconds: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)
    acked: list[int] = field(default_factory=list)
    sent_at: dict[str, float] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    broken: bool = False

    @property
    def rate(self) -> float:
        """Answers of 200 a second."""
        return len(self.acked) / self.seconds


def post(job: Job) -> subprocess.Popen[str]:
    """Start the generator; ``collect`` waits for it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.generator"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(asdict(job)))
    process.stdin.close()
    process.stdin = None
    return process


def collect(process: subprocess.Popen[str]) -> Load:
    """The generator's report."""
    out, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the generator ended with {process.returncode}")
    return Load(**json.loads(out))


def load(job: Job) -> Load:
    """Post and wait."""
    return collect(post(job))


class _Line(asyncio.Protocol):
    """One keep-alive connection with at most one callback on its way."""

    def __init__(self, drive: _Drive) -> None:
        self._drive = drive
        self._got = b""
        self._index = -1
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, index: int, since: float) -> None:
        self._index, self._since = index, since
        self._transport.write(self._drive.requests[index].raw)

    def data_received(self, data: bytes) -> None:
        got = self._got + data
        end = got.find(b"\r\n\r\n")
        if end < 0 or len(got) < end + 4 + _length(got[:end]):
            self._got = got
            return
        self._got = b""
        index, self._index = self._index, -1
        self._drive.answered(self, index, self._since, int(got[9:12]))

    def connection_lost(self, _error: Exception | None) -> None:
        self._drive.lost()

    def close(self) -> None:
        self._transport.abort()


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0]) if rest else 0


class _Drive:
    """All connections and the callbacks that they share."""

    def __init__(self, job: Job) -> None:
        made = callbacks.make(job.count, job.seed, job.kind)
        self.requests = callbacks.again(made, job.seed + 1) if job.repeat else made
        self._job = job
        self._next = 0
        self._idle: deque[_Line] = deque()
        self._late: deque[tuple[int, float]] = deque()
        self._done = asyncio.Event()
        self._statuses: Counter[str] = Counter()
        self.report = Load()

    async def run(self) -> Load:
        loop = asyncio.get_running_loop()
        lines = []
        for _ in range(min(CONNECTIONS, self._job.count)):
            _, line = await loop.create_connection(lambda: _Line(self), "127.0.0.1", self._job.port)
            lines.append(line)
        begun = time.monotonic()
        if self._job.rate:
            await self._open_loop(lines)
        else:
            for line in lines:
                self._send_next(line)
        async with asyncio.timeout(_PATIENCE + self._job.count / 100):
            await self._done.wait()
        self.report.seconds = time.monotonic() - begun
        self.report.statuses = dict(self._statuses)
        for line in lines:
            line.close()
        return self.report

    async def _open_loop(self, lines: list[_Line]) -> None:
        self._idle.extend(lines)
        start = time.monotonic() + 0.05
        for index in range(self._job.count):
            planned = start + index / self._job.rate
            if (pause := planned - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            elif index % 16 == 0:
                await asyncio.sleep(0)
            self.report.sent_at[str(index)] = planned
            if self._idle:
                self._idle.popleft().send(index, planned)
            else:
                self._late.append((index, planned))

    def _send_next(self, line: _Line) -> None:
        if self._next < self._job.count:
            self._next += 1
            line.send(self._next - 1, time.monotonic())

    def answered(self, line: _Line, index: int, since: float, status: int) -> None:
        self.report.latencies.append(time.monotonic() - since)
        self._statuses[str(status)] += 1
        if status == 200:
            self.report.acked.append(index)
        if len(self.report.latencies) == self._job.count:
            self._done.set()
        elif not self._job.rate:
            self._send_next(line)
        elif self._late:
            line.send(*self._late.popleft())
        else:
            self._idle.append(line)

    def lost(self) -> None:
        if not self._done.is_set():
            self.report.broken = True
            self._done.set()


def main() -> None:
    pin(0, GENERATOR_CORE)
    job = Job(**json.loads(sys.stdin.read()))
    drive = _Drive(job)
    json.dump(asdict(uvloop.run(drive.run())), sys.stdout)


if __name__ == "__main__":
    main()
