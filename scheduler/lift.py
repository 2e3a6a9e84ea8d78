"""What a campaign brought beyond what would have happened anyway, and how sure that is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

_Z = 1.959964
"""95 %."""
_FEWEST = 30
"""People of an arm below which nothing is said."""
_FEWEST_CONVERTED = 5
"""Conversions in both arms together below which nothing is said."""


@dataclass(frozen=True, slots=True)
class Arm:
    """So many people, of whom so many did what was hoped for."""

    people: int
    converted: int

    @property
    def rate(self) -> float:
        """The share who did; 0 of nobody."""
        return self.converted / self.people if self.people else 0.0


@dataclass(frozen=True, slots=True)
class Lift:
    """The difference of two rates with its interval of 95 %, as shares.

    Attributes:
        enough: Whether there are people enough to say anything.
    """

    difference: float
    low: float
    high: float
    enough: bool


def lift_of(treated: Arm, held_out: Arm) -> Lift:
    """How much higher the rate of the treated is (Newcombe 1998, method 10).

    The interval rests on Wilson's, which is right for few people and for rates near 0 and 1,
    where the usual one is too narrow.
    """
    difference = treated.rate - held_out.rate
    if not treated.people or not held_out.people:
        return Lift(difference, -1.0, 1.0, enough=False)
    low_t, high_t = _wilson(treated)
    low_h, high_h = _wilson(held_out)
    return Lift(
        difference,
        difference - sqrt((treated.rate - low_t) ** 2 + (high_h - held_out.rate) ** 2),
        difference + sqrt((high_t - treated.rate) ** 2 + (held_out.rate - low_h) ** 2),
        enough=(
            min(treated.people, held_out.people) >= _FEWEST
            and treated.converted + held_out.converted >= _FEWEST_CONVERTED
        ),
    )


def _wilson(arm: Arm) -> tuple[float, float]:
    n, p = arm.people, arm.rate
    middle = p + _Z**2 / (2 * n)
    half = _Z * sqrt(p * (1 - p) / n + _Z**2 / (4 * n * n))
    below = 1 + _Z**2 / n
    return (middle - half) / below, (middle + half) / below
