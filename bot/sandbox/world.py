"""The world that the sandbox plays: a bank's corp in WeCom, its customers, and what they do.

``World`` is the one face for people and scripts. Its methods marked ``@act`` are what somebody
does in a client or the console; each raises the callbacks and writes the archive records that
WeCom would. They take and return plain ids, are safe from any thread, and refuse nonsense with
``bot.errors.Invalid``. By subject (one module each):

- ``friends``: staff, customers, friendships, tags by hand
- ``groups``: customer groups
- ``talk``: saying, recalling, consent to archiving
- ``masses``, ``moments``: the members' side of mass sends and moments
- ``desk``: the app on the staff's phones
- ``service``: WeChat customer service
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import datetime
from typing import Any

from bot.errors import Invalid
from bot.sandbox.records import Fields
from bot.sandbox.service import Service
from bot.sandbox.settings import load_private_key, write_archive_key
from bot.sandbox.state import ACTS, act


class World(Service):
    """Everything that exists and happened; see the module for what people can do."""

    def perform(self, name: str, args: dict[str, Any]) -> Any:
        """Call one of the ``@act`` methods by name.

        Raises:
            Invalid: There is no such act, or its arguments do not fit.
        """
        if name not in ACTS:
            raise Invalid(f"没有动作 {name};可用:{'、'.join(sorted(ACTS))}")
        try:
            if isinstance(args.get("at"), str):
                args = args | {"at": datetime.fromisoformat(args["at"])}
            return getattr(self, name)(**args)
        except TypeError as wrong:
            raise Invalid(f"动作 {name} 的参数不对:{wrong}") from wrong

    def delivered(
        self, *, channel: str = "", external_userid: str = "", chat_id: str = ""
    ) -> list[Fields]:
        """The channel's record of what really reached customers and groups, oldest first.

        Each entry has ``channel`` (mass_single, mass_group, moments, welcome, group_welcome, kf),
        ``sender``, ``external_userid`` or ``chat_id``, ``text`` and ``at``. This, not any
        table of the bot, is what tests compare with.
        """
        with self.lock:
            return [
                entry
                for entry in self.history
                if entry["kind"] == "delivered"
                and channel in ("", entry["channel"])
                and external_userid in ("", entry["external_userid"])
                and chat_id in ("", entry["chat_id"])
            ]

    @act
    def rotate_archive_key(self, version: int) -> str:
        """The bank uploads a new archive key: a new ``<version>.pem`` in the keys folder.

        Returns:
            The file's path.
        """
        folder = self.settings.archive_keys_dir
        if folder is None:
            raise Invalid("没有 archive_keys_dir,不能换会话存档密钥")
        file = folder / f"{version}.pem"
        if not file.exists():
            write_archive_key(folder, version)
        self.archive.rotate_key(version, load_private_key(file).public_key())
        self.record("archive_key", version=version)
        return str(file)

    @act
    def snapshot(self) -> Fields:
        """The present state as JSON for the page: people, groups, tasks, cards, sessions."""
        return {
            "now": self.now().isoformat(),
            "corp_id": self.settings.corp_id,
            "last_id": len(self.history),
            "departments": [asdict(one) for one in self.departments.values()],
            "staff": [asdict(one) for one in self.staff.values()],
            "customers": [asdict(one) for one in self.customers.values()],
            "friendships": [self._friendship(*key) for key in self.friendships],
            "tag_groups": [asdict(one) for one in self.tag_groups.values()],
            "groups": [self._group(chat_id) for chat_id in self.groups],
            "consents": [
                {"conversation": c, "external_userid": e, "agreed": agreed}
                for (c, e), (agreed, _) in self.consents.items()
            ],
            "tasks": {userid: self.pending_tasks(userid) for userid in self.staff},
            "kf_accounts": [
                {"open_kfid": one.open_kfid, "name": one.name, "servicers": list(one.servicers)}
                for one in self.kf_accounts.values()
            ],
            "kf_sessions": [
                {"open_kfid": k, "external_userid": e, "state": s.state, "servicer": s.servicer}
                for (k, e), s in self.kf_sessions.items()
            ],
            "archive_seq": self.archive.last_seq,
            "canned": dict(self.canned),
            "counts": Counter(str(entry["kind"]) for entry in self.history),
        }

    def _friendship(self, userid: str, customer: str) -> Fields:
        pair = asdict(self.friendships[userid, customer])
        names = []
        for tag_id in pair["tags"]:
            tag = self.find_tag(tag_id)
            names.append(tag.name if tag else tag_id)
        return pair | {"tag_names": names, "talked_at": str(pair["talked_at"] or "")}

    def _group(self, chat_id: str) -> Fields:
        group = self.groups[chat_id]
        return asdict(group) | {"members": [asdict(one) for one in group.members.values()]}
