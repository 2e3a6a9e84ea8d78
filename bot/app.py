"""The only place that builds things: settings in, a running bot out.

Parts are imported where they are built: a start answers callbacks before it has loaded the
reading engine, the rules and everything that works behind the door.
"""

from __future__ import annotations

import contextlib
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import structlog

from bot.actions import CloseCase, Errand, KeepGroupWelcome, PullArchive, Refuse, SyncTags
from bot.actions import Reconcile as ReconcileAll
from bot.clock import Clock, open_clock, today
from bot.erasing import ErasureBook
from bot.errors import Invalid
from bot.happenings import SegmentsChanged
from bot.inbox import Inbox
from bot.links import EventLinks, LoginLinks, OutLinks
from bot.model import ExternalUserId
from bot.opening import (
    callback_keys,
    check_settings,
    open_archive,
    open_doubts,
    open_model,
    open_ring,
    open_shared,
    share_the_way,
    sole_use,
)
from bot.readiness import readiness
from bot.store import migrations
from bot.store.db import Database, Db
from bot.vault import CipherName, Vault
from bot.web.door import Door
from bot.web.front import Front
from config.settings import Settings

if TYPE_CHECKING:
    from bot.approving import Approving
    from bot.dry import Trials
    from bot.errands.mass import MassSender
    from bot.errands.staff import Desk
    from bot.facts import Fact
    from bot.listening import Listener, Read
    from bot.model import ArchivedMessage
    from bot.outbox import Outbox
    from bot.reloading import RuleWatch, Watching
    from bot.rulebook import Rulebook
    from bot.shared import Shared
    from bot.store.keys import Ring
    from bot.web.services import Services
    from bot.wecom import WeComClient
    from bot.worker import Worker
    from handlers.reading import Reader
    from scheduler.ring import Lease, Ringer

log = structlog.get_logger()


_MINUTE = timedelta(minutes=1)
PARTS = frozenset({"web", "worker", "scheduler"})
"""What a bot consists of; one process may do some of it."""


class Bot:
    """All parts, built when first asked for and wired together.

    ``start`` and ``stop`` run the worker, the outbox and the scheduler; ``asgi`` is the web.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._open = contextlib.ExitStack()
        self._running: list[Worker | Outbox | Ringer | Watching] = []
        check_settings(settings)
        migrations.upgrade(settings.database_place)

    # -- parts

    @cached_property
    def clock(self) -> Clock:
        """The clock that ``QUNGUAN_CLOCK`` asks for."""
        return open_clock(self.settings.qunguan_clock, self.settings.clock_file)

    @cached_property
    def vault(self) -> Vault:
        """Encryption at rest."""
        return Vault(self.settings.qunguan_secret_key.get_secret_value(), self.ring)

    @cached_property
    def ring(self) -> Ring:
        """The keys of the store."""
        return open_ring(self.settings, self.database, self.clock)

    @cached_property
    def database(self) -> Database:
        """The store."""
        return Database(self.settings.database_place)

    @cached_property
    def shared(self) -> Shared | None:
        """What several processes share; None where there is one."""
        return open_shared(self.settings)

    @cached_property
    def inbox(self) -> Inbox:
        """What came in."""
        if self.shared is None:
            return Inbox(self.database, self.vault, self.clock)
        from bot.shared import SharedInbox

        return SharedInbox(self.shared, self.database, self.vault, self.clock)

    @cached_property
    def rules(self) -> Rulebook:
        """What the branch may change."""
        from bot.rulebook import load_rulebook

        return load_rulebook(self.settings.qunguan_config_dir, self.settings.qunguan_templates_dir)

    @cached_property
    def wecom(self) -> WeComClient:
        """The door to WeCom."""
        from bot.wecom import Secrets, WeComClient

        found = self.settings
        return WeComClient(
            found.wecom_base_url,
            found.wecom_corp_id,
            found.wecom_agent_id,
            Secrets(
                agent=found.wecom_agent_secret.get_secret_value(),
                contact=found.wecom_contact_secret.get_secret_value(),
                kf=found.wecom_kf_secret.get_secret_value(),
                archive=found.wecom_archive_secret.get_secret_value(),
            ),
            **self.paced_together(),
        )

    def paced_together(self) -> dict[str, Any]:
        """What the processes of one corp share of the way to WeCom."""
        return share_the_way(self.shared, self.vault) if self.shared else {}

    @cached_property
    def reader(self) -> Reader:
        """The reading engine with the branch's rules."""
        from handlers.reading import Reader

        return Reader.load(self.settings.qunguan_config_dir)

    @cached_property
    def listener(self) -> Listener:
        """Messages to facts."""
        from bot.listening import Listener

        on = bool(self.settings.qunguan_model_url)
        return Listener(self.vault, self._read(), self.rules, second_reader=on)

    def _read(self) -> Read:
        """The rules, and what was learnt about them; what cannot be used is left out."""
        sure = self.rules.thresholds.doubts.sure
        try:
            doubts = open_doubts(self.settings, sure, today(self.clock))
        except Invalid as why:
            log.warning("reading without doubts", reason=str(why))
            doubts = None
        return doubts.doubting(self.reader.read) if doubts else self.reader.read

    @cached_property
    def worker(self) -> Worker:
        """The inbox's worker."""
        import handlers
        from bot.dispatch import collect
        from bot.worker import Worker

        worker = Worker(
            self.database,
            self.inbox,
            self.clock,
            self.rules,
            self.listener,
            collect(handlers),
        )
        worker.wake_outbox = self._wake_outbox
        return worker

    @cached_property
    def mass(self) -> MassSender:
        """Mass sends."""
        from bot.errands.mass import MassSender

        return MassSender(
            self.database, self.vault, self.clock, self.rules, self.wecom, self.public_url
        )

    @cached_property
    def approving(self) -> Approving:
        """What people do with campaigns."""
        from bot.approving import Approving

        return Approving(self.database, self.clock, self.rules, self.trials)

    @cached_property
    def trials(self) -> Trials:
        """Campaigns tried without effect."""
        from bot.dry import Trials

        return Trials(self.database, self.clock, self.mass.judge)

    @cached_property
    def desk(self) -> Desk:
        """Messages to employees."""
        from bot.errands.staff import Desk

        return Desk(self.database, self.vault, self.clock, self.rules, self.wecom, self.login_links)

    @cached_property
    def login_links(self) -> LoginLinks:
        """Sign-in links."""
        return LoginLinks(self.public_url, self.vault, self.clock)

    @cached_property
    def out_links(self) -> OutLinks:
        """Refusal links."""
        return OutLinks(self.settings.qunguan_public_url.rstrip("/"), self.vault)

    @property
    def public_url(self) -> str:
        """Where people reach the pages."""
        found = self.settings
        return (
            found.qunguan_public_url or f"http://{found.qunguan_host}:{found.qunguan_port}"
        ).rstrip("/")

    @cached_property
    def outbox(self) -> Outbox:
        """Errands and the threads that do them."""
        from bot.errands import Performer
        from bot.errands.asking import Asker
        from bot.errands.greeting import Greeter
        from bot.errands.pulling import Puller
        from bot.errands.syncing import Syncer
        from bot.outbox import Outbox

        source, decryptor = open_archive(self.settings, self._open)
        performer = Performer(
            syncer=Syncer(
                self.database,
                self.vault,
                self.clock,
                self.rules,
                self.wecom,
                self.listener,
                self.worker.notice,
                self.refused_by_import,
            ),
            puller=Puller(
                self.database, self.inbox, self.vault, self.clock, self.wecom, source, decryptor
            ),
            greeter=Greeter(
                self.database, self.vault, self.clock, self.rules, self.wecom, self.out_links
            ),
            mass=self.mass,
            desk=self.desk,
            asker=Asker(
                self.database,
                self.vault,
                self.clock,
                self.listener,
                open_model(self.settings, self.rules.thresholds.model, self._open),
                self.rules.thresholds.model.calls_a_day,
            ),
        )
        return Outbox(self.database, self.clock, performer, alone=self.shared is None)

    def _wake_outbox(self) -> None:
        """Its threads are in another process, which looks by itself, unless they are here."""
        if "outbox" in self.__dict__:
            self.outbox.wake()

    @cached_property
    def ringer(self) -> Ringer:
        """The scheduler."""
        from bot.jobs import Jobs, Rounds
        from scheduler.ring import Job, Ringer

        jobs = Jobs(
            self.database,
            self.clock,
            self.rules,
            self.listener,
            self.mass,
            self.worker.notice,
            self._wake_outbox,
        )
        every = jobs.all() + Rounds(jobs, self.desk).all()
        every.append(Job("keep_erasures", lambda _fence, _due: self._erasures(), every=_MINUTE))
        return Ringer(self.database, self.clock, every, self.rule_watch.look, self._lease())

    def _erasures(self) -> int:
        return ErasureBook(self.settings.erasures_file).keep(self.database)

    def _lease(self) -> Lease | None:
        if self.shared is None:
            return None
        from bot.shared import SharedLease

        return SharedLease(self.shared, self.database)

    @cached_property
    def rule_watch(self) -> RuleWatch:
        """Takes changed rules over."""
        from bot.reloading import RuleWatch

        return RuleWatch(
            self.settings.qunguan_config_dir,
            self.settings.qunguan_templates_dir,
            self.database,
            self.clock,
            self.rules,
            self.reader,
            lambda db, now: self._add_errands(
                db, now, SyncTags(f"rules-{now}"), KeepGroupWelcome(f"rules-{now}")
            ),
        )

    # -- life

    def start(self, parts: frozenset[str] = PARTS) -> None:
        """Read WeCom once, then work, perform and ring.

        Args:
            parts: What of it this process does.

        Raises:
            Invalid: A setting is wrong, or another bot works on this store.
        """
        if self.shared is None:
            self._open.enter_context(sole_use(self.settings))
        self.ring.follow(CipherName(self.settings.qunguan_cipher), self._now_ms())
        if "scheduler" in parts:
            ErasureBook(self.settings.erasures_file).replay(self.database, self._now_ms())
            self.database.write(self._first_errands)
        self.rule_watch.begin()
        from bot.reloading import Watching

        # All of them are built before one runs: a setting that is wrong leaves no thread behind.
        running: list[Worker | Outbox | Ringer | Watching] = []
        if "worker" in parts:
            running += [self.worker, self.outbox]
            self._recall_sent()
        running.append(self.ringer if "scheduler" in parts else Watching(self.rule_watch))
        for part in running:
            part.start()
            self._running.append(part)

    def _first_errands(self, db: Db) -> None:
        now = self._now_ms()
        first = (
            ReconcileAll(f"start-{now}"),
            SyncTags(f"start-{now}"),
            KeepGroupWelcome(f"start-{now}"),
            PullArchive(f"start-{now}"),
        )
        self._add_errands(db, now, *first)

    def _recall_sent(self) -> None:
        from bot import outbox

        now = self._now_ms()
        self.wecom.recall_sent(outbox.told_lately(self.database.read(), now))

    def stop(self) -> None:
        """Finish what is in hand, the scheduler first, then close."""
        while self._running:
            self._running.pop().stop()
        self._open.close()
        self.wecom.close()
        self.database.close()

    def _add_errands(self, db: Db, now: int, *errands: Errand) -> None:
        """Add what WeCom has to be asked, once it is set up."""
        from bot import outbox

        if self.settings.wecom_corp_id:
            for errand in errands:
                outbox.add(db, errand, now)

    # -- web

    @cached_property
    def door(self) -> Door:
        """Callbacks."""
        return Door(callback_keys(self.settings), self.inbox)

    @cached_property
    def asgi(self) -> Front:
        """The whole web side."""
        return Front(self.door, self.readiness, self._site)

    def _site(self) -> Any:
        from bot.web.site import build_site  # FastAPI is loaded when asked for

        return build_site(self.services)

    @cached_property
    def services(self) -> Services:
        """What the pages need."""
        from bot.web.services import Services

        return Services(
            database=self.database,
            vault=self.vault,
            clock=self.clock,
            rules=self.rules,
            wecom=self.wecom,
            desk=self.desk,
            out_links=self.out_links,
            event_links=EventLinks(self.out_links.public_url, self.vault),
            login_links=self.login_links,
            api_token=self.settings.qunguan_api_token.get_secret_value(),
            corp_id=self.settings.wecom_corp_id,
            agent_id=self.settings.wecom_agent_id,
            wecom_base_url=self.settings.wecom_base_url,
            templates_dir=self.settings.qunguan_templates_dir,
            act=self.act,
            refresh=self.refresh_customer,
            metrics=self.metrics,
            plan=lambda on: self.plan(date.fromisoformat(on)),
            approving=self.approving,
            preview=self.trials.preview,
            learned=self.learned,
            rule_trouble=lambda: self.rule_watch.trouble,
        )

    def act(self, change: Refuse | CloseCase) -> None:
        """Apply a person's change with everything that it causes."""
        now = self._now_ms()

        def apply(db: Db) -> None:
            self.worker.notice(db, list(self.worker.act(db, change, now)))

        self.database.write(apply)
        self._wake_outbox()

    def learned(self, db: Db, message: ArchivedMessage, fact: Fact, fact_id: int) -> None:
        """A person vouches for a fact: everything happens that happens when one is read."""
        event = self.listener.learned(db, message, fact, fact_id, self._now_ms())
        self.worker.notice(db, [event])

    def refused_by_import(self, db: Db, customer: str) -> None:
        """A refusal in a file of the core system stops what is under way, like any other."""
        from bot.worker import stop_sending

        stop_sending(db, ExternalUserId(customer), self._now_ms())

    def refresh_customer(self, external_userid: str) -> None:
        """Derive a customer's segments again after a correction."""
        who = [ExternalUserId(external_userid)]

        def refresh(db: Db) -> None:
            at = self.clock.now()
            moved = list(self.listener.refresh_segments(db, who, at, self._now_ms()))
            # Interests carry tags too, without being segments.
            self.worker.notice(db, moved or [SegmentsChanged(who[0], (), (), at)])

        self.database.write(refresh)
        self._wake_outbox()

    # -- state

    def readiness(self) -> dict[str, Any]:
        """What ``/readyz`` tells: problems, and the figures behind them."""
        return readiness(self.settings, self.database, self.inbox)

    def metrics(self) -> str:
        """Prometheus text."""
        from bot.metrics import render  # loaded when somebody scrapes

        return render(self.database.read(), self.door.answers, self.worker.unheard, self.inbox)

    # -- planning ahead

    def plan(self, on: date) -> list[dict[str, Any]]:
        """What would be sent on a day and what held back, with all reasons; changes nothing."""
        from bot.dry import plan_dry

        return plan_dry(self.database, self.mass.judge, self.clock.now(), on)

    def _now_ms(self) -> int:
        return int(self.clock.now().timestamp() * 1000)
