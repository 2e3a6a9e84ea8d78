"""Everything of ``config/`` and ``templates/`` that a branch may change, loaded and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from bot.clock import SHANGHAI
from bot.errors import Invalid
from bot.model import ExternalUserId
from bot.store.db import Db
from bot.store.intake import Derivation
from bot.store.segments import Lines
from bot.yamlfile import Place, load_section, read_text
from handlers.ledger_fields import LedgerRules, load_ledger
from handlers.rules import (
    EscalationRules,
    SegmentRule,
    TagName,
    load_escalation,
    load_segments,
    load_tag_names,
)
from handlers.signals import Signals, load_signals
from handlers.states import ActiveLine, StandingRules, load_states
from scheduler.approval import ApprovalRules, load_approvals
from scheduler.automatic import breaks
from scheduler.calendar import BranchCalendar, build_calendar, load_holidays
from scheduler.campaigns import Campaign, parse_campaign
from scheduler.lunar import next_birthday
from scheduler.messages import FORMS, Message, Messages, load_messages
from scheduler.phrases import Hit, Phrases, Verdict, load_phrases, load_simplified
from scheduler.praise import PraiseRules, load_praise
from scheduler.release import is_released, load_release
from scheduler.thresholds import Thresholds, load_thresholds
from scheduler.voice import Words, load_words
from scheduler.words import Renderer

POSTLOAN = "postloan"
MEDIA = "media"
"""The folder of attachments inside the folder of texts."""


@dataclass(frozen=True)
class Rulebook:
    """The branch's rules, words and numbers, checked.

    Only ``become`` changes it, when the files have changed while the bot runs.

    Attributes:
        release: The hash of every text that may go out without an approval of its own.
    """

    thresholds: Thresholds
    calendar: BranchCalendar
    segments: list[SegmentRule]
    standing: StandingRules
    ledger: LedgerRules
    tags: list[TagName]
    escalation: EscalationRules
    approvals: ApprovalRules
    praise: PraiseRules
    campaigns: Mapping[str, Campaign]
    messages: Messages
    words: Words
    phrases: Phrases
    signals: Signals
    release: Mapping[str, str]
    labels: Mapping[str, Mapping[str, str]]
    renderer: Renderer
    media: Path = Path()

    def become(self, other: Rulebook) -> None:
        """Hold what another rulebook holds, for everybody who was handed this one.

        One assignment: at no moment are there some rules of each.
        """
        held = {each.name: getattr(other, each.name) for each in fields(other)}
        object.__setattr__(self, "__dict__", held)

    def label(self, family: str, slug: str) -> str:
        """How a slug is called on screen; a slug without a label shows as it is."""
        return self.labels.get(family, {}).get(slug, slug)

    def where_to_tap(self, tasks: int, moments: int) -> str:
        """Where in WeCom an employee finds the tasks that wait, ``moments`` of them moments."""
        kind = "mass" if not moments else "moments" if moments == tasks else "both"
        return self.label("task_place", kind)

    @cached_property
    def lines(self) -> Lines:
        """The layer lines as the store wants them."""
        return Lines(
            [(layer.value, line) for layer, line in self.thresholds.lines.items()],
            round(self.thresholds.near_line_share * 100),
        )

    @cached_property
    def derivation(self) -> Derivation:
        """What imports compute from a customer's columns."""
        return Derivation(
            lambda calendar, month, day, leap, first: next_birthday(
                calendar, month, day, leap, first, self.thresholds.feb29
            ),
            lambda assets: self.thresholds.layer_of(assets).value,
            {
                called: rule.name
                for rule in self.segments
                if not rule.people_only
                for called in (rule.label, rule.name)
            },
        )

    def is_pinned(self, text: Campaign | Message) -> bool:
        """Whether the release pins exactly this text and the words that it is filled with."""
        return is_released(text, self.release) and is_released(self.words, self.release)

    def parse(self, source: str, file: str) -> Campaign:
        """A campaign from its text, wherever it was written, with its phrases looked at.

        Raises:
            Invalid: With the line and the fix.
        """
        campaign = parse_campaign(source, file)
        campaign.check(self.segments)
        check_phrases(self.phrases, campaign, source, file)
        check_attachments(self.phrases, campaign, self.media)
        return campaign

    def broken_phrases(self, campaign: Campaign, text: str, own: str = "") -> tuple[str, ...]:
        """Which rules of phrases a finished text breaks, missing sentences included (G7).

        A link to anywhere but the bank's domains and ``own``, the bot's address, is K8; a
        structured deposit that is not offered as wealth is S5.
        """
        topics = self.phrases.topics(campaign.purpose, campaign.product_kinds)
        found = {hit.rule for hit in self._hits(campaign, text) if hit.verdict is Verdict.BLOCK}
        found |= {"K8"} if self.phrases.foreign_links(text, own) else set()
        found |= {"S5"} if self.phrases.hides_structured(text, topics) else set()
        return tuple(sorted({*found, *self.phrases.missing(text, topics)}))

    def to_review(self, campaign: Campaign, text: str) -> tuple[str, ...]:
        """The words of a text that a second person must look at by name (K2)."""
        hits = self._hits(campaign, text)
        words = {hit.words for hit in hits if hit.verdict is Verdict.REVIEW}
        # Nobody but a person can look into a picture or a file.
        return tuple(sorted(words | {each.file for each in campaign.attachments if each.file}))

    def _hits(self, campaign: Campaign, text: str) -> Sequence[Hit]:
        topics = self.phrases.topics(campaign.purpose, campaign.product_kinds)
        beside = "\n".join(each.words for each in campaign.attachments)
        return self.phrases.look(f"{text}\n{beside}" if beside else text, topics)

    @staticmethod
    def moment(now: int) -> datetime:
        """Epoch milliseconds as an aware instant."""
        return datetime.fromtimestamp(now / 1000, UTC)

    def deadline(self, kind: str, at: datetime, topic: str = "") -> datetime:
        """Until when a case must be dealt with, counted in branch hours.

        A check of a loan is done by its day (``topic``), or by the last branch day before it.
        """
        usual = self.calendar.deadline(at, self.thresholds.deadlines.get(kind))
        if kind != POSTLOAN:
            return usual
        return max(usual, self.calendar.closing_by(date.fromisoformat(topic)))

    def second_deadline(self, at: datetime) -> datetime:
        """Until when whoever hears of a late case takes it: the end of the branch day.

        Within its last hour: of the next one.
        """
        return self.calendar.end_of_branch_day(
            self.calendar.add_branch_time(at, timedelta(hours=1, microseconds=1))
        )

    def keep_birthday(
        self, db: Db, customer: ExternalUserId, value: Mapping[str, Any], source: str, now: int
    ) -> None:
        """Write a birthday and the day of its next greeting; an impossible one is left out."""
        calendar = value.get("calendar", "solar")
        today = self.moment(now).astimezone(SHANGHAI).date()
        try:
            day, cycle = next_birthday(
                calendar,
                value["month"],
                value["day"],
                bool(value.get("leap")),
                today,
                self.thresholds.feb29,
            )
        except Invalid:
            return
        db.run(
            "UPDATE customer SET birthday_calendar = :calendar, birthday_month = :month,"
            " birthday_day = :day, birthday_year = coalesce(:year, birthday_year),"
            " birthday_leap = :leap, birthday_from = :source, next_birthday_on = :next,"
            " birthday_cycle = :cycle WHERE external_userid = :id",
            calendar=calendar,
            month=value["month"],
            day=value["day"],
            year=value.get("year"),
            leap=int(bool(value.get("leap"))),
            source=source,
            next=day.isoformat(),
            cycle=cycle,
            id=customer,
        )

    def advance_birthdays(self, db: Db, now: int) -> int:
        """Move greetings whose day has passed to the next one; the number moved."""
        today = self.moment(now).astimezone(SHANGHAI).date()
        rows = db.rows(
            "SELECT external_userid, birthday_calendar, birthday_month, birthday_day,"
            " birthday_leap, birthday_cycle FROM customer WHERE next_birthday_on < :today",
            today=today.isoformat(),
        )
        moves = [self._advance(row, today) for row in rows]
        db.many(
            "UPDATE customer SET next_birthday_on = ?, birthday_cycle = ?"
            " WHERE external_userid = ?",
            moves,
        )
        return len(moves)

    def _advance(self, row: Any, today: Any) -> tuple[str, str, str]:
        start = today
        while True:
            day, cycle = next_birthday(
                row["birthday_calendar"],
                row["birthday_month"],
                row["birthday_day"],
                bool(row["birthday_leap"]),
                start,
                self.thresholds.feb29,
            )
            if cycle != row["birthday_cycle"]:
                return day.isoformat(), cycle, row["external_userid"]
            start = day + timedelta(days=1)


def load_calendar(config: Path) -> BranchCalendar:
    """The branch's working days and hours alone.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    thresholds = load_thresholds(config / "thresholds.yaml")
    return build_calendar(thresholds, load_holidays(config / "holidays.yaml"))


def load_rulebook(config: Path, templates: Path) -> Rulebook:
    """Read and check everything.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    thresholds = load_thresholds(config / "thresholds.yaml")
    simplified = load_simplified(config / "lexicon" / "tables.yaml")
    phrases = load_phrases(config / "rules" / "phrases.yaml", simplified)
    messages = load_messages(templates / "messages")
    _check_messages(phrases, messages)
    segments = load_segments(config / "rules" / "segments.yaml")
    return Rulebook(
        thresholds=thresholds,
        calendar=build_calendar(thresholds, load_holidays(config / "holidays.yaml")),
        segments=segments,
        standing=load_states(config / "rules" / "states.yaml", _active_line(thresholds)),
        ledger=load_ledger(config / "rules" / "ledger.yaml"),
        tags=load_tag_names(config / "rules" / "tags.yaml", segments),
        escalation=load_escalation(config / "rules" / "escalation.yaml"),
        approvals=load_approvals(config / "approvals.yaml"),
        praise=load_praise(config / "praise.yaml", messages),
        campaigns={
            each.name: each for each in _campaigns(templates / "campaigns", phrases, segments)
        },
        messages=messages,
        words=load_words(templates / "messages" / "words.yaml"),
        phrases=phrases,
        signals=load_signals(config / "rules" / "signals.yaml", simplified),
        release=load_release(templates),
        labels=load_labels(templates / "labels.yaml"),
        renderer=Renderer(),
        media=templates / MEDIA,
    )


def _active_line(thresholds: Thresholds) -> ActiveLine:
    line = thresholds.activity
    return ActiveLine(line.messages, line.days, line.window_days)


def load_labels(path: Path) -> Mapping[str, Mapping[str, str]]:
    """The words on screen by family and slug.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    top = load_section(path)
    found = {}
    for family in top.keys():  # noqa: SIM118  # not a dict
        names = top.section(family)
        found[family] = {key: names.value(key).text(40) for key in names.keys()}  # noqa: SIM118  # not a dict
    return found


def _campaigns(folder: Path, phrases: Phrases, segments: list[SegmentRule]) -> Iterator[Campaign]:
    for path in sorted(folder.glob("*.md")):
        source = read_text(path)
        campaign = parse_campaign(source, path.name)
        campaign.check(segments)
        check_phrases(phrases, campaign, source, path.name)
        check_attachments(phrases, campaign, folder.parent / MEDIA)
        yield campaign


def check_phrases(phrases: Phrases, campaign: Campaign, source: str, file: str) -> None:
    """Refuse a text with a phrase that no text may hold, or without a sentence that it must hold.

    Raises:
        Invalid: With the line, the phrase and its rule.
    """
    topics = phrases.topics(campaign.purpose, campaign.product_kinds)
    begins = source.find(campaign.words)
    for hit in phrases.look(campaign.words, topics):
        if hit.verdict is Verdict.BLOCK:
            line = source.count("\n", 0, begins + hit.start) + 1
            raise Place(file, line).wrong(
                f"「{hit.words}」不能出现在这类话术里(规则 {hit.rule}),请改写。{hit.note}"
            )
    for host in phrases.foreign_links(campaign.words):
        line = source.count("\n", 0, begins + campaign.words.find(host)) + 1
        raise Place(file, line).wrong(
            f"网址 {host} 不是本行的(规则 K8)。是本行的就把域名加进 phrases.yaml 的 link_domains"
        )
    line = source.count("\n", 0, begins) + 1
    if phrases.hides_structured(campaign.words, topics):
        raise Place(file, line).wrong("结构性存款按理财管(规则 S5),product_kinds 里要写上 wealth")
    for lacking in phrases.missing(campaign.words, topics):
        raise Place(file, line).wrong(
            f"说到这类产品要原样写上:{phrases.sentence(lacking)}(规则 {lacking})"
        )


def check_attachments(phrases: Phrases, campaign: Campaign, media: Path) -> None:
    """Refuse an attachment whose file is another one, or whose words may not be said.

    Raises:
        Invalid: With the line and the fix.
    """
    topics = phrases.topics(campaign.purpose, campaign.product_kinds)
    for each in campaign.attachments:
        each.check(media)
        assert each.place is not None
        for hit in phrases.look(each.words, topics):
            if hit.verdict is Verdict.BLOCK:
                raise each.place.wrong(f"附件里的「{hit.words}」不能写(规则 {hit.rule}),请改写")
        for host in phrases.foreign_links(f"{each.title}\n{each.desc}\n{each.url}"):
            raise each.place.wrong(
                f"网址 {host} 不是本行的(规则 K8)。"
                "是本行的就把域名加进 phrases.yaml 的 link_domains"
            )


def _check_messages(phrases: Phrases, messages: Messages) -> None:
    for message in messages.values():
        if problem := breaks(message, phrases):
            raise Invalid(f"{message.name}.md:{problem}")
        if not FORMS[message.form].for_customer:
            continue
        for hit in phrases.look("\n".join(message.parts.values()), ("service",)):
            if hit.verdict is Verdict.BLOCK:
                raise Invalid(
                    f"{message.name}.md:「{hit.words}」不能写给客户(规则 {hit.rule}),请改写"
                )
