"""How much happens while the bot is killed, and how long it is watched."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """Numbers of kills, of callbacks by kind, of archive records, and of everything random.

    Attributes:
        deaths: At each named point of a mass send; ``sigkills`` of real processes besides.
        whole_year: Else a month with fewer customers.
        histories: Of customers, for the comparison of the gate with its oracle.
        mutants: Of the gate; 0 for all of them.
        refusals: At random moments of a batch.
    """

    kills: int
    friends: int
    joins: int
    texts: int
    records: int
    deaths: int
    sigkills: int
    whole_year: bool
    histories: int
    mutants: int
    refusals: int


BOUNDED = Load(
    kills=2,
    friends=40,
    joins=20,
    texts=40,
    records=300,
    deaths=4,
    sigkills=1,
    whole_year=False,
    histories=6,
    mutants=10,
    refusals=200,
)
"""For ``make test``."""
ALL = Load(
    kills=5,
    friends=200,
    joins=100,
    texts=200,
    records=2_000,
    deaths=200,
    sigkills=10,
    whole_year=True,
    histories=300,
    mutants=0,
    refusals=10_000,
)
"""For ``make faults``."""
