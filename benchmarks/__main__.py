"""``python -m benchmarks [--quick] [NAME …]``: measure, print the table, keep it as JSON.

Targets are ratios to floors and peers that take turns with ours. A miss is a figure, not a
failure: the exit code is 0 unless a benchmark broke.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict

from benchmarks import (
    draining,
    import_rows,
    inbound,
    inbound_cpu,
    orm_loop,
    planning,
    segmenting,
    sending,
    several,
    starting,
    welcoming,
)
from benchmarks import read as reading
from benchmarks.figures import (
    FOLDER,
    GENERATOR_CORE,
    HEADER,
    QUICK,
    Figure,
    Scale,
    pin,
    real_disk,
)
from bot.logs import configure_logging

Benchmark = Callable[[Scale], list[Figure]]


def cpu(scale: Scale) -> list[Figure]:
    """Verify, decrypt, parse and key of one callback, in process."""
    got = inbound_cpu.run(scale.rounds)
    ours = f"{got['ours_us']:.1f} µs"
    return [
        Figure(
            f"inbound_cpu_{peer}",
            ours,
            f"{peer} {got[f'{peer}_us']:.1f} µs",
            got[f"ratio_{peer}"],
            target,
        )
        for peer, target in (("minimal", 1.15), ("wechatpy", 0.38))
    ]


def read(scale: Scale) -> list[Figure]:
    """Messages a second of the reading engine."""
    got = reading.run(scale.rounds, scale.messages)
    ours = f"{got['ours_per_second']:.0f}/s"
    against = f"floor {got['floor_per_second']:.0f}/s"
    return [Figure("read", ours, against, got["ratio"], 0.10, least=True)]


BENCHMARKS: dict[str, Benchmark] = {
    "inbound_cpu": cpu,
    "inbound_embedded": inbound.embedded,
    "inbound_redis": several.inbound_redis,
    "inbound_pg": several.inbound_pg,
    "inbound_latency": inbound.latency,
    "inbound_kill": inbound.killed,
    "worker_drain": draining.worker_drain,
    "welcome": welcoming.welcome,
    "plan_day": planning.plan_day,
    "plan_day_orm": orm_loop.plan_day_orm,
    "plan_insert": planning.plan_insert,
    "segment_10k": segmenting.segment_10k,
    "segment_import": import_rows.segment_import,
    "render": sending.render,
    "send_pipeline": sending.send_pipeline,
    "pacing": sending.pacing,
    "start": starting.started,
    "idle": starting.resting,
    "scheduler_single": several.scheduler_single,
    "read": read,
}


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    asked.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    asked.add_argument("--quick", action="store_true", help="a smoke test: small and short")
    given = asked.parse_args()
    if unknown := set(given.names) - set(BENCHMARKS):
        asked.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    configure_logging("ERROR")
    logging.disable(logging.WARNING)  # a turn that a busy machine skips shows in the figures
    real_disk(FOLDER)
    pin(0, GENERATOR_CORE)
    print(HEADER, flush=True)
    found, broken = _measure(given.names or list(BENCHMARKS), QUICK if given.quick else Scale())
    lines = [{**asdict(figure), "verdict": figure.verdict} for figure in found]
    report = json.dumps(lines, ensure_ascii=False, indent=1)
    name = "bench-quick.json" if given.quick else "bench.json"
    (FOLDER.parent / name).write_text(report + "\n", encoding="utf-8")
    return 1 if broken else 0


def _measure(names: list[str], scale: Scale) -> tuple[list[Figure], bool]:
    found: list[Figure] = []
    broken = False
    for name in names:
        try:
            figures = BENCHMARKS[name](scale)
        except Exception:  # noqa: BLE001  # the others are measured all the same
            traceback.print_exc()
            print(f"{name:<24} broken", flush=True)
            broken = True
            continue
        for figure in figures:
            print(figure.line(), flush=True)
        found += figures
    return found, broken


if __name__ == "__main__":
    sys.exit(main())
