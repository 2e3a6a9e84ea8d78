"""Scores the reading engine: precision, recall and F1 for each type, dates and amounts.

    python benchmarks/read_quality.py [FILE.jsonl …]

Without files: the repository's own talk. The scoring rules are those of the fact schema; when
the reference tools lie beside the checkout they score, and their examples are read too.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
sys.path.insert(0, str(ROOT))

from bot.facts import Speech  # noqa: E402 - the path comes first
from handlers.reading import Reader  # noqa: E402 - as above


def tool(name: str) -> Any:
    """A scoring module that lies beside the checkout."""
    path = SHARED / "tools" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.exists():
        sys.exit("没有评分工具：请把它放在代码目录旁的 shared/tools 下")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def score(reader: Reader, path: Path) -> None:
    """Print the table of one file."""
    scorer = tool("score_facts")
    reference = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    predictions = {}
    for entry in reference:
        speech = Speech(entry["text"], datetime.fromisoformat(entry["sent_at"]))
        predictions[entry["id"]] = [
            {"type": str(fact.type), "value": fact.value}
            for fact in reader.read(speech)
            if fact.settled
        ]
    print(f"== {path.name}")
    scorer.show(scorer.score(reference, predictions))


def dates(reader: Reader) -> None:
    """Print how many date expressions of the third-party set are resolved as accepted."""

    def predict(text: str, at: datetime) -> list[dict[str, Any]]:
        found = []
        for item in reader.expressions(text, at):
            if item["kind"] == "date":
                ranges = [
                    [end and datetime.fromisoformat(end) for end in r] for r in item["ranges"]
                ]
                found.append({**item, "ranges": [tuple(r) for r in ranges]})
        return found

    path = SHARED / "data" / "recognizers_zh" / "datetime_scored.jsonl"
    if path.exists():
        print("== dates", tool("score_datetime").score(predict, str(path))["all"])


def main() -> None:
    """Score the files that were named, or all that are there."""
    reader = Reader.load(ROOT / "config")
    named = [Path(name) for name in sys.argv[1:]]
    examples = SHARED / "data" / "facts_examples.jsonl"
    paths = named or [*sorted((ROOT / "tests" / "data").glob("talk_*.jsonl")), examples]
    for path in paths:
        if path.exists():
            score(reader, path)
    dates(reader)


if __name__ == "__main__":
    main()
