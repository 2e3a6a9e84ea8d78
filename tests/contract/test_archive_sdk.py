"""The official library in its own process: agrees with ours, may die, pulls through a proxy."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from random import Random

import pytest
from archive_encoder import plain_text, record, seal, seal_fatally
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from bot.archive.crypto import ArchiveKeys, RecordDecryptor, decrypt_record
from bot.archive.pull import pull_page
from bot.archive.sdk import ArchiveSdk, SdkDecryptor, SdkSource, sdk_installed
from bot.archive.strict import DamagedRecord, Reason
from bot.errors import Retry

pytestmark = pytest.mark.skipif(
    not sdk_installed(), reason="the optional extra 'archive' (the official SDK) is not installed"
)
WORDS = ["你好", "10万到期", "😀", "\n", '"', "\\", " ", "abc", "\x00", "——"]


@pytest.fixture(scope="module")
def sdk() -> Iterator[ArchiveSdk]:
    with ArchiveSdk() as sdk:
        yield sdk


def child_of(sdk: ArchiveSdk) -> int:
    """The process that holds the library; a call has started it."""
    SdkDecryptor(sdk)(*seal(b"{}", Random(0)))
    assert sdk._child is not None
    return sdk._child.pid


def test_both_decryptions_give_the_same_text_for_200_random_records(sdk: ArchiveSdk) -> None:
    random = Random(20261124)
    official = SdkDecryptor(sdk)
    for seq in range(200):
        said = "".join(random.choices(WORDS, k=random.randrange(60)))
        lengths = (random.randrange(100), random.randrange(100), random.randint(1, 30))
        plain = plain_text(seq, said)
        sealed = seal(plain, random, *lengths)
        expected = plain.decode()
        assert expected == official(*sealed) == decrypt_record(*sealed)


def test_what_the_library_refuses_is_damaged_with_its_code(sdk: ArchiveSdk) -> None:
    random_key, message = seal(b"{}", Random(1), s_len=2)
    other_key, _ = seal(b"{}", Random(2))
    for key, text in ((other_key, message), (random_key, message[:60] + " " + message[61:])):
        with pytest.raises(DamagedRecord) as caught:
            SdkDecryptor(sdk)(key, text)
        expected = Reason.SDK_REFUSED
        assert expected == caught.value.reason
        assert caught.value.where in {"10006", "10008"}
        with pytest.raises(DamagedRecord):
            decrypt_record(key, text)


def test_text_that_is_not_utf8_is_damaged_in_both(sdk: ArchiveSdk) -> None:
    sealed = seal(b"\xff\xfe{}", Random(3))
    for decrypt in (SdkDecryptor(sdk), decrypt_record):
        with pytest.raises(DamagedRecord) as caught:
            decrypt(*sealed)
        expected = Reason.NOT_UTF8
        assert expected == caught.value.reason


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ({"s_len": 0}, Reason.BODY),
        ({"body_block": 32}, Reason.BODY),
        ({"key_block": 32}, Reason.KEY_BLOCK),
        ({"key_size": 16}, Reason.KEY_BLOCK),
    ],
    ids=str,
)
def test_a_record_in_a_slightly_other_format_is_damaged_in_both(
    sdk: ArchiveSdk, odd: dict[str, int], reason: Reason
) -> None:
    # The text's length makes padding to 32 differ from padding to 16.
    sealed = seal(b"{}", Random(9), **odd)
    with pytest.raises(DamagedRecord):
        SdkDecryptor(sdk)(*sealed)
    with pytest.raises(DamagedRecord) as caught:
        decrypt_record(*sealed)
    expected = reason
    assert expected == caught.value.reason


@pytest.mark.parametrize("change", [lambda body: body.rstrip("="), lambda body: body + "A"])
def test_a_body_that_is_not_whole_base64_is_damaged_in_both(
    sdk: ArchiveSdk, change: Callable[[str], str]
) -> None:
    random_key, message = seal(b"{}", Random(4), end_len=0)
    assert message.endswith("=")
    for decrypt in (SdkDecryptor(sdk), decrypt_record):
        with pytest.raises(DamagedRecord):
            decrypt(random_key, change(message))


def test_a_record_too_short_to_be_genuine_never_reaches_the_library(sdk: ArchiveSdk) -> None:
    before = child_of(sdk)
    with pytest.raises(DamagedRecord) as caught:
        SdkDecryptor(sdk)("a", "b" * 88)
    assert (Reason.TOO_SHORT, before) == (caught.value.reason, child_of(sdk))


def test_the_record_that_kills_the_library_is_damaged_and_the_next_one_opens(
    sdk: ArchiveSdk,
) -> None:
    before = child_of(sdk)
    with pytest.raises(DamagedRecord) as caught:
        SdkDecryptor(sdk)(*seal_fatally(Random(5)))
    expected = Reason.SDK_CRASHED
    assert expected == caught.value.reason
    assert before != child_of(sdk)


def test_ours_refuses_the_record_that_kills_the_library() -> None:
    with pytest.raises(DamagedRecord) as caught:
        decrypt_record(*seal_fatally(Random(5)))
    expected = Reason.BODY
    assert expected == caught.value.reason


def test_a_page_with_a_fatal_record_flows_around_it(sdk: ArchiveSdk) -> None:
    key, random = generate_private_key(public_exponent=65537, key_size=2048), Random(6)

    class Shelf:
        def chat_data(self, _seq: int, _limit: int) -> list:
            good = (seal(plain_text(seq, "在"), random) for seq in (1, 3))
            sealed = {2: seal_fatally(random)} | dict(zip((1, 3), good, strict=True))
            return [record(seq, key, sealed[seq]) for seq in (1, 2, 3)]

        def media(self, sdkfileid: str) -> bytes:
            raise AssertionError(sdkfileid)

    page = pull_page(Shelf(), RecordDecryptor(ArchiveKeys({1: key}), SdkDecryptor(sdk)), 0)
    expected = ([1, 3], [(2, Reason.SDK_CRASHED, False)], 3)
    aside = [(one.seq, one.reason, one.rereadable) for one in page.set_aside]
    assert expected == ([message.seq for message in page.messages], aside, page.last_seq)


def test_a_child_that_died_idle_is_replaced_and_no_record_is_blamed(sdk: ArchiveSdk) -> None:
    before = child_of(sdk)
    os.kill(before, signal.SIGKILL)
    assert before != child_of(sdk)


def test_a_record_whose_child_is_stopped_by_somebody_opens_in_the_next_child(
    sdk: ArchiveSdk,
) -> None:
    child = child_of(sdk)
    os.kill(child, signal.SIGSTOP)
    killer = threading.Timer(0.1, os.kill, (child, signal.SIGKILL))
    killer.start()
    opened = SdkDecryptor(sdk)(*seal(b"{}", Random(7)))
    killer.join()
    expected = ("{}", True)
    assert expected == (opened, child != child_of(sdk))


def test_a_child_that_hangs_is_replaced() -> None:
    with ArchiveSdk() as sdk:
        before = child_of(sdk)
        os.kill(before, signal.SIGSTOP)
        sdk._patience = 0.1
        with pytest.raises(DamagedRecord):
            SdkDecryptor(sdk)(*seal(b"{}", Random(8)))
        sdk._patience = 60.0
        assert before != child_of(sdk)


def test_pulling_without_a_way_to_the_platform_is_to_be_retried() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with ArchiveSdk("ww0000000000000000", "no-secret", proxy=f"http://127.0.0.1:{port}") as sdk:
        source = SdkSource(sdk)
        with pytest.raises(Retry, match="10001"):
            source.chat_data(0, 10)
        with pytest.raises(Retry, match="10001"):
            source.media("no-file")


def test_many_threads_share_one_child(sdk: ArchiveSdk) -> None:
    official, sealed = SdkDecryptor(sdk), [seal(plain_text(n, str(n)), Random(n)) for n in range(8)]
    opened: dict[int, list[str]] = {}

    def work(number: int) -> None:
        opened[number] = [official(*sealed[number]) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {number: [plain_text(number, str(number)).decode()] * 20 for number in range(8)}
    assert expected == opened
