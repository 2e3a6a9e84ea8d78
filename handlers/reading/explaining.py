"""Why a message was read as it was: every step of the way, and what stopped the others. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

from bot.facts import Fact, Speech
from handlers.reading import Reader, dates, is_quoted, local_time
from handlers.reading.attach import Attachments
from handlers.reading.details import complete, settle
from handlers.reading.engine import Message, Probe, Reading, Veto, scope_of, takes_back, unmet
from handlers.reading.likely import line_of
from handlers.reading.patterns import Pattern
from handlers.reading.rules import Frame
from handlers.reading.text import Plain


class Day(NamedTuple):
    """A date of the text: its words and its days, an open end None."""

    words: str
    first: date | None
    last: date | None


class Sum(NamedTuple):
    """A sum of the text; ``yuan`` None for a vague one or another currency.

    ``sure`` is False for what is money in talk about money only: 五十个, a bare 15000.
    """

    words: str
    yuan: int | None
    currency: str
    sure: bool


class Word(NamedTuple):
    """A word of the lexicon: class and what it stands for there, for every class that has it."""

    words: str
    classes: tuple[tuple[str, str], ...]


class Guard(NamedTuple):
    """A guard whose words stand in the text, and the rules that it stopped."""

    id: str
    words: str
    stopped: tuple[str, ...]


class Stopped(NamedTuple):
    """A rule that matched and read nothing.

    Attributes:
        why: ``near``, ``never``, ``unless`` (the rule's own keys), ``guard``, ``quoted``,
            ``need`` (what it must have is missing), ``value`` (a number that cannot be), or
            ``beaten`` (another rule says more).
        what: Words of the text, the missing keys, or the other rule's id.
        guard: The guard's id.
    """

    frame: Frame
    why: str
    what: str = ""
    guard: str = ""


class Held(NamedTuple):
    """A reading that the learnt check holds back.

    Attributes:
        share: How likely such words tell its type, 0 to 1.
        words: Pieces of the text that speak most against it.
    """

    fact: Fact
    share: float
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The way of one message.

    Attributes:
        clauses: Of the normalised text.
        facts: All, also those that wait for a person.
        held: Those of them that wait because of the learnt check.
        stopped: Rules that matched, one entry each.
        loose: Rules all of whose words occur, but in no order that they know.
    """

    clauses: tuple[str, ...]
    days: tuple[Day, ...]
    sums: tuple[Sum, ...]
    words: tuple[Word, ...]
    guards: tuple[Guard, ...]
    facts: tuple[Fact, ...]
    held: tuple[Held, ...]
    stopped: tuple[Stopped, ...]
    loose: tuple[Frame, ...]


def explain(reader: Reader, speech: Speech) -> Explanation:
    """Read one short message and tell how; longer texts are read in pieces, so give a piece."""
    plain = reader.normaliser.plain(speech.text)
    asked = reader.normaliser.plain("\n".join(speech.asked)).text
    message = Message(plain, asked)
    probes, present = reader.matcher.probes(plain.text)
    # Rules that need a sum are not even tried where there is no digit; here they are told.
    wider, _ = reader.matcher.probes(f"{plain.text}\n一")
    matches = reader.matcher.matches(message, wider)
    facts = tuple(reader.read(speech))
    vetoes = reader.matcher.vetoes(present)
    trial = _Trial(reader, speech, message, present, vetoes)
    stopped = {each.frame.id: each for each in trial.stopped(matches, {f.rule for f in facts})}
    return Explanation(
        tuple(plain.text[start:end] for start, end in message.clauses),
        tuple(_days(speech, plain.text)),
        tuple(
            Sum(plain.text[each.start : each.end], each.yuan, each.currency, each.sure)
            for each in reader.money.find(plain.text)
        ),
        tuple(_words(reader, plain.text)),
        tuple(_guards(vetoes, plain.text, stopped.values())),
        facts,
        tuple(_held(reader, plain, facts)),
        tuple(stopped.values()),
        tuple(_loose(probes, matches)),
    )


# -- what stands in the text


def _days(speech: Speech, text: str) -> Iterator[Day]:
    for when in dates.find(text, local_time(speech.sent_at)):
        if when.settled:
            yield Day(text[when.start : when.end], when.days.first, when.days.last)


def _words(reader: Reader, text: str) -> Iterator[Word]:
    """Words of two characters or more, in the order of the text; none inside a longer one."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, entries in reader.rules.words.items():
        for word, meaning in entries.items():
            if len(word) > 1 and word in text:
                found.setdefault(word, []).append((name, meaning))
    for word in sorted(found, key=text.index):
        if not any(word != longer and word in longer for longer in found):
            yield Word(word, tuple(found[word]))


def _guards(vetoes: list[Veto], text: str, stopped: Iterable[Stopped]) -> Iterator[Guard]:
    for veto in vetoes:
        words = veto.regex.search(text)
        if words is not None:
            rules = tuple(each.frame.id for each in stopped if each.guard == veto.id)
            yield Guard(veto.id, words.group(), rules)


def _held(reader: Reader, plain: Plain, facts: tuple[Fact, ...]) -> Iterator[Held]:
    check = reader.rules.likely
    for fact in facts if check else ():
        start, end = plain.back(fact.evidence.start, fact.evidence.end)
        if check and check.holds_back(fact.rule, fact.type, plain.text, start, end):
            words = plain.text[slice(*line_of(plain.text, start, end))]
            against = tuple(check.against(fact.type, words))
            yield Held(fact, check.share(fact.type, words), against)


def _loose(probes: list[Probe], matches: list[Reading]) -> Iterator[Frame]:
    matched = {reading.frame.id for reading in matches}
    seen: set[str] = set()
    for probe in probes:
        frame = probe.frame
        if len(probe.pattern.needs) > 1 and frame.id not in matched | seen:
            seen.add(frame.id)
            yield frame


# -- what stopped a rule


@dataclass(frozen=True, slots=True)
class _Trial:
    """One message before the rules."""

    reader: Reader
    speech: Speech
    message: Message
    present: int
    vetoes: list[Veto]

    def stopped(self, matches: list[Reading], told: set[str]) -> Iterator[Stopped]:
        """One entry for every rule that matched and told nothing, the nearest to telling first."""
        seen = set(told)
        standing = []
        early: list[Stopped] = []
        for reading in matches:
            obstacle = self._obstacle(reading)
            if obstacle is None:
                standing.append(reading)
            else:
                early.append(obstacle)
        late = [self._lost(reading, standing, told) for reading in standing]
        for each in (*late, *early):
            if each.frame.id not in seen:
                seen.add(each.frame.id)
                yield each

    def _obstacle(self, reading: Reading) -> Stopped | None:
        frame, message = reading.frame, self.message
        key = unmet(reading, message, self.present)
        if key == "near":
            return Stopped(frame, key, frame.near[0].source)
        if key:
            span = (0, len(message.text))
            if key == "unless":
                start, end = message.around(*reading.clauses)
                span = (start, end + 1)
            return Stopped(frame, key, _found(getattr(frame, key), message.text, span))
        for veto in self.vetoes:
            if takes_back(veto, reading, message):
                words = veto.regex.search(message.text, *scope_of(veto, reading, message))
                return Stopped(frame, "guard", words.group() if words else "", veto.id)
        if is_quoted(reading, message.plain, self.speech.quoted, 0):
            return Stopped(frame, "quoted")
        return None

    def _lost(self, reading: Reading, standing: list[Reading], told: set[str]) -> Stopped:
        """Alone it lacks something; or beside one of those that told it gives way."""
        frame = reading.frame
        if not self._settled([reading]):
            lacks = frame.need and not self._takes(reading) & frame.need
            return Stopped(frame, "need" if lacks else "value", "、".join(sorted(frame.need)))
        for other in standing:
            if other.frame.id in told and frame.id not in self._settled([other, reading]):
                return Stopped(frame, "beaten", other.frame.id)
        return Stopped(frame, "beaten")

    def _settled(self, readings: list[Reading]) -> set[str]:
        """The ids of the rules that tell something when only these readings are there."""
        done = settle(self._completed(readings), self.message)
        return {reading.frame.id for reading in done}

    def _takes(self, reading: Reading) -> set[str]:
        """The keys that a reading gets when it is alone; ``date`` for either end."""
        keys = {key for each in self._completed([reading]) for key in each.value}
        return keys | {"date"} if keys & {"date_from", "date_to"} else keys

    def _completed(self, readings: list[Reading]) -> list[Reading]:
        fresh = [replace(each, value=dict(each.caught), spans=[]) for each in readings]
        at = local_time(self.speech.sent_at)
        attachments = Attachments(self.message, at, self.reader.money)
        return complete(fresh, self.message, attachments, self.reader.rules.words)


def _found(patterns: tuple[Pattern, ...], text: str, span: tuple[int, int]) -> str:
    matches = (pattern.regex.search(text, *span) for pattern in patterns)
    return next((match.group() for match in matches if match), "")
