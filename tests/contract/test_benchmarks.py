"""The benchmarks run and print their figures; how fast is for ``make bench`` to say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS

ROOT = Path(__file__).parents[2]


def bench(*given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *given],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_runs_small_and_prints_what_it_found(name: str) -> None:
    done = bench("--quick", name)
    assert (done.returncode, done.stderr) == (0, "")
    table = done.stdout.splitlines()[1:]
    figures = json.loads((ROOT / "var" / "bench-quick.json").read_text(encoding="utf-8"))
    assert [each["name"] for each in figures] == [line.split()[0] for line in table]
    assert all(figure["ours"] for figure in figures)


def test_an_unknown_benchmark_is_told_which_there_are() -> None:
    done = bench("--quick", "speed")
    assert done.returncode == 2
    assert all(name in done.stderr for name in BENCHMARKS)
