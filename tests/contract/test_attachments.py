"""Attachments: what a campaign may carry, who looked at it, and when it is uploaded."""

# the names carry the ids of the compliance rules

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from branch_world import Branch, build_branch
from test_campaign_planning import WISH, source

from bot.clock import FixedClock
from bot.errors import Invalid, Retry
from bot.rulebook import Rulebook, check_attachments
from bot.store.db import Database
from bot.vault import Vault

PNG = b"\x89PNG\r\n\x1a\n" + b"tea" * 20


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


IMAGE = f"[{{kind: image, file: tea.png, sha256: {digest(PNG)}}}]"


@pytest.fixture
def branch(
    store: Database, vault: Vault, clock: FixedClock, rules: Rulebook, tmp_path: Path
) -> Branch:
    media = tmp_path / "media"
    media.mkdir()
    (media / "tea.png").write_bytes(PNG)
    (media / "茶单.pdf").write_bytes(b"%PDF-1.7 tea")
    return build_branch(store, vault, clock, replace(rules, media=media))


def carry(branch: Branch, attachments: str, *days: str, **keys: str) -> None:
    dates = ", ".join(days or ("2026-11-24",))
    branch.campaign(source("tea", WISH, attachments=attachments, dates=f"[{dates}]", **keys))
    check_attachments(branch.rules.phrases, branch.rules.campaigns["tea"], branch.rules.media)
    branch.only("tea")


def deliver(branch: Branch) -> None:
    branch.plan(branch.clock.now().date())
    branch.send()


def test_a_picture_goes_by_its_permanent_address_and_is_uploaded_once(branch: Branch) -> None:
    branch.meet("wm_a")
    branch.meet("wm_b", sender="zhou")
    carry(branch, IMAGE, "2026-11-24", "2027-01-05")
    deliver(branch)
    branch.later(days=42)
    branch.compared()
    deliver(branch)
    assert branch.wecom.calls.count("uploadimg") == 1
    address = f"https://wework.qpic.cn/tea.png/{len(PNG)}/1"
    expected = [{"msgtype": "image", "image": {"pic_url": address}}]
    assert [task.attachments for task in branch.wecom.tasks] == [expected] * 4


def test_a_file_is_uploaded_when_it_is_handed_over_and_again_before_it_runs_out(
    branch: Branch,
) -> None:
    branch.meet("wm_a")
    pdf = digest(b"%PDF-1.7 tea")
    days = ("2026-11-24", "2026-11-26", "2026-12-02")
    carry(branch, f"[{{kind: file, file: 茶单.pdf, sha256: {pdf}}}]", *days)
    branch.plan()
    assert branch.wecom.calls == []
    branch.send()
    for span in (2, 6):
        branch.later(days=span)
        branch.compared()
        deliver(branch)
    ids = [task.attachments[0]["file"]["media_id"][-1] for task in branch.wecom.tasks]
    assert ids == ["1", "1", "2"]


def test_a_link_card_and_a_mini_program_have_their_own_pictures(branch: Branch) -> None:
    branch.meet("wm_a")
    host = "bank.example"
    own = replace(branch.rules.phrases, link_domains=frozenset({host}))
    branch.rules = branch.mass.rules = replace(branch.rules, phrases=own)
    carry(
        branch,
        f"[{{kind: link, title: 茶艺课, url: 'https://{host}/tea', desc: 周六下午,"
        f" file: tea.png, sha256: {digest(PNG)}}},"
        f" {{kind: miniprogram, title: 网点, appid: wx1, page: pages/tea,"
        f" file: tea.png, sha256: {digest(PNG)}}}]",
    )
    deliver(branch)
    link, program = branch.wecom.tasks[0].attachments
    assert link["link"] == {
        "title": "茶艺课",
        "url": f"https://{host}/tea",
        "desc": "周六下午",
        "picurl": f"https://wework.qpic.cn/tea.png/{len(PNG)}/1",
    }
    assert program["miniprogram"]["pic_media_id"] == f"image-tea.png-{len(PNG)}-1"


def test_a_group_gets_the_same_attachments(branch: Branch) -> None:
    branch.group("wr_1")
    carry(branch, IMAGE, channel="mass_group")
    deliver(branch)
    assert [len(task.attachments) for task in branch.wecom.tasks] == [1]


def test_an_upload_that_fails_is_tried_again_and_nothing_was_handed_over(branch: Branch) -> None:
    branch.meet("wm_a")
    carry(branch, IMAGE)
    trouble = [Retry("later")]

    def fail(call: str) -> None:
        if call == "uploadimg" and trouble:
            raise trouble.pop()

    branch.wecom.before = fail
    deliver(branch)
    assert (branch.tasks(), branch.wecom.tasks) == (["waiting"], [])
    branch.settle(5)
    assert branch.tasks() == ["accepted"]


def test_K2_a_file_that_was_changed_after_its_approval_is_not_sent(branch: Branch) -> None:
    branch.meet("wm_a")
    carry(branch, IMAGE)
    (branch.rules.media / "tea.png").write_bytes(PNG + b"!")
    deliver(branch)
    assert branch.pushes() == [("wm_a", "failed", "attachment", 1)]


def test_K2_a_picture_has_to_be_looked_at_by_name(branch: Branch) -> None:
    branch.meet("wm_a")
    carry(branch, IMAGE)
    campaign = branch.rules.campaigns["tea"]
    assert branch.rules.to_review(campaign, campaign.words) == ("tea.png",)


@pytest.mark.parametrize(
    ("attachments", "word"),
    [
        ("[{kind: image, file: tea.gif, sha256: x}]", "后缀为 png"),
        ("[{kind: image, file: ../tea.png, sha256: x}]", "后缀为 png"),
        ("[{kind: image, file: tea.png, sha256: abc}]", "64 位"),
        (f"[{{kind: image, file: tea.png, sha256: {'0' * 64}}}]", f"sha256: {digest(PNG)}"),
        (f"[{{kind: image, file: cake.png, sha256: {'0' * 64}}}]", "找不到 media/cake.png"),
        ("[{kind: voice}]", "miniprogram"),
        ("[{kind: link, title: 茶, url: http://a.b}]", "https://"),
        ("[{kind: link, title: 茶, url: 'https://elsewhere.example/x'}]", "K8"),
        (f"[{{kind: link, title: {'茶' * 50}, url: 'https://a.b'}}]", "128 字节"),
        ("[tea.png]", "列表"),
    ],
)
def test_a_mistake_in_an_attachment_names_the_line_and_the_fix(
    branch: Branch, attachments: str, word: str
) -> None:
    with pytest.raises(Invalid) as refused:
        carry(branch, attachments)
    told = str(refused.value)
    assert (told.startswith("tea.md 第 14 行"), word in told) == (True, True), told


def test_a_picture_that_is_none_or_too_big_is_refused(branch: Branch) -> None:
    for content, word in ((b"GIF89a not a png", "不是它后缀"), (PNG * 40_000, "2 MB")):
        (branch.rules.media / "tea.png").write_bytes(content)
        with pytest.raises(Invalid, match=word):
            carry(branch, f"[{{kind: image, file: tea.png, sha256: {digest(content)}}}]")
