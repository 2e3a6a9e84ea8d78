"""Who lives in the sample branch and what they say, read from this folder's YAML."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import yaml
from borax.calendars.lunardate import LunarDate

from bot.clock import SHANGHAI
from bot.errors import Invalid

HERE = Path(__file__).parent
KF_ID = "wkQunAnChengDong0000000000000001"
_OPTIONS = {"kind", "of", "quote", "id", "beat", "do", "who", "state"}
_DEEDS = {"add_friend", "join", "leave", "agree", "disagree", "recall"}
_LATER_GAP = 8.0
_HISTORY_GAP = (20, 70)


@dataclass(frozen=True, slots=True)
class Employee:
    """One of the branch's staff; ``puts_off``: leaves every second card for later."""

    userid: str
    name: str
    call: str
    role: str
    department: int
    title: str
    certificates: tuple[str, ...]
    deputy: str
    puts_off: bool


@dataclass(frozen=True, slots=True)
class Holding:
    """What a customer has with us; ``due`` in days from the demo's day, None without a term."""

    kind: str
    amount: int
    due: int | None
    rate: float | None


@dataclass(frozen=True, slots=True)
class Birthday:
    """A day of the year, or ``ahead`` days from the demo's day; ``lunar`` counts by the moon."""

    month: int = 0
    day: int = 0
    ahead: int | None = None
    lunar: bool = False

    def born(self, today: date, age: int) -> str:
        """The date of birth as ``1974-08-16``, in its own calendar, for somebody about that old."""
        month, day = self._month_and_day(today)
        for year in range(today.year - age, today.year - age - 60, -1):
            if _exists(year, month, day, lunar=self.lunar):
                return f"{year:04d}-{month:02d}-{day:02d}"
        raise Invalid(f"生日 {month} 月 {day} 日在任何一年都不存在,请改 people.yaml")

    def _month_and_day(self, today: date) -> tuple[int, int]:
        if self.ahead is None:
            return self.month, self.day
        then = today + timedelta(days=self.ahead)
        if not self.lunar:
            return then.month, then.day
        moon = LunarDate.from_solar_date(then.year, then.month, then.day)
        return moon.month, moon.day


def _exists(year: int, month: int, day: int, *, lunar: bool) -> bool:
    try:
        LunarDate(year, month, day) if lunar else date(year, month, day)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Persona:
    """A customer; ``key`` is how their follow user calls them. See the head of ``people.yaml``."""

    key: str
    number: int
    name: str
    nick: str
    gender: int
    age: int
    occupation: str
    follow: str
    groups: tuple[str, ...]
    birthday: Birthday | None
    assets: int | None
    risk: str
    holdings: tuple[Holding, ...]
    consents: tuple[str, ...]
    archive: str
    quiet: bool
    arrives: bool
    key_person: bool
    kf: bool

    @property
    def external_userid(self) -> str:
        """Always the same, so that the core system's files can name it."""
        return f"wmQunAnChengDong{self.number:016d}"

    @property
    def phone(self) -> str:
        """Eleven digits that no mobile number begins with."""
        return f"100{self.number:08d}"

    @property
    def core_id(self) -> str:
        """The core system's customer number; made up."""
        return f"QA{self.number:06d}"


@dataclass(frozen=True, slots=True)
class Crowd:
    """A customer group of the branch."""

    key: str
    name: str
    owner: str
    staff: tuple[str, ...]
    notice: str

    @property
    def chat_id(self) -> str:
        """Always the same id."""
        return f"wrQunAnChengDong{self.key:0>16}"


@dataclass(frozen=True, slots=True)
class Line:
    """Something said, or with ``do`` something done.

    Attributes:
        group, dm, kf: Where; one of them is set. ``dm`` and ``kf`` name the customer.
        who: A customer's key or a ``userid``.
        beat: What the line is in the story.
    """

    who: str
    text: str
    group: str = ""
    dm: str = ""
    kf: str = ""
    kind: str = "text"
    of: Any = None
    quote: str = ""
    id: str = ""
    beat: str = ""
    do: str = ""
    state: str = ""


@dataclass(frozen=True)
class Town:
    """The branch, its people and its talk.

    Attributes:
        history: (days before the demo's day as a negative number, minute of day, line).
        today: (second of the story, line), in order.
        later: Lines that follow in a trickle.
    """

    bank: str
    branch: str
    city_branch: str
    departments: dict[int, str]
    staff: dict[str, Employee]
    groups: dict[str, Crowd]
    kf_name: str
    kf_servicers: tuple[str, ...]
    people: dict[str, Persona]
    events: tuple[dict[str, Any], ...]
    products: tuple[dict[str, Any], ...]
    offers: tuple[dict[str, Any], ...]
    referrals: tuple[dict[str, Any], ...]
    history: tuple[tuple[int, float, Line], ...]
    today: tuple[tuple[float, Line], ...]
    later: tuple[tuple[float, Line], ...]

    def person(self, who: str) -> str:
        """The ``userid`` or ``external_userid`` of a speaker."""
        return who if who in self.staff else self.people[who].external_userid

    def members(self, group: str) -> list[Persona]:
        """The customers who are in a group from the start."""
        return [one for one in self.people.values() if group in one.groups]

    def lines(self) -> Iterator[Line]:
        """Every line, deeds included, in order of time."""
        yield from (line for _, _, line in self.history)
        yield from (line for _, line in self.today)
        yield from (line for _, line in self.later)

    def past(self, day: date) -> Iterator[tuple[datetime, Line]]:
        """The history's lines with their moments, oldest first, for a demo on ``day``."""
        for ago, minute, line in self.history:
            midnight = datetime.combine(day + timedelta(days=ago), time(0), SHANGHAI)
            yield midnight + timedelta(minutes=minute), line


def load_town(folder: Path = HERE, seed: int = 20261201) -> Town:
    """Read the branch; the same seed gives the same times.

    Raises:
        Invalid: A line names somebody unknown, or uses an option that does not exist.
    """
    written = yaml.safe_load((folder / "people.yaml").read_text(encoding="utf-8"))
    staff = {userid: _employee(userid, one) for userid, one in written["staff"].items()}
    people = {
        key: _persona(number, key, one)
        for number, (key, one) in enumerate(written["customers"].items(), 1)
    }
    reader = _Reader(folder / "talk", staff, people, random.Random(seed))  # noqa: S311  # spreads lines
    account = written["kf"]["counter"]
    return Town(
        written["bank"],
        written["branch"],
        written["city_branch"],
        {one["id"]: one["name"] for one in written["departments"]},
        staff,
        {key: _crowd(key, one) for key, one in written["groups"].items()},
        account["name"],
        tuple(account["servicers"]),
        people,
        tuple(written["events"]),
        tuple(written["products"]),
        tuple(written["offers"]),
        tuple(written["referrals"]),
        tuple(reader.history()),
        tuple(reader.today()),
        tuple(reader.later()),
    )


def _employee(userid: str, one: dict[str, Any]) -> Employee:
    return Employee(
        userid,
        one["name"],
        one["call"],
        one["role"],
        one["department"],
        one["title"],
        tuple(one["certificates"]),
        one.get("deputy", ""),
        one.get("puts_off", False),
    )


def _crowd(key: str, one: dict[str, Any]) -> Crowd:
    return Crowd(key, one["name"], one["owner"], tuple(one["staff"]), one["notice"])


def _persona(number: int, key: str, one: dict[str, Any]) -> Persona:
    return Persona(
        key,
        number,
        one["name"],
        one["nick"],
        {"male": 1, "female": 2}[one["gender"]],
        one["age"],
        one["occupation"] or "",
        one["follow"] or "",
        tuple(one["groups"]),
        _birthday(one["birthday"]),
        one["assets"],
        one["risk"] or "",
        tuple(Holding(*holding) for holding in one["holdings"]),
        tuple(one["consents"]),
        one.get("archive", "agree"),
        one.get("quiet", False),
        one.get("arrives", False),
        one.get("key_person", False),
        one.get("kf", False),
    )


def _birthday(one: dict[str, Any] | None) -> Birthday | None:
    if one is None:
        return None
    lunar = one.get("calendar") == "lunar"
    return Birthday(one.get("month", 0), one.get("day", 0), one.get("in"), lunar)


class _Reader:
    """Reads the three files of talk and gives each line its time."""

    def __init__(
        self,
        folder: Path,
        staff: dict[str, Employee],
        people: dict[str, Persona],
        chance: random.Random,
    ) -> None:
        self._folder = folder
        self._by_call = {one.call: one.userid for one in staff.values()}
        self._people = people
        self._chance = chance

    def history(self) -> list[tuple[int, float, Line]]:
        timed = []
        for scene in self._scenes("history"):
            hour, minute = scene["at"].split(":")
            at = float(int(hour) * 60 + int(minute))
            for line in self._lines(scene):
                timed.append((int(scene["day"]), at, line))
                at += self._chance.randint(*_HISTORY_GAP) / 60
        return sorted(timed, key=lambda one: one[:2])

    def today(self) -> list[tuple[float, Line]]:
        timed = []
        for scene in self._scenes("today"):
            lines = self._lines(scene)
            step = scene["span"] / len(lines)
            for index, line in enumerate(lines):
                # Nobody types to a beat, but the order within a scene stays.
                at = scene["start"] + step * (index + self._chance.uniform(-0.35, 0.35))
                timed.append((max(0.0, at), line))
        return sorted(timed, key=lambda one: one[0])

    def later(self) -> list[tuple[float, Line]]:
        """The scenes of one place follow each other; the places take turns, each to its end."""
        places: dict[tuple[str, str, str], list[Line]] = {}
        for scene in self._scenes("later"):
            for line in self._lines(scene):
                places.setdefault((line.group, line.dm, line.kf), []).append(line)
        order = [
            ((index + 0.5) / len(lines), line)
            for lines in places.values()
            for index, line in enumerate(lines)
        ]
        order.sort(key=lambda one: one[0])
        return [(_LATER_GAP * (index + 1), line) for index, (_, line) in enumerate(order)]

    def _scenes(self, name: str) -> list[dict[str, Any]]:
        text = (self._folder / f"{name}.yaml").read_text(encoding="utf-8")
        scenes: list[dict[str, Any]] = yaml.safe_load(text)["scenes"]
        return scenes

    def _lines(self, scene: dict[str, Any]) -> list[Line]:
        return [self._line(scene, written) for written in scene["lines"]]

    def _line(self, scene: dict[str, Any], written: dict[str, Any]) -> Line:
        speakers = [key for key in written if key not in _OPTIONS]
        who = str(written["who"]) if "do" in written else "".join(speakers)
        if who not in self._people and who not in self._by_call:
            raise Invalid(f"台词里的 {who!r} 不是 people.yaml 里的人:{written}")
        if written.get("do", "join") not in _DEEDS:
            raise Invalid(f"台词里没有动作 {written['do']!r},可用:{'、'.join(sorted(_DEEDS))}")
        return Line(
            self._by_call.get(who, who),
            str(written.get(who, "")),
            scene.get("where", ""),
            scene.get("dm", ""),
            scene.get("kf", ""),
            written.get("kind", "text"),
            written.get("of"),
            written.get("quote", ""),
            written.get("id", ""),
            written.get("beat", ""),
            written.get("do", ""),
            written.get("state", ""),
        )
