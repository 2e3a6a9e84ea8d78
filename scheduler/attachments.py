"""What a campaign carries beside its words: pictures, link cards, mini-programs, files. Pure.

Files lie in ``templates/media`` and are named with their SHA-256, so that an approval covers
what is in them: another picture under the same name is another text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.errors import Invalid
from bot.yamlfile import Place, Scalar, Section

KINDS = ("image", "link", "miniprogram", "file")
_MOST = 9
_MIB = 1024 * 1024
_FEWEST_BYTES = 5
_PICTURES = {"png": b"\x89PNG\r\n\x1a\n", "jpg": b"\xff\xd8\xff", "jpeg": b"\xff\xd8\xff"}
_FILES = ("pdf", "docx", "xlsx", "pptx", "txt")
# 90256 takes pictures of 2 MB for a permanent address; a mini-program's is uploaded (90253).
_MOST_BYTES: Mapping[str, int] = {
    "image": 2 * _MIB,
    "link": 2 * _MIB,
    "miniprogram": 5 * _MIB,
    "file": 20 * _MIB,
}
_TITLE_BYTES: Mapping[str, int] = {"link": 128, "miniprogram": 64}
_MOMENT_TITLE = 64
_NAME = re.compile(r"[\w\u3400-\u9fff-]{1,60}\.[a-z]{3,4}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attachment; which fields are filled depends on its kind.

    Attributes:
        file: In ``templates/media``; of a link the picture of its card, and may be "".
        place: Where it stands in the campaign, for errors.
    """

    kind: str
    file: str = ""
    sha256: str = ""
    title: str = ""
    url: str = ""
    desc: str = ""
    appid: str = ""
    page: str = ""
    place: Place | None = field(default=None, compare=False, repr=False)

    @property
    def words(self) -> str:
        """Everything of it that a person reads, a file's name too (K2)."""
        return "\n".join(each for each in (self.title, self.desc, self.url, self.file) if each)

    def check(self, folder: Path) -> None:
        """Compare the file with what the campaign says of it.

        Raises:
            Invalid: It is missing, another one, too big, or not what its name says.
        """
        if not self.file:
            return
        try:
            content = (folder / self.file).read_bytes()
        except OSError:
            raise self._wrong(f"找不到 media/{self.file},请把文件放进 templates/media") from None
        digest = hashlib.sha256(content).hexdigest()
        if digest != self.sha256:
            raise self._wrong(
                f"media/{self.file} 的内容和 sha256 不符;确认过内容后请写成 sha256: {digest}"
            )
        if not _FEWEST_BYTES <= len(content) <= _MOST_BYTES[self.kind]:
            most = _MOST_BYTES[self.kind] // _MIB
            raise self._wrong(f"media/{self.file} 太大或是空的,请压到 {most} MB 以内")
        head = _PICTURES.get(_ending(self.file))
        if head is not None and not content.startswith(head):
            raise self._wrong(f"media/{self.file} 不是它后缀所说的图片,请另存为 PNG 或 JPG")

    def _wrong(self, problem: str) -> Invalid:
        return self.place.wrong(problem) if self.place else Invalid(problem)


def read_attachments(head: Section) -> tuple[Attachment, ...]:
    """What stands under ``attachments``; nothing there is no attachment.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    found = tuple(_read(section) for section in head.sections("attachments"))
    if len(found) > _MOST:
        raise head.wrong(f"attachments 最多 {_MOST} 个,请删减")
    return found


def check_moment(attachments: tuple[Attachment, ...], head: Section) -> None:
    """Refuse what a moment cannot carry: nine pictures, or one link with its picture (95094).

    Raises:
        Invalid: With the file, the line and the fix.
    """
    kinds = {each.kind for each in attachments}
    one_link = kinds == {"link"} and len(attachments) == 1 and bool(attachments[0].file)
    if kinds - {"image"} and not one_link:
        raise head.wrong("朋友圈只能带最多九张图片,或者一个带图片(file)的链接")
    if any(len(each.title) > _MOMENT_TITLE for each in attachments):
        raise head.wrong(f"朋友圈链接的 title 最多 {_MOMENT_TITLE} 个字,请缩短")


def _read(section: Section) -> Attachment:
    kind = section.value("kind").choice(KINDS)
    needs_file = kind != "link" or "file" in section
    file = _file(section.value("file"), kind) if needs_file else ""
    digest = section.value("sha256") if file else None
    if digest is not None and not _DIGEST.fullmatch(digest.written):
        raise digest.wrong("sha256 请写文件的 64 位校验值,可用 sha256sum 算出")
    found = Attachment(
        kind=kind,
        file=file,
        sha256=digest.written if digest is not None else "",
        title=_short(section.value("title"), _TITLE_BYTES[kind]) if kind in _TITLE_BYTES else "",
        url=_url(section.value("url")) if kind == "link" else "",
        desc=_short(section.value("desc"), 512) if "desc" in section else "",
        appid=section.value("appid").text(64) if kind == "miniprogram" else "",
        page=section.value("page").text(500) if kind == "miniprogram" else "",
        place=Place(section.file, section.line),
    )
    section.close()
    return found


def _file(value: Scalar, kind: str) -> str:
    endings = _FILES if kind == "file" else tuple(_PICTURES)
    if not _NAME.fullmatch(value.written) or _ending(value.written) not in endings:
        raise value.wrong(
            f"{value.written!r} 不对,请写 templates/media 里的文件名,后缀为 {'、'.join(endings)}"
        )
    return value.written


def _ending(name: str) -> str:
    return name.rpartition(".")[2]


def _short(value: Scalar, most: int) -> str:
    text = value.text()
    if len(text.encode()) > most:
        raise value.wrong(f"太长,请缩到 {most} 字节(约 {most // 3} 个汉字)以内")
    return text


def _url(value: Scalar) -> str:
    if not re.fullmatch(r"https://[!-~]{4,2000}", value.written):
        raise value.wrong("网址请以 https:// 开头,不含空格和汉字")
    return value.written
