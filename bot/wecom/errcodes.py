"""What an errcode means and what can be done about it; the table is ``bot/errcodes.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

Kind = Literal["retry", "refresh_token", "rate_limited", "permanent", "caller_bug"]

SECRET_WRONG: Final = 40001
CORP_WRONG: Final = 40013
TOO_OFTEN: Final = 45009
BUSY: Final = -1
"""The only refusal that leaves open whether the call was carried out."""
WELCOME_DONE: Final = 41051
ALREADY_CANCELLED: Final = 41093
NEEDS_OWNER_FILTER: Final = 81017

_TABLE: Final = Path(__file__).parents[1] / "errcodes.json"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row of the table.

    Attributes:
        kind: ``retry`` may work again; ``refresh_token`` needs a new token; ``rate_limited``
            must rest; ``permanent`` and ``caller_bug`` get the same answer again.
        wait: Seconds before another try.
        wait_again: Seconds when the same limit comes back right after the first rest.
        attempts: Tries at most, the first one included.
        alert: The bank's administrator has to act.
        meaning: The platform's words, Chinese.
        advice: What to do next, Chinese; "" when the meaning says it all.
    """

    kind: Kind
    wait: float = 1.0
    wait_again: float = 0.0
    attempts: int = 1
    alert: bool = False
    meaning: str = "未知错误码"
    advice: str = ""

    def reason(self, path: str) -> str:
        """A sentence for people; never the platform's ``errmsg``, which may name someone."""
        return "；".join(part for part in (self.meaning, self.advice, path) if part)


def verdict(errcode: int) -> Verdict:
    """The row of a code; an unknown code is final, because nothing says it would pass later."""
    return _table().get(errcode, Verdict("permanent"))


@cache
def _table() -> dict[int, Verdict]:
    rows = json.loads(_TABLE.read_text(encoding="utf-8"))
    return {int(code): _verdict(row) for code, row in rows.items()}


def _verdict(row: dict[str, object]) -> Verdict:
    return Verdict(kind=row.pop("class"), **row)  # type: ignore[arg-type]  # the table is ours and tested
