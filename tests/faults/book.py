"""What is right after a span of life: the channel's record and the story against the bot's tables.

The record says who got what and when; the story says whose day it was and who said no. Calendars
are another library's than the bot's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, cached_property
from typing import Any

from lunar_python import LunarYear, Solar
from year import Person, Year

STEPS = (30, 7, 1, 0)
Key = tuple[str, str, str, str]


@dataclass
class Book:
    """Looks; changes nothing."""

    year: Year

    @cached_property
    def delivered(self) -> list[dict[str, Any]]:
        return list(self.year.world.delivered(channel="mass_single"))

    @cached_property
    def rows(self) -> list[Any]:
        db = self.year.life.bot.database.read()
        return db.rows(
            "SELECT p.*, t.wecom_msgid FROM push p LEFT JOIN send_task t ON t.id = p.task_id"
        )

    # -- nobody twice

    @cached_property
    def keys(self) -> Counter[Key]:
        """How often each key really arrived; a delivery that no push knows has a key of its own."""
        known = {(row["external_userid"], row["wecom_msgid"]): row for row in self.rows}
        found: Counter[Key] = Counter()
        for one in self.delivered:
            who = one["external_userid"]
            if self.year.people[who].gone:
                continue
            row = known.get((who, one["mass"]))
            if row is None:
                found[who, "unknown", one["mass"], one["text"]] += 1
            else:
                found[who, row["occasion"], row["cycle"], row["step"]] += 1
        return found

    @property
    def _while_on(self) -> list[dict[str, Any]]:
        """What a member sends late while the machine is off, nobody can call back."""
        off, on = self.year.span.off, self.year.span.on
        return [one for one in self.delivered if not off < _moment(one) < on]

    def delivered_on(self, day: date) -> list[datetime]:
        """When customers got something on a day."""
        return [_moment(one) for one in self.delivered if _day(one) == day]

    def duplicates(self) -> int:
        """Deliveries beyond the first of their key, and those that no push knows."""
        more = sum(n - 1 for n in self.keys.values())
        return more + sum(key[1] == "unknown" for key in self.keys)

    def groups_twice(self) -> list[tuple[str, str]]:
        """Groups that got the same words twice within six days."""
        seen: dict[tuple[str, str], datetime] = {}
        found = []
        for one in self.year.world.delivered(channel="mass_group"):
            key = (one["chat_id"], one["text"])
            before = seen.get(key)
            if before is not None and _moment(one) - before < timedelta(days=6):
                found.append(key)
            seen[key] = _moment(one)
        return found

    def held_out_and_reached(self) -> list[tuple[str, str]]:
        """Who is in a campaign's hold-out and got its words all the same."""
        db = self.year.life.bot.database.read()
        kept = db.rows("SELECT campaign, subject FROM assignment WHERE arm = 'holdout'")
        held = {(row["campaign"], row["subject"]) for row in kept}
        by_task = {
            (row["external_userid"], row["wecom_msgid"]): row["campaign"] for row in self.rows
        }
        reached = {
            (by_task.get((one["external_userid"], one["mass"]), ""), one["external_userid"])
            for one in self.delivered
        }
        return sorted(held & reached)

    def birthdays_twice(self) -> list[str]:
        """Who was wished a happy birthday twice in a year of their own calendar."""
        found: Counter[tuple[str, int]] = Counter()
        for one in self.delivered:
            if "生日" in one["text"]:
                person = self.year.people[one["external_userid"]]
                found[person.who, _own_year(person, _day(one))] += 1
        return [who for (who, _), n in found.items() if n > 1]

    def on_another_day(self) -> list[tuple[str, date]]:
        """Birthday wishes on a day that is not the birthday."""
        return [
            (one["external_userid"], _day(one))
            for one in self._while_on
            if "生日" in one["text"]
            and not _is_birthday(self.year.people[one["external_userid"]], _day(one))
        ]

    # -- nobody forgotten

    @cached_property
    def due(self) -> list[tuple[str, str, date, str]]:
        """Who was to be planned for, by the story: (customer, occasion, day, step)."""
        return list(self._due())

    def _due(self) -> Iterator[tuple[str, str, date, str]]:
        span = self.year.span
        days = [span.first + timedelta(days=n) for n in range(span.days)]
        for person in self.year.people.values():
            if person.gone:
                continue
            for day in days:
                if person.born and _is_birthday(person, day):
                    yield person.who, "birthday", day, "0"
            if person.matures and not person.renewed:
                for step in STEPS:
                    day = person.matures - timedelta(days=step)
                    if span.first <= day < span.first + timedelta(days=span.days):
                        yield person.who, "maturity", day, str(step)

    def lost(self) -> list[tuple[str, str, date, str]]:
        """Due by the story, and neither sent nor accounted for."""
        told = {
            (row["external_userid"], row["occasion"], row["planned_on"], row["step"]): row
            for row in self.rows
        }
        ends = {"confirmed", "dropped", "expired", "failed"}
        now = self.year.clock.now().timestamp() * 1000
        found = []
        for who, occasion, day, step in self.due:
            row = told.get((who, occasion, day.isoformat(), step))
            waits = row is not None and row["useful_until"] > now
            if row is None or not (waits or row["status"] in ends):
                found.append((who, occasion, day, step))
        return found

    def disagreements(self) -> list[tuple[str, str]]:
        """Confirmed here and not delivered there, or the reverse."""
        groups = self.year.world.delivered(channel="mass_group")
        there = {(one["external_userid"], one["mass"]) for one in self.delivered}
        there |= {(one["chat_id"], one["mass"]) for one in groups}
        here = {
            (row["chat_id"] or row["external_userid"], row["wecom_msgid"])
            for row in self.rows
            if row["status"] == "confirmed"
        }
        gone = {person.who for person in self.year.people.values() if person.gone}
        return [pair for pair in there ^ here if pair[0] not in gone]

    # -- refusals, hours, caps

    def handed_over_after_refusal(self) -> list[str]:
        """Who was in a task made after their refusal was in the store; service is no marketing."""
        found = []
        for entry in self.year.world.history:
            if entry.get("chat_type") != "single" or "到期" in entry.get("text", ""):
                continue
            for who in (one for ids in entry["plan"].values() for one in ids):
                person = self.year.people[who]
                if person.refused_at and entry["id"] > person.refused_at[1]:
                    found.append(who)
        return found

    def sent_after_refusal(self) -> list[tuple[str, timedelta]]:
        """Who still got something by a member's tap after the refusal was in the store."""
        found = []
        for one in self.delivered:
            person = self.year.people[one["external_userid"]]
            if person.refused_at and one["id"] > person.refused_at[1] and "到期" not in one["text"]:
                found.append((person.who, _moment(one) - person.refused_at[0]))
        return found

    def silence(self) -> list[timedelta]:
        """From each refusal in the store until no member could send to that customer."""
        return sorted(
            person.silent_at - person.refused_at[0]
            for person in self.year.people.values()
            if person.refused_at and person.silent_at
        )

    def never_silent(self) -> list[str]:
        return [
            p.who
            for p in self.year.people.values()
            if p.refused_at and not p.silent_at and not p.gone
        ]

    def unsaid(self) -> list[str]:
        """Errands that failed because a text asks for what nobody gives."""
        rows = self.year.life.bot.database.read().rows(
            "SELECT DISTINCT reason FROM outbox WHERE state = 'failed' AND reason LIKE '话术%'"
        )
        return [row["reason"] for row in rows]

    def over_caps(self) -> list[tuple[str, date]]:
        """More than one a day, two in seven days or six in thirty, whatever it was but service."""
        days: dict[str, list[date]] = {}
        for one in self.delivered:
            if "到期" not in one["text"]:
                days.setdefault(one["external_userid"], []).append(_day(one))
        return [
            (who, day)
            for who, got in days.items()
            for day in got
            if any(
                sum(timedelta(0) <= day - each < timedelta(days=span) for each in got) > most
                for span, most in ((1, 1), (7, 2), (30, 6))
            )
        ]

    def out_of_hours(self) -> list[datetime]:
        """Sent outside 08:00 to 21:00, or what is no service outside 08:30 to 20:00."""
        found = []
        for one in self._while_on:
            at = _moment(one)
            minutes = at.hour * 60 + at.minute
            first, last = (480, 1260) if "到期" in one["text"] else (510, 1200)
            if not first <= minutes < last:
                found.append(at)
        return found

    def report(self) -> list[str]:
        """The figures to publish."""
        sent, due = len(self.delivered), len(self.due)
        silence = self.silence()
        middle = silence[len(silence) // 2] if silence else timedelta(0)
        longest = silence[-1] if silence else timedelta(0)
        life, span = self.year.life, self.year.span
        lived = f"{span.days} days, {len(self.year.people)} customers, {life.moments} moments"
        twice = 1e6 * self.duplicates() / max(sent, 1)
        lost = 1e6 * len(self.lost()) / max(due, 1)
        quiet = f"median {middle.total_seconds():.0f} s, longest {longest.total_seconds():.0f} s"
        behind = f"{self.year.catch_up_seconds:.1f} s of work, {self.year.caught_up_after} later"
        return [
            f"{lived}, {life.deaths} deaths, {due} due, {sent} delivered",
            f"duplicates per million {twice:.0f}, losses per million {lost:.0f}",
            f"refusal to silence of {len(silence)}: {quiet}",
            f"up to date after {span.on - span.off} down: {behind}",
        ]


def _moment(one: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(one["at"])


def _day(one: dict[str, Any]) -> date:
    return _moment(one).date()


@cache
def _lunar(day: date) -> Any:
    return Solar.fromYmd(day.year, day.month, day.day).getLunar()


def _own_year(person: Person, day: date) -> int:
    assert person.born is not None
    return int(_lunar(day).getYear()) if person.born[0] == "农历" else day.year


def _is_birthday(person: Person, day: date) -> bool:
    assert person.born is not None
    calendar, _, month, on = person.born
    if calendar == "公历":
        leap = day.year % 4 == 0
        wanted = (2, 28) if (month, on) == (2, 29) and not leap else (month, on)
        return (day.month, day.day) == wanted
    lunar = _lunar(day)
    if lunar.getMonth() != month:  # a leap month is negative, and nobody was born in one here
        return False
    return bool(lunar.getDay() == min(on, _length(lunar.getYear(), month)))


@cache
def _length(year: int, month: int) -> int:
    return int(LunarYear.fromYear(year).getMonth(month).getDayCount())
