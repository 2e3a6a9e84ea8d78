"""The standing of a customer: life-cycle states, contact class, activity score. Pure.

``config/rules/states.yaml`` becomes SQL over ``customer c``, like the segments of
``handlers.rules``: the store runs it for the customers that a message touched or for all of
them. Every condition is written for any day, so that the days on which it turns by itself
follow from the condition, and so that "was active" is the same condition on an earlier day.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from bot.facts import FactType
from bot.yamlfile import Section, load_section
from handlers.rules import read_examples

STATES = ("new", "lurking", "warming", "active", "core", "cooling", "dormant", "lost")
"""All life-cycle states; a customer may be in several at once."""
SCORE_DAYS = 60
"""Days whose activity counts, today included."""
_TODAY = ":today"
_SIGNS = ("messages", "replies", "questions", "sign_ups", "attended")

_ROWS = "FROM activity a WHERE a.external_userid = c.external_userid"
_DURING = "AND a.day_on > date({day}, '-{days} days') AND a.day_on <= {day}"
# The share of a day's points that is left stands in a text of four digits an age: substr is
# one step however old the day is, where a table of shares would be joined for each customer.
_SCORE = f"""(SELECT CAST(coalesce(sum({{points}} * CAST(substr('{{shares}}',
  4 * CAST(julianday({{day}}) - julianday(a.day_on) AS INTEGER) + 1, 4) AS INTEGER)), 0)
  AS BIGINT) / 1000
  {_ROWS} {_DURING})"""
_SPOKE_ENOUGH = f"""(SELECT coalesce(sum(a.messages), 0) >= {{messages}}
  AND coalesce(sum(a.messages > 0), 0) >= {{least}} {_ROWS} {_DURING})"""
_FIRST = f"(SELECT date(min(a.day_on), '+{{days}} days') {_ROWS} {_DURING})"
_LAST = (
    f"(SELECT date(max(a.day_on), '+{{days}} days') {_ROWS} AND {{what}} AND a.day_on <= :today)"
)
_PRESENT_DAYS = f"(SELECT count(*) >= {{least}} {_ROWS} {_DURING})"
_DAY_OF = "date({at} / 1000 + 28800, 'unixepoch')"  # Asia/Shanghai, which has no summer time
_GROUPS = """FROM group_member m JOIN group_chat g ON g.chat_id = m.chat_id
  WHERE m.member = c.external_userid AND m.left_at IS NULL AND g.dismissed_at IS NULL"""
_FOLLOWS = "FROM follow f WHERE f.external_userid = c.external_userid"
_JOINS = "FROM group_member m WHERE m.member = c.external_userid"
_GROUPED_AT = f"(SELECT min(m.joined_at) {_GROUPS} AND m.joined_at > 0)"
_FRIEND_AT = f"(SELECT min(f.since_at) {_FOLLOWS} AND f.ended_at IS NULL AND f.since_at > 0)"
_REACHED = f"(EXISTS (SELECT 1 {_FOLLOWS} AND f.ended_at IS NULL) OR EXISTS (SELECT 1 {_GROUPS}))"
_EVER = f"(EXISTS (SELECT 1 {_FOLLOWS}) OR EXISTS (SELECT 1 {_JOINS}))"
# Read once a customer, in a table ``k`` of its own: the conditions name them often.
_KNOWN_TIMES = f"""c.external_userid, {_FRIEND_AT} AS friend_at, {_GROUPED_AT} AS grouped_at,
  {_DAY_OF.format(at="c.spoke_at")} AS spoke_on, {_REACHED} AS reached, {_EVER} AS ever,
  {{score}} AS score"""
_GROUPED_ON = _DAY_OF.format(at="k.grouped_at")
_MET_ON = _DAY_OF.format(
    at="min(coalesce(k.friend_at, k.grouped_at), coalesce(k.grouped_at, k.friend_at))"
)
_SILENT_SINCE = f"coalesce(k.spoke_on, {_MET_ON})"
_WAS = """EXISTS (SELECT 1 FROM activity p WHERE p.external_userid = c.external_userid
  AND p.day_on <= :today AND p.day_on > date(k.spoke_on, '-{days} days') AND ({then}))"""

_SAID = """FROM fact f WHERE f.external_userid = c.external_userid AND f.type IN ({types})
  AND f.class = 'ordinary' AND f.status IN ('current', 'confirmed')"""
_BOUGHT = "FROM holding h WHERE h.external_userid = c.external_userid"
_KNOWN = """(c.assets IS NOT NULL OR c.core_id IS NOT NULL OR c.spoke_at IS NOT NULL
  OR EXISTS (SELECT 1 FROM fact f WHERE f.external_userid = c.external_userid
    AND f.class = 'ordinary' AND f.status IN ('current', 'confirmed')))"""
_CLASS = """CASE WHEN c.erased = 1 THEN 'D' WHEN {rich} AND {willing} THEN 'A'
  WHEN {rich} OR {willing} THEN 'B' WHEN {known} THEN 'C' ELSE 'D' END"""
_CLOCKS_AHEAD = f"(SELECT min(a.day_on) {_ROWS} AND a.day_on > :today)"


class ActiveLine(NamedTuple):
    """When a member counts as active: so many messages on so many days of a window."""

    messages: int
    days: int
    window_days: int


class ScoreLine(NamedTuple):
    """A line of the score that a rule asks about.

    ``within`` is 0 for being above it, else the days within which it was crossed upwards.
    """

    line: int
    within: int = 0


class Condition(NamedTuple):
    """A predicate over ``customer c`` for any day, and the days on which it turns by itself.

    Score lines are no ``turns``: when a score will have decayed to a line is searched for by
    ``days_until_turn``, which in SQL took 7 ms for somebody who speaks every day.
    """

    on: Callable[[str], str]
    turns: tuple[str, ...] = ()
    score_lines: tuple[ScoreLine, ...] = ()
    looks_back: bool = False
    """It follows from activity alone, so that it can be asked of an earlier day."""


@dataclass(frozen=True, slots=True)
class StateRule:
    """One life-cycle state."""

    name: str
    label: str
    version: str
    where: str
    turns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StandingRules:
    """All of ``states.yaml``.

    Predicates and turns are over ``customer c`` and ``k``, the ``times`` of the same customer.

    Attributes:
        questions: What makes a line a question.
        score: The activity score on ``:today`` over ``customer c``, a whole number.
        times: Columns over ``customer c``: since when they are known, when they spoke.
        contact_class: One of A, B, C, D.
        turns: The days on which the class may change by itself, and those of messages whose
            clock ran ahead of ours.
        points: The points of one row of ``activity a``.
        shares: What is left of points by their age in days, in thousandths.
        score_lines: The lines that states and classes ask about.
    """

    states: tuple[StateRule, ...]
    questions: tuple[str, ...]
    score: str
    times: str
    contact_class: str
    turns: tuple[str, ...]
    points: str
    shares: tuple[int, ...]
    score_lines: tuple[ScoreLine, ...]

    def asks(self, text: str) -> bool:
        """Whether a line asks something."""
        return any(mark in text for mark in self.questions)


def decay(half_life: int) -> tuple[int, ...]:
    """What is left of a day's points by age in days, in thousandths; 500 after a half-life."""
    return tuple(round(1000 * 0.5 ** (age / half_life)) for age in range(SCORE_DAYS))


def load_states(path: Path, line: ActiveLine) -> StandingRules:
    """Read ``states.yaml``; the activity line stands among the bank's thresholds.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    top = load_section(path)
    score = _Score(top.section("score"))
    found = _class(top.section("contact_class"), score)
    reader = _Reader(line, score)
    rules = StandingRules(
        states=reader.states(top.section("states")),
        questions=tuple(each.text(10) for each in top.values("questions")),
        score=score.on(_TODAY),
        times=_KNOWN_TIMES.format(score=score.on(_TODAY)),
        contact_class=found.on(_TODAY),
        turns=(*found.turns, _CLOCKS_AHEAD),
        points=score.points,
        shares=score.shares,
        score_lines=tuple(dict.fromkeys((*found.score_lines, *reader.score_lines))),
    )
    if not rules.questions:
        raise top.wrong("questions 不能为空,请写出至少一个问句的标志,例如 ?")
    top.close()
    return rules


# -- score


class _Score:
    """The score on any day; today's stands in ``k`` already."""

    def __init__(self, section: Section) -> None:
        weights = {sign: section.value(sign).whole(0, 100) for sign in _SIGNS}
        most = section.value("most_a_day").whole(1, 1000)
        self.shares = decay(section.value("half_life_days").whole(1, 60))
        section.close()
        added = " + ".join(f"{weight} * a.{sign}" for sign, weight in weights.items())
        self.points = f"min({most}, {added})"
        self._written = "".join(f"{each:04d}" for each in self.shares)

    def on(self, day: str) -> str:
        return _SCORE.format(points=self.points, shares=self._written, day=day, days=SCORE_DAYS)

    def __call__(self, day: str) -> str:
        return "k.score" if day == _TODAY else self.on(day)


def _score_at_least(score: _Score, line: int) -> Condition:
    return Condition(
        lambda day: f"({score(day)} >= {line})",
        score_lines=(ScoreLine(line),),
        looks_back=True,
    )


def _score_rose(score: _Score, line: int, days: int) -> Condition:
    def on(day: str) -> str:
        before = score(f"date({day}, '-{days} days')")
        return f"(CASE WHEN {score(day)} >= {line} THEN {before} < {line} ELSE false END)"

    return Condition(on, score_lines=(ScoreLine(line, days),), looks_back=True)


def days_until_turn(
    points: Sequence[tuple[int, int]], shares: Sequence[int], lines: Iterable[ScoreLine]
) -> int | None:
    """After how many days without a word a score line says something else than today.

    Without new activity a score only falls, so that the day when it is under a line can be
    halved for; whoever is under it today stays there.

    Args:
        points: Age in days and points of each day with activity; ages from 0 on.
        shares: As in ``StandingRules``.
        lines: What is asked about.
    """

    def score(ahead: int) -> int:
        ages = ((age + ahead, each) for age, each in points)
        left = sum(each * shares[age] for age, each in ages if 0 <= age < len(shares))
        return left // 1000

    turns = []
    for line, within in lines:
        if score(0) < line:
            continue
        turns.append(1 + bisect_left(range(1, len(shares)), 1, key=lambda n: score(n) < line))
        crossed = within and score(-within) < line
        turns += [n for n in range(1, within + 1) if (score(n - within) < line) != crossed][:1]
    return min(turns, default=None)


# -- states


class _Reader:
    """The conditions of states, each a key of the file."""

    def __init__(self, line: ActiveLine, score: _Score) -> None:
        self._line = line
        self._score = score
        self.score_lines: list[ScoreLine] = []
        self._read: dict[str, list[Condition]] = {}

    def states(self, section: Section) -> tuple[StateRule, ...]:
        rules = []
        for name in section.keys():  # noqa: SIM118  # not a dict
            if name not in STATES:
                raise section.wrong(f"不认识状态 {name},可用的有:{'、'.join(STATES)}")
            rules.append(self._state(name, section.section(name)))
        return tuple(rules)

    def _state(self, name: str, section: Section) -> StateRule:
        parts: list[str] = []
        conditions: list[Condition] = []
        for joint, join in (("any", _any), ("all", _all)):
            if joint in section:
                found = self._conditions(section.section(joint))
                conditions += found
                parts.append(join([each.on(_TODAY) for each in found]))
        if not parts:
            raise section.wrong("请用 any 或 all 写出至少一个条件")
        read_examples(name, section)
        if "all" in section and "any" not in section:
            self._read[name] = conditions
        turns = dict.fromkeys(turn for each in conditions for turn in each.turns)
        self.score_lines += [line for each in conditions for line in each.score_lines]
        rule = StateRule(
            name,
            section.value("label").text(10),
            section.value("version").text(20),
            " AND ".join(parts),
            tuple(turns),
        )
        section.close()
        return rule

    def _conditions(self, section: Section) -> list[Condition]:
        known: dict[str, Callable[[], Condition]] = {
            "met_within": lambda: self._met(section.value("met_within").whole(1, 365)),
            "grouped_for": lambda: self._grouped(section.value("grouped_for").whole(1, 365)),
            "never_spoke": lambda: _always(section, "never_spoke", "c.spoke_at IS NULL"),
            "reached": lambda: _always(section, "reached", "k.reached"),
            "gone": lambda: _always(section, "gone", "(k.ever AND NOT k.reached)"),
            "active": lambda: self._active(section),
            "score_at_least": lambda: _score_at_least(
                self._score, section.value("score_at_least").whole(1, 100_000)
            ),
            "score_rose": lambda: self._rose(section.section("score_rose")),
            "present": lambda: self._present(section.section("present")),
            "silent": lambda: self._silent(section.section("silent")),
            "was": lambda: self._was(section.section("was")),
        }
        found = [known[key]() for key in section.keys() if key in known]  # noqa: SIM118  # not a dict
        if not found:
            raise section.wrong(f"没有可用的条件,请从这些里选:{'、'.join(known)}")
        section.close()
        return found

    def _met(self, days: int) -> Condition:
        return Condition(
            lambda day: f"coalesce({_MET_ON} > date({day}, '-{days} days'), false)",
            (f"date({_MET_ON}, '+{days} days')",),
        )

    def _grouped(self, days: int) -> Condition:
        return Condition(
            lambda day: f"coalesce({_GROUPED_ON} <= date({day}, '-{days} days'), false)",
            (f"date({_GROUPED_ON}, '+{days} days')",),
        )

    def _active(self, section: Section) -> Condition:
        line, value = self._line, section.value("active")
        if not value.yes():
            raise value.wrong("active 只能写 true;不需要这个条件时请删去这一行")

        def on(day: str) -> str:
            return _SPOKE_ENOUGH.format(
                messages=line.messages, least=line.days, day=day, days=line.window_days
            )

        return _windowed(on, line.window_days)

    def _present(self, section: Section) -> Condition:
        days = section.value("of").whole(1, SCORE_DAYS)
        least = section.value("days").whole(1, days)
        section.close()
        return _windowed(lambda day: _PRESENT_DAYS.format(least=least, day=day, days=days), days)

    def _rose(self, section: Section) -> Condition:
        line = section.value("above").whole(1, 100_000)
        days = section.value("within").whole(1, 30)
        section.close()
        return _score_rose(self._score, line, days)

    def _silent(self, section: Section) -> Condition:
        first = section.value("from").whole(1, 3650)
        until = section.value("until").whole(first + 1, 3650) if "until" in section else None
        section.close()

        def on(day: str) -> str:
            parts = [f"{_SILENT_SINCE} <= date({day}, '-{first} days')"]
            if until is not None:
                parts.append(f"{_SILENT_SINCE} > date({day}, '-{until} days')")
            return "coalesce(" + " AND ".join(parts) + ", false)"

        lines = (first,) if until is None else (first, until)
        return Condition(on, tuple(f"date({_SILENT_SINCE}, '+{each} days')" for each in lines))

    def _was(self, section: Section) -> Condition:
        """In a state on some day before the silence, told by the state's own conditions."""
        days = section.value("before_silence").whole(1, 365)
        names = section.values("states")
        then = []
        for each in names:
            earlier = self._read.get(each.written, [])
            if not earlier or not all(one.looks_back for one in earlier):
                raise each.wrong(
                    f"{each.written} 要写在前面,并且只用 all 和活跃度的条件"
                    "(active、score_at_least、score_rose、present)"
                )
            then.append("(" + " AND ".join(one.on("p.day_on") for one in earlier) + ")")
        if not names:
            raise section.wrong("states 不能为空,请写出至少一个状态")
        section.close()
        # What was so stays so until the customer speaks again.
        found = _WAS.format(days=days, then=" OR ".join(then))
        return Condition(lambda _day: found)


def _any(parts: list[str]) -> str:
    return "(" + " OR ".join(parts) + ")"


def _all(parts: list[str]) -> str:
    """Asked in the order of the file, and no further than the first that does not hold."""
    *first, last = parts
    asked = " ".join(f"WHEN NOT {part} THEN false" for part in first)
    return f"(CASE {asked} ELSE {last} END)" if first else last


def _always(section: Section, key: str, predicate: str) -> Condition:
    value = section.value(key)
    if not value.yes():
        raise value.wrong(f"{key} 只能写 true;不需要这个条件时请删去这一行")
    return Condition(lambda _day: predicate)


def _windowed(on: Callable[[str], str], days: int) -> Condition:
    """True until a day drops out of the window at the earliest; never true by itself."""
    first = _FIRST.format(day=_TODAY, days=days)
    return Condition(on, (f"CASE WHEN {on(_TODAY)} THEN {first} END",), looks_back=True)


# -- contact class


def _class(section: Section, score: _Score) -> Condition:
    """A: assets and willing; B: one of the two; C: known; D: not known yet."""
    assets = section.value("assets").whole(0, 10**11)
    needed = section.value("willing").whole(1, 100)
    signs: dict[str, Callable[[Section], Condition]] = {
        "interest": _interest,
        "replies": lambda sign: _did(sign, "a.replies > 0"),
        "sign_ups": lambda sign: _did(sign, "(a.sign_ups > 0 OR a.attended > 0)"),
        "purchases": _purchase,
        "score": lambda sign: _score_at_least(score, sign.value("at_least").whole(1, 100_000)),
    }
    points: list[str] = []
    turns: list[str] = []
    lines: list[ScoreLine] = []
    for name, read in signs.items():
        sign = section.section(name)
        worth, condition = sign.value("points").whole(0, 100), read(sign)
        sign.close()
        points.append(f"CASE WHEN {condition.on(_TODAY)} THEN {worth} ELSE 0 END")
        turns += condition.turns
        lines += condition.score_lines
    section.close()
    # Key persons and prospects are important whatever they have with us.
    rich = f"(coalesce(c.assets, 0) >= {assets} OR c.key_person = 1 OR c.prospect = 1)"
    willing = f"({' + '.join(points)} >= {needed})"
    found = _CLASS.format(rich=rich, willing=willing, known=_KNOWN)
    return Condition(lambda _day: found, tuple(turns), tuple(lines))


def _did(sign: Section, what: str) -> Condition:
    days = sign.value("days").whole(1, 365)
    return Condition(
        lambda day: f"EXISTS (SELECT 1 {_ROWS} AND {what} {_DURING.format(day=day, days=days)})",
        (_LAST.format(days=days, what=what),),
    )


def _interest(sign: Section) -> Condition:
    days = sign.value("days").whole(1, 365)
    kinds = [each.choice(tuple(FactType)) for each in sign.values("facts")]
    if not kinds:
        raise sign.wrong("facts 不能为空,请写出至少一种事实类型")
    said = _SAID.format(types=", ".join(f"'{kind}'" for kind in kinds))
    on = _DAY_OF.format(at="f.observed_at")
    last = _DAY_OF.format(at="max(f.observed_at)")
    return Condition(
        lambda day: f"EXISTS (SELECT 1 {said} AND {on} > date({day}, '-{days} days'))",
        (f"(SELECT date({last}, '+{days} days') {said})",),
    )


def _purchase(sign: Section) -> Condition:
    days = sign.value("days").whole(1, 365)
    return Condition(
        lambda day: (
            f"EXISTS (SELECT 1 {_BOUGHT} AND h.opened_on > date({day}, '-{days} days')"
            f" AND h.opened_on <= {day})"
        ),
        (
            f"(SELECT date(max(h.opened_on), '+{days} days') {_BOUGHT} AND h.opened_on <= :today)",
            f"(SELECT min(h.opened_on) {_BOUGHT} AND h.opened_on > :today)",
        ),
    )


def labels(rules: StandingRules) -> Mapping[str, str]:
    """The states' names on screen."""
    return MappingProxyType({rule.name: rule.label for rule in rules.states})
