"""``make learn``: the labelled talk of the repository to ``config/likely.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from handlers.reading import rules
from handlers.reading.learning import learnt
from handlers.reading.likely import FILE

_SEALED = "talk_sealed"
"""Files of this name only measure; nothing is learnt from them."""


def write_likely(talk: Path, config: Path) -> None:
    """Learn from every ``talk_*.jsonl`` of a folder but the sealed ones."""
    text = learnt(_lines(talk), rules.load(config))
    (config / FILE).write_text(text, encoding="utf-8")


def _lines(talk: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(talk.glob("talk_*.jsonl")):
        if not path.name.startswith(_SEALED):
            yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())
