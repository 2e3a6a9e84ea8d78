"""Scores the reading engine: precision, recall and F1 for each type, dates and amounts.

    python benchmarks/read_quality.py [FILE.jsonl …]

Without files: the repository's own talk. The scoring rules are those of the fact schema; when
the reference tools lie beside the checkout their examples and dates are scored too.
"""

from __future__ import annotations

import importlib.util
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
sys.path.insert(0, str(ROOT))

from bot.rulework import score_lines, score_words  # noqa: E402 - the path comes first
from handlers.reading import Reader  # noqa: E402 - as above


def score(reader: Reader, path: Path) -> None:
    """Print the table of one file, without its texts."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = score_lines(lines, reader, lambda number, why: sys.exit(f"{path}:{number}: {why}"))
    print(f"== {path.name}")
    print("\n".join(score_words(found, mistakes=False)))


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
    spec = importlib.util.spec_from_file_location("dates", SHARED / "tools" / "score_datetime.py")
    if path.exists() and spec and spec.loader:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        print("== dates", module.score(predict, str(path))["all"])


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
