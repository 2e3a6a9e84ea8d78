"""How much happens while the bot is killed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """Numbers of kills, of callbacks by kind, and of archive records.

    Attributes:
        deaths: At each named point of a mass send; ``sigkills`` of real processes besides.
    """

    kills: int
    friends: int
    joins: int
    texts: int
    records: int
    deaths: int
    sigkills: int
    whole_year: bool
