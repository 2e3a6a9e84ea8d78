"""The live page over HTTP: what it tells, to whom, and as it happens."""

from __future__ import annotations

import re
import threading

import pytest
from caller import Caller, employee
from madeup import MadeUp

from bot.model import Role
from bot.store import feed, ledger
from bot.store.sight import Viewer
from bot.web.console.stream import Feed
from bot.web.console.telling import FAMILIES
from bot.web.pages import Pages

# -- the live page


def test_the_live_page_tells_what_happened_and_why(head: Caller) -> None:
    text = re.sub(r"<[^>]+>", "", head.get("/").text)
    for sentence in (
        "王姐 在「城东邻里群」说话，读出 产品意向：大额存单 我想聊聊大额存单",
        "给 王姐 的生日消息过闸，交给 陈小雨 确认",
        "给 邓姐 的生日消息不发：客户已拒收",
        "已送达：陈小雨 把到期消息发给了 李叔",
        "拒收已生效：邓姐 不再收到营销和问候",
        "卡片已发给 陈小雨：王姐 的产品咨询（大额存单）",
        "陈小雨 点了「已联系」：李叔 的近期活跃",
        "过时限：李叔 的投诉（排队久） 还没有结果，已转告 周俊",
        "孙红梅 进了「城东邻里群」",
        "王姐 的企业标签已更新：打上 大额存单",
    ):
        assert sentence in text


def test_the_figures_of_today_count_what_the_viewer_sees(
    madeup: MadeUp, address: str, head: Caller
) -> None:
    def figures(caller: Caller) -> list[int]:
        return [int(each) for each in re.findall(r"<dd>(\d+)</dd>", caller.get("/").text)]

    west = employee(madeup, address, "qinlan")
    assert (figures(head), figures(west)) == ([1, 1, 5, 1, 1, 4, 1, 1], [1, 0, 0, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("kind", "shown", "hidden"),
    [
        ("people", "进了", "过闸"),
        ("facts", "读出", "进了"),
        ("sends", "过闸", "读出"),
        ("cases", "卡片已发给", "过闸"),
        ("system", "对账完成", "过闸"),
    ],
)
def test_the_live_page_can_be_narrowed(head: Caller, kind: str, shown: str, hidden: str) -> None:
    text = head.get(f"/?kind={kind}").text
    assert (shown in text, hidden in text) == (True, False)


def test_every_kind_of_the_journal_has_a_sentence(head: Caller, madeup: MadeUp) -> None:
    """Whatever is missing beside the kind: a line is never an error."""
    kinds = [kind for kinds in FAMILIES.values() for kind in kinds] + ["something_new"]
    for kind in kinds:
        madeup.note(kind, customer="wmWang", userid="chenxy", chat_id="wrStreet")
    answer = head.get("/")
    untold = [kind for kind in kinds if kind in answer.text]
    assert (answer.status, untold) == (200, ["something_new"])


def test_a_recalled_message_leaves_no_words_on_the_page(madeup: MadeUp, head: Caller) -> None:
    row = ledger.fact_row(madeup.database.read(), madeup.ids["interest"])
    assert row is not None
    madeup.write(lambda db: ledger.recall(db, row["msgid"]))
    for page in ("/", "/customers/wmWang", "/cases"):
        assert "我想聊聊大额存单" not in head.get(page).text


def listen(caller: Caller, path: str, enough: str, last: int | None = None) -> str:
    """Read a stream until some words have come; ``last`` is the id that a browser tells again."""
    headers = {"cookie": f"qunguan={caller.cookies['qunguan']}"}
    if last is not None:
        headers["last-event-id"] = str(last)
    reply = caller.pool.request(
        "GET", caller.address + path, headers=headers, preload_content=False
    )
    heard = ""
    for piece in reply.stream(64):
        heard += piece.decode(errors="ignore")
        if enough in heard:
            break
    reply.close()
    return heard


def test_a_line_arrives_while_one_watches(madeup: MadeUp, manager: Caller) -> None:
    last = madeup.note("friend_added", customer="wmLi", userid="chenxy")
    later = threading.Timer(
        0.2, madeup.note, args=("joined_group",), kwargs={"customer": "wmLi", "chat_id": "wrShop"}
    )
    later.start()
    heard = listen(manager, f"/events/stream?after={last}", "event: figures")
    later.join()
    assert (f"id: {last + 1}\nevent: line" in heard, "东街商户朋友群" in heard) == (True, True)


def test_a_browser_that_comes_back_gets_what_it_missed(madeup: MadeUp, manager: Caller) -> None:
    first = madeup.note("friend_added", customer="wmLi", userid="chenxy")
    second = madeup.note("welcomed", customer="wmLi", userid="chenxy")
    heard = listen(manager, "/events/stream?after=0", "event: figures", last=first)
    assert [str(second)] == re.findall(r"id: (\d+)", heard)


def test_the_stream_tells_nothing_of_customers_out_of_sight(
    madeup: MadeUp, stranger: Caller
) -> None:
    last = madeup.note("friend_added", customer="wmLi", userid="chenxy")
    madeup.note("joined_group", customer="wmLi", chat_id="wrStreet")
    mine = madeup.note("joined_group", customer="wmQian", chat_id="wrWest")
    heard = listen(stranger, f"/events/stream?after={last}", "event: figures")
    assert ([str(mine)], False) == (re.findall(r"id: (\d+)", heard), "李" in heard)


def test_a_line_that_is_written_while_one_reads_is_told_once(
    madeup: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = Viewer("zhoujun", Role.HEAD, "城东支行")
    stream = Feed(madeup.services, Pages(madeup.services), who, "")
    first = madeup.note("welcomed", customer="wmLi", userid="chenxy")
    madeup.note("welcomed", customer="wmWang", userid="chenxy")
    # The writer is quicker than the reader: its line is there, but not yet in the last id.
    monkeypatch.setattr(feed, "last_id", lambda _db: first)
    before = stream.news(first - 1)
    monkeypatch.undo()
    after = stream.news(before[-1][1])
    assert [text.count("event: line") for text, _ in (*before, *after)] == [1, 0, 1, 0]


def test_older_lines_follow_where_the_page_ends(madeup: MadeUp, head: Caller) -> None:
    for _ in range(80):
        madeup.note("friend_added", customer="wmLi", userid="chenxy")
    page = head.get("/").text
    path = re.search(r'data-older="([^"]+)"', page)
    assert path is not None
    older = head.get(path[1].replace("&amp;", "&")).text
    shown, more = (set(re.findall(r'data-id="(\d+)"', text)) for text in (page, older))
    assert (60, set()) == (len(shown), shown & more)
    assert max(map(int, more)) == min(map(int, shown)) - 1
