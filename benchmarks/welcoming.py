"""From a new friend's callback to the welcome call: WeCom's code lives twenty seconds.

Fifty new friends a second in an open loop, the whole bot, and a WeCom that answers at once;
each friend also causes the other calls that a new friend causes.
"""

from __future__ import annotations

import threading
import time

from benchmarks.figures import Figure, Scale, milliseconds, percentile
from benchmarks.generator import Job, load
from benchmarks.servers import serving
from benchmarks.stub import Stub, serving_stub

_RATE = 50
_AIM = 1.0
_PATIENCE = 30.0


def welcome(scale: Scale) -> list[Figure]:
    """Latency from the planned moment of the callback to ``send_welcome_msg``."""
    count = int(_RATE * scale.seconds)
    # A moving clock: pacing and pauses of the bot follow it.
    wired = {"QUNGUAN_CLOCK": "2026-11-24T10:00:00+08:00"}
    with serving_stub() as stub, serving("run", "welcome", WECOM_BASE_URL=stub.url, **wired) as bot:
        sent = load(Job(bot.port, count, seed=7, rate=_RATE, kind="welcome")).sent_at
        _wait_for(stub, count)
        calls = sum(stub.calls.values())
    waits = [stub.welcomed[f"CODE{index}"] - at for index, at in sent.items() if _done(stub, index)]
    if not waits:
        raise RuntimeError("nobody was welcomed; see the log of the run")
    p95 = percentile(waits, 0.95)
    return [
        Figure(
            "welcome_p95",
            milliseconds(p95),
            f"{_AIM:.0f} s aimed at",
            p95 / _AIM,
            1.0,
            note=f"p50 {milliseconds(percentile(waits, 0.5))}, {len(waits)} of {count} welcomed,"
            f" {calls} calls",
        )
    ]


def _done(stub: Stub, index: str) -> bool:
    return f"CODE{index}" in stub.welcomed


def _wait_for(stub: Stub, count: int) -> None:
    until, pause = time.monotonic() + _PATIENCE, threading.Event()
    while len(stub.welcomed) < count and time.monotonic() < until:
        pause.wait(0.02)
