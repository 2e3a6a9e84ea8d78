"""Messages a second of the reading engine on one core, against its floor.

    python benchmarks/read.py [ROUNDS]

The mix is four parts chit-chat to one part lines with facts (``tests/data/talk_*.jsonl``). The
floor is what no reader can save: the keyword automaton plus one pass of the regular expressions
for dates and sums. Rounds of both are interleaved; the median ratio counts, and the absolute
figures only describe the machine.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bot.facts import Speech  # noqa: E402 - the path comes first
from handlers.reading import Reader, amounts, atoms  # noqa: E402 - as above

Step = Callable[[Speech], object]


def talk() -> list[Speech]:
    """Four lines without facts to each one with facts."""
    with_facts: list[Speech] = []
    without: list[Speech] = []
    for path in sorted((ROOT / "tests" / "data").glob("talk_*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            speech = Speech(entry["text"], datetime.fromisoformat(entry["sent_at"]))
            (with_facts if entry["facts"] else without).append(speech)
    mixed = []
    for number, speech in enumerate(with_facts):
        mixed.append(speech)
        mixed.extend(without[(4 * number + step) % len(without)] for step in range(4))
    return mixed


def seconds(step: Step, speeches: list[Speech]) -> float:
    """Processor time of one pass."""
    start = time.process_time()
    for speech in speeches:
        step(speech)
    return time.process_time() - start


def floor_of(reader: Reader) -> Step:
    """The automaton, then one pass of the expressions for dates and sums."""
    find = reader.matcher._find  # noqa: SLF001 - the floor is made of the reader's own automaton
    patterns = (atoms.PATTERN, amounts._STRONG, amounts._BARE)  # noqa: SLF001 - as above

    def step(speech: Speech) -> None:
        find(speech.text, overlapping=True)
        for pattern in patterns:
            for _ in pattern.finditer(speech.text):
                pass

    return step


def run(rounds: int = 5, most: int | None = None) -> dict[str, float]:
    """Messages a second of the reader and of its floor, interleaved, and their median ratio."""
    reader = Reader.load(ROOT / "config")
    speeches = talk()[:most]
    floor = floor_of(reader)
    for speech in speeches:
        reader.read(speech)
    pairs = [(seconds(floor, speeches), seconds(reader.read, speeches)) for _ in range(rounds)]
    return {
        "ratio": statistics.median(low / full for low, full in pairs),
        "ours_per_second": len(speeches) / min(full for _, full in pairs),
        "floor_per_second": len(speeches) / min(low for low, _ in pairs),
    }


if __name__ == "__main__":
    found = run(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
    print(f"read: {found['ours_per_second']:,.0f} messages/s, {found['ratio']:.2f} of the floor")
