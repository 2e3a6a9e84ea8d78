"""The attachments of a campaign in WeCom's shape: pictures by address, files uploaded in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from bot.clock import Clock
from bot.model import Channel
from bot.store.db import Database, Db
from bot.wecom import WeComClient
from scheduler.attachments import Attachment
from scheduler.campaigns import Campaign

_LASTS = timedelta(days=2, hours=12)
"""WeCom forgets an upload after three days, and the member has the rest of the day."""


@dataclass(frozen=True)
class MediaDesk:
    """Uploads what has to be there before a task can carry it; the same file once.

    A picture's address is for ever; an upload dies after three days, therefore it is made when
    the task is handed over and not when it is planned.
    """

    database: Database
    clock: Clock
    wecom: WeComClient
    folder: Path

    def ready(self, campaign: Campaign) -> list[dict[str, Any]]:
        """A campaign's attachments as ``add_msg_template`` or ``add_moment_task`` wants them.

        Raises:
            Invalid: A file is not the one that was approved.
            Retry: It cannot be uploaded now.
            Refused: WeCom does not take it.
        """
        shape = self._of_moment if campaign.channel is Channel.MOMENTS else self._shaped
        return [shape(each) for each in campaign.attachments]

    def _of_moment(self, each: Attachment) -> dict[str, Any]:
        """Uploaded for moments: nothing else is taken there (40007)."""
        each.check(self.folder)
        since = self._now() - int(_LASTS / timedelta(milliseconds=1))
        media_id = self._known(each, "moment", since)
        if not media_id:
            made = self.wecom.media_upload_attachment("image", each.file, self._content(each))
            media_id = self._keep(each, "moment", made.media_id)
        card = {"title": each.title, "url": each.url} if each.kind == "link" else {}
        return {"msgtype": each.kind, each.kind: {"media_id": media_id, **card}}

    def _shaped(self, each: Attachment) -> dict[str, Any]:
        each.check(self.folder)
        match each.kind:
            case "image":
                return {"msgtype": "image", "image": {"pic_url": self._address(each)}}
            case "link":
                card = {"title": each.title, "url": each.url, "desc": each.desc or None}
                card["picurl"] = self._address(each) if each.file else None
                return {
                    "msgtype": "link",
                    "link": {name: text for name, text in card.items() if text},
                }
            case "miniprogram":
                program = {"title": each.title, "appid": each.appid, "page": each.page}
                picture = {"pic_media_id": self._upload(each, "image")}
                return {"msgtype": "miniprogram", "miniprogram": program | picture}
            case _:
                return {"msgtype": "file", "file": {"media_id": self._upload(each, "file")}}

    def _address(self, each: Attachment) -> str:
        known = self._known(each, "address", 0)
        if known:
            return known
        return self._keep(
            each, "address", self.wecom.media_uploadimg(each.file, self._content(each))
        )

    def _upload(self, each: Attachment, kind: Any) -> str:
        since = self._now() - int(_LASTS / timedelta(milliseconds=1))
        known = self._known(each, kind, since)
        if known:
            return known
        made = self.wecom.media_upload(kind, each.file, self._content(each))
        return self._keep(each, kind, made.media_id)

    def _content(self, each: Attachment) -> bytes:
        return (self.folder / each.file).read_bytes()

    def _known(self, each: Attachment, kind: str, since: int) -> str:
        found = self.database.read().value(
            "SELECT value FROM media WHERE sha256 = :digest AND kind = :kind AND at >= :since",
            digest=each.sha256,
            kind=kind,
            since=since,
        )
        return str(found or "")

    def _keep(self, each: Attachment, kind: str, value: str) -> str:
        def keep(db: Db) -> None:
            db.run(
                "INSERT INTO media (sha256, kind, value, at) VALUES (:digest, :kind, :value, :now)"
                " ON CONFLICT (sha256, kind) DO UPDATE SET value = :value, at = :now",
                digest=each.sha256,
                kind=kind,
                value=value,
                now=self._now(),
            )

        self.database.write(keep)
        return value

    def _now(self) -> int:
        return int(self.clock.now().timestamp() * 1000)
