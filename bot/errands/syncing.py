"""Reading WeCom again: staff, customers, groups, tags; after events and as a comparison."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import structlog

from bot import outbox
from bot.actions import CheckAgreement, MarkTags, PullKf, SyncCustomer, SyncGroup
from bot.clock import Clock
from bot.errors import Refused
from bot.happenings import FriendMade
from bot.listening import Listener
from bot.model import ChatId, ExternalUserId, TagId, UserId
from bot.outbox import Effect
from bot.recording import note_brought, note_members
from bot.rulebook import Rulebook
from bot.store import imports, journal, people, segments, talk
from bot.store.db import Database, Db
from bot.vault import Vault
from bot.wecom import Agreement, WeComClient

log = structlog.get_logger()
Notice = Callable[[Db, Iterable[object]], None]
_NOT_FRIENDS, _NOT_OURS, _GONE = 84061, 40096, (86003, 90501)


@dataclass
class Syncer:
    """Reads and keeps.

    ``notice`` gives what was noticed on the way to the handlers, in the open transaction;
    ``refused`` stops what is under way for somebody whose waiting row is a refusal.
    """

    database: Database
    vault: Vault
    clock: Clock
    rules: Rulebook
    wecom: WeComClient
    listener: Listener
    notice: Notice
    refused: Callable[[Db, str], None]

    # -- staff

    def sync_staff(self) -> Effect:
        """Departments, their members, and who serves customers."""
        departments = self.wecom.department_list()
        members = [member for each in departments for member in self.wecom.user_list(each["id"])]
        followers = self.wecom.get_follow_user_list()

        def keep(db: Db) -> None:
            now = self._now()
            people.keep_departments(db, departments)
            seen = set()
            for member in members:
                people.keep_member(db, member, now)
                seen.add(member["userid"])
            for userid in followers:
                if userid not in seen:
                    people.keep_member(db, {"userid": userid, "name": ""}, now)
            people.keep_followers(db, followers)
            journal.note(db, "staff_synced", now, members=len(members))

        return keep

    # -- customers

    def sync_customer(self, errand: SyncCustomer) -> Effect:
        """One customer with all friendships; who is nobody's friend any more stays known."""
        try:
            answer = self.wecom.externalcontact_get(errand.customer)
        except Refused as refusal:
            if refusal.errcode not in {_NOT_FRIENDS, _NOT_OURS}:
                raise
            return lambda db: self._lost(db, errand.customer)
        follows = list(answer["follow_user"])
        while answer.get("next_cursor"):
            answer = self.wecom.externalcontact_get(errand.customer, answer["next_cursor"])
            follows += answer["follow_user"]
        contact = answer["external_contact"]
        return lambda db: self._keep_customer(db, contact, follows)

    def _lost(self, db: Db, customer: ExternalUserId) -> None:
        now = self._now()
        for row in people.follows_of(db, customer):
            people.end_follow(db, UserId(row["userid"]), customer, "unseen", now)

    def _keep_customer(
        self, db: Db, contact: dict[str, Any], follows: list[dict[str, Any]]
    ) -> None:
        customer, noticed = self._keep_one(db, contact, follows, complete=True)
        self._settle(db, [customer], noticed)

    def _keep_one(
        self, db: Db, contact: dict[str, Any], follows: list[dict[str, Any]], *, complete: bool
    ) -> tuple[ExternalUserId, list[object]]:
        now = self._now()
        customer = ExternalUserId(contact["external_userid"])
        if people.is_erased(db, customer):
            return customer, []
        before = {row["userid"] for row in people.follows_of(db, customer)}
        people.keep_customer(db, self.vault, contact, follows, now, complete=complete)
        self._take_in(db, customer)
        new = [UserId(each["userid"]) for each in follows if each["userid"] not in before]
        for userid in new:
            journal.note(db, "friend_found", now, customer=customer, userid=userid)
        if new:
            note_brought(db, customer, now)
        return customer, [FriendMade(customer, userid, self.clock.now()) for userid in new]

    def _take_in(self, db: Db, customer: ExternalUserId) -> None:
        """Rows of the bank's files that waited for this customer."""
        imports.resolve_unmatched(
            db, self.vault, self.clock, customer, self.rules.derivation, refused=self.refused
        )

    def _settle(self, db: Db, customers: list[ExternalUserId], noticed: list[object]) -> None:
        moved = self.listener.refresh_segments(db, customers, self.clock.now(), self._now())
        self.notice(db, [*noticed, *moved])

    def sync_all_customers(self) -> int:
        """Every friendship of every follow user, page by page; friendships not seen end."""
        followers = self.wecom.get_follow_user_list()
        seen: set[tuple[str, str]] = set()
        unlicensed: set[str] = set()
        for page in self.wecom.customers_of(followers):
            unlicensed.update(page.unlicensed)
            for row in page.rows:
                follow = row["follow_info"]
                seen.add((follow["userid"], row["external_contact"]["external_userid"]))
            rows = page.rows
            self.database.write(lambda db, rows=rows: self._keep_page(db, rows))  # type: ignore[misc]  # a default binds the page
        answered = {*map(str, followers)} - unlicensed
        self.database.write(lambda db: self._end_unseen(db, seen, answered))
        return len(seen)

    def _keep_page(self, db: Db, rows: list[dict[str, Any]]) -> None:
        customers: list[ExternalUserId] = []
        noticed: list[object] = []
        for row in rows:
            follows = [row["follow_info"]]
            customer, new = self._keep_one(db, row["external_contact"], follows, complete=False)
            customers.append(customer)
            noticed += new
        self._settle(db, customers, noticed)

    def _end_unseen(self, db: Db, seen: set[tuple[str, str]], answered: set[str]) -> None:
        now = self._now()
        present = db.rows("SELECT userid, external_userid FROM follow WHERE ended_at IS NULL")
        for row in present:
            pair = (row["userid"], row["external_userid"])
            if row["userid"] in answered and pair not in seen:
                people.end_follow(db, UserId(pair[0]), ExternalUserId(pair[1]), "unseen", now)
                journal.note(db, "friend_lost", now, customer=pair[1], userid=pair[0], by="unseen")

    # -- groups

    def sync_group(self, errand: SyncGroup) -> Effect:
        """One group with its members; a group that WeCom does not know any more is closed."""
        try:
            group = self.wecom.groupchat_get(errand.chat_id)
        except Refused as refusal:
            if refusal.errcode not in _GONE:
                raise
            return lambda db: people.dismiss_group(db, errand.chat_id, self._now())
        return lambda db: self._keep_group(db, group)

    def _keep_group(self, db: Db, group: dict[str, Any]) -> None:
        now = self._now()
        known = people.group(db, group["chat_id"]) is not None
        new = people.keep_group(db, group, now)
        if known:
            note_members(db, "add_member", group["chat_id"], new, now)
        else:
            journal.note(db, "group_found", now, chat_id=group["chat_id"], members=len(new))
        for customer in new:
            self._take_in(db, customer)

    def sync_all_groups(self) -> int:
        """Every group; those whose list does not name them any more are closed."""
        seen: set[str] = set()
        for page in self.wecom.group_chats():
            for row in page.rows:
                seen.add(row["chat_id"])
                group = self.wecom.groupchat_get(ChatId(row["chat_id"]))
                self.database.write(lambda db, group=group: self._keep_group(db, group))  # type: ignore[misc]  # a default binds the group
        self.database.write(lambda db: self._close_unseen(db, seen))
        return len(seen)

    def _close_unseen(self, db: Db, seen: set[str]) -> None:
        for row in db.rows("SELECT chat_id FROM group_chat WHERE dismissed_at IS NULL"):
            if row["chat_id"] not in seen:
                people.dismiss_group(db, ChatId(row["chat_id"]), self._now())

    # -- tags

    def sync_tags(self) -> Effect:
        """Read the library, create what is missing of ours, and put it back where it was."""
        library = self.wecom.get_corp_tag_list()
        known = {(g["group_name"], t["name"]) for g in library for t in g.get("tag", [])}
        missing: dict[str, list[str]] = {}
        for tag in self.rules.tags:
            if (tag.group, tag.name) not in known:
                missing.setdefault(tag.group, []).append(tag.name)
        for group, names in missing.items():
            self.wecom.add_corp_tag(names, group_name=group)
        if missing:
            library = self.wecom.get_corp_tag_list()

        def keep(db: Db) -> None:
            ours = [tag.slug for tag in self.rules.tags]
            before = people.tag_ids(db, ours)
            gone = people.keep_tags(db, library)
            for tag in self.rules.tags:
                people.bind_tag(db, tag.group, tag.name, tag.slug)
            if before and people.tag_ids(db, ours).keys() - before.keys():
                self._compare_tags(db)  # who came to a new segment before its tag was known
            now = self._now()
            for userid, customer in people.strip_tags(db, gone):
                outbox.add(db, MarkTags(customer, userid, f"tag-gone-{now}"), now)

        return keep

    def mark_tags(self, errand: MarkTags) -> Effect | None:
        """Add and take off what differs from what we know; tags of people are not touched."""
        db = self.database.read()
        row = db.one(
            "SELECT tags FROM follow WHERE userid = :userid AND external_userid = :id"
            " AND ended_at IS NULL",
            userid=errand.userid,
            id=errand.customer,
        )
        if row is None:
            return None
        present = set(json.loads(row["tags"]))
        slugs = segments.wanted_tags(db, errand.customer)
        wanted = set(people.tag_ids(db, slugs).values())
        ours = set(people.tag_ids(db, [tag.slug for tag in self.rules.tags]).values())
        add, remove = wanted - present, (present & ours) - wanted
        if not add and not remove:
            return None
        try:
            self.wecom.mark_tag(
                errand.userid,
                errand.customer,
                add=[TagId(each) for each in sorted(add)],
                remove=[TagId(each) for each in sorted(remove)],
            )
        except Refused as refusal:
            if refusal.errcode != _NOT_FRIENDS:
                raise
            return lambda db: people.end_follow(
                db, errand.userid, errand.customer, "unseen", self._now()
            )
        return lambda db: self._marked(db, errand, present, add, remove)

    def _marked(
        self, db: Db, errand: MarkTags, present: set[str], add: set[str], remove: set[str]
    ) -> None:
        people.tags_changed(db, errand.userid, errand.customer, (present | add) - remove)
        journal.note(
            db,
            "tags_marked",
            self._now(),
            customer=errand.customer,
            userid=errand.userid,
            add=sorted(add),
            remove=sorted(remove),
        )

    # -- agreement to archiving

    def check_agreement(self, errand: CheckAgreement) -> Effect:
        """Ask for the answers in a conversation; an unknown word is no."""
        if errand.chat_id:
            answers = self.wecom.check_room_agree(errand.chat_id)
        else:
            answers = self.wecom.check_single_agree([(errand.userid, errand.customer)])
        return lambda db: self._keep_answers(db, errand.conversation, answers)

    def _keep_answers(self, db: Db, conversation: str, answers: list[Agreement]) -> None:
        now = self._now()
        for answer in answers:
            if answer.agreed is None or answer.changed_at is None:
                continue
            noticed = self.listener.settle_agreement(
                db,
                conversation,
                answer.external_userid,
                agreed=answer.agreed,
                at=int(answer.changed_at.timestamp() * 1000),
                now=now,
            )
            self.notice(db, noticed)

    # -- all of it

    def reconcile(self) -> Effect:
        """Compare everything with WeCom; callbacks are hints, this is the truth.

        What the app may not read is left out and logged; without customers and groups the
        comparison does not count.
        """
        for part in (self.sync_staff, self.sync_tags, self._ask_kf):
            try:
                self.database.write(part())
            except Refused as refusal:
                log.warning("not compared", part=part.__name__, errcode=refusal.errcode)
        customers = self.sync_all_customers()
        groups = self.sync_all_groups()
        self.database.write(self._compare_tags)
        return lambda db: _note_reconciled(db, self._now(), customers, groups)

    def _compare_tags(self, db: Db) -> None:
        """A marking that was refused or lost is asked for again."""
        now = self._now()
        ours = people.tag_ids(db, [tag.slug for tag in self.rules.tags])
        wanted: dict[str, set[str]] = {}
        for row in db.rows(
            "SELECT userid, external_userid, tags FROM follow WHERE ended_at IS NULL"
        ):
            customer = row["external_userid"]
            if customer not in wanted:
                slugs = segments.wanted_tags(db, customer)
                wanted[customer] = {tag for slug, tag in ours.items() if slug in slugs}
            if set(json.loads(row["tags"])) & set(ours.values()) != wanted[customer]:
                mark = MarkTags(ExternalUserId(customer), UserId(row["userid"]), f"compare-{now}")
                outbox.add(db, mark, now)

    def _ask_kf(self) -> Effect:
        """Pull every customer-service account: its callbacks may have been lost."""
        accounts = self.wecom.kf_account_list()

        def pull(db: Db) -> None:
            now = self._now()
            for account in accounts:
                outbox.add(db, PullKf(account["open_kfid"], "", f"reconcile-{now}"), now)

        return pull

    def _now(self) -> int:
        return int(self.clock.now().timestamp() * 1000)


def _note_reconciled(db: Db, now: int, customers: int, groups: int) -> None:
    journal.note(db, "reconciled", now, friendships=customers, groups=groups)
    talk.move_cursor(db, talk.RECONCILED, str(now), now)
