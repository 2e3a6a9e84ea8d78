"""The texts of the release, each pinned by its hash in ``templates/release.json``.

Only they may go out without an approval of their own: whoever changes a word needs a new one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from bot.errors import Invalid
from bot.model import Purpose
from bot.yamlfile import read_text
from scheduler.campaigns import Campaign, parse_campaign
from scheduler.messages import Message
from scheduler.textfile import digest_of
from scheduler.voice import Words

RELEASE = "release.json"
_CAMPAIGNS = "campaigns"
_MESSAGES = "messages"


def text_hash(text: Campaign | Message) -> str:
    """What the release and an approval pin: the hash of the file that the text came from."""
    return text.text_hash


def _shipped_files(templates: Path) -> dict[str, str]:
    """Hash by path of every text file under ``templates`` that the release may let go out.

    Marketing, and whatever chooses people by a profile, needs an approval of its own instead.
    """
    patterns = (f"{_CAMPAIGNS}/*.md", f"{_MESSAGES}/*.md", f"{_MESSAGES}/*.yaml")
    files = sorted(file for pattern in patterns for file in templates.glob(pattern))
    texts = {file.relative_to(templates).as_posix(): read_text(file) for file in files}
    return {path: digest_of(text) for path, text in texts.items() if not _to_approve(path, text)}


def _to_approve(path: str, text: str) -> bool:
    folder, _, file = path.partition("/")
    if folder != _CAMPAIGNS:
        return False
    campaign = parse_campaign(text, file)
    return campaign.purpose is Purpose.MARKETING or campaign.profiling


def load_release(templates: Path) -> dict[str, str]:
    """Hash by path of the texts that the release pins.

    Raises:
        Invalid: The release file is missing or damaged.
    """
    try:
        found = json.loads(read_text(templates / RELEASE))["sha256"]
        return {str(path): str(digest) for path, digest in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise Invalid(f"{RELEASE} 已损坏,请从安装包恢复;恢复前不会发出任何话术") from wrong


def write_release(templates: Path) -> None:
    """Pin every shipped text; run by whoever makes the release, never by the bot."""
    text = json.dumps({"sha256": _shipped_files(templates)}, indent=2, ensure_ascii=False)
    (templates / RELEASE).write_text(text + "\n", encoding="utf-8")


def verify_release(templates: Path) -> list[str]:
    """The texts that are not as the release pins them: changed, missing or added; empty is good.

    Raises:
        Invalid: The release file is missing or damaged.
    """
    pinned, there = load_release(templates), _shipped_files(templates)
    return [path for path in sorted(pinned | there) if pinned.get(path) != there.get(path)]


def is_released(text: Campaign | Message | Words, release: Mapping[str, str]) -> bool:
    """Whether the release pins exactly this text (the gate's rule G6 for shipped texts)."""
    if isinstance(text, Words):
        return release.get(f"{_MESSAGES}/words.yaml") == text.text_hash
    folder = _CAMPAIGNS if isinstance(text, Campaign) else _MESSAGES
    return release.get(f"{folder}/{text.name}.md") == text.text_hash
