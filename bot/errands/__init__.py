"""Performing errands: each module turns one family of errands into calls and effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from bot.actions import (
    AnswerEmployee,
    AnswerKf,
    AskModel,
    CancelMassSend,
    CheckAgreement,
    CreateMassSend,
    Errand,
    KeepGroupWelcome,
    MarkTags,
    PullArchive,
    PullKf,
    Reconcile,
    RemindMassSend,
    SendCard,
    SendKfWelcome,
    SendMorning,
    SendWelcome,
    SyncCustomer,
    SyncGroup,
    SyncStaff,
    SyncTags,
    TellStaff,
    UpdateCard,
)
from bot.errands.asking import Asker
from bot.errands.greeting import Greeter
from bot.errands.mass import MassSender
from bot.errands.pulling import Puller
from bot.errands.staff import Desk
from bot.errands.syncing import Syncer
from bot.outbox import Effect


@dataclass(frozen=True)
class Performer:
    """Knows who does which errand; the one ``match`` over all of them."""

    syncer: Syncer
    puller: Puller
    greeter: Greeter
    mass: MassSender
    desk: Desk
    asker: Asker

    def __call__(self, errand: Errand) -> Effect | None:  # noqa: C901, PLR0911, PLR0912  # one line an errand
        """Do one errand; the effect is what to write about it."""
        match errand:
            case SendWelcome():
                return self.greeter.welcome(errand)
            case SendKfWelcome():
                return self.greeter.welcome_kf(errand)
            case AnswerKf():
                return self.greeter.answer_kf(errand)
            case KeepGroupWelcome():
                return self.greeter.keep_group_welcome()
            case MarkTags():
                return self.syncer.mark_tags(errand)
            case SyncCustomer():
                return self.syncer.sync_customer(errand)
            case SyncGroup():
                return self.syncer.sync_group(errand)
            case SyncStaff():
                return self.syncer.sync_staff()
            case SyncTags():
                return self.syncer.sync_tags()
            case Reconcile():
                return self.syncer.reconcile()
            case CheckAgreement():
                return self.syncer.check_agreement(errand)
            case PullArchive():
                self.puller.pull_archive()
                return None
            case PullKf():
                self.puller.pull_kf(errand)
                return None
            case TellStaff():
                return self.desk.tell(errand)
            case AnswerEmployee():
                return self.desk.answer(errand)
            case SendMorning():
                return self.desk.morning.send(errand)
            case SendCard():
                return self.desk.send_card(errand)
            case UpdateCard():
                return self.desk.update_card(errand)
            case CreateMassSend():
                return self.mass.create(errand)
            case RemindMassSend():
                self.desk.chaser.remind(errand)
                return None
            case CancelMassSend():
                return self.mass.cancel(errand)
            case AskModel():
                return self.asker.ask(errand)
            case never:
                assert_never(never)
