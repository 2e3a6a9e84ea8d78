"""Starting things: the whole bot, the demo, the sandbox, the relay, an import, an erasure."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time as clock_time
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from bot.clock import SHANGHAI, parse_clock
from bot.errors import Invalid
from bot.logs import configure_logging
from config.settings import Settings

if TYPE_CHECKING:
    from bot.app import Bot

DEMO_FOLDER = Path("var/demo")
_DEMO_MARK = ".demo"
_SANDBOX_PORT = 8090
_OPENING = time(8, 55)
_START_SECONDS = 30.0


def load_settings(**given: Any) -> Settings:
    """The settings of the environment; what is given comes before them.

    Raises:
        Invalid: With the name of each setting that cannot be used.
    """
    try:
        return Settings(**given)
    except ValidationError as wrong:
        names = "、".join(str(each["loc"][0]).upper() for each in wrong.errors())
        raise Invalid(f"这些设置无法识别:{names},请对照 README 的「设置」一节修改") from None


# -- the bot


def run_all() -> None:
    """Web, worker and scheduler until interrupted."""
    settings = load_settings()
    configure_logging(settings.qunguan_log_level)
    _need_port(settings.qunguan_port)
    from bot.app import Bot

    bot = Bot(settings)
    _announce(bot)
    _run(bot)


def run_part(part: str) -> None:
    """One part alone, beside others on the same PostgreSQL and Redis.

    Raises:
        Invalid: The embedded store belongs to one process.
    """
    settings = load_settings()
    configure_logging(settings.qunguan_log_level)
    if not (settings.database_url and settings.redis_url):
        raise Invalid(
            f"内置存储只能由一个进程使用,请用 qunguan run;单独启动 {part} 要设置 DATABASE_URL"
            "(PostgreSQL)和 REDIS_URL"
        )
    from bot.app import Bot

    if part == "web":
        _need_port(settings.qunguan_port)
    bot = Bot(settings)
    if part == "web":
        _announce(bot)
        _run(bot, parts=frozenset({part}))
    else:
        _work(bot, part)


def _work(bot: Bot, part: str) -> None:
    """A part without pages, until interrupted."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    print(f"群管的 {part} 已启动", flush=True)  # noqa: T201  # what the operator reads
    try:
        bot.start(frozenset({part}))
        ended.wait()
    finally:
        bot.stop()


def _run(
    bot: Bot, then: Callable[[], None] = lambda: None, parts: frozenset[str] | None = None
) -> None:
    """Answer callbacks at once, then start everything behind the door, until interrupted."""
    # uvicorn hands the signal on when it has finished; as an exit it lets us finish, too.
    # A shell's background job inherits a SIGINT that is ignored; ours ends the bot there, too.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    trouble: list[Exception] = []

    def start() -> None:
        try:
            bot.start(parts) if parts else bot.start()
            then()
        except Exception as error:  # noqa: BLE001  # raised again below, once the server has ended
            trouble.append(error)
            signal.raise_signal(signal.SIGTERM)

    starter = threading.Thread(target=start, name="starter")
    try:
        serve(bot.asgi, bot.settings.qunguan_host, bot.settings.qunguan_port, starter.start)
    except SystemExit:
        if not trouble:
            raise
    finally:
        if starter.ident is not None:
            starter.join()
        if not trouble:
            bot.stop()
    if trouble:
        raise trouble[0]


def serve(asgi: Any, host: str, port: int, started: Callable[[], None] = lambda: None) -> None:
    """Serve an ASGI application until interrupted; the benchmarks' floor is served alike.

    ``started`` is called once, as soon as the server listens.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets=sockets)
            started()

    config = uvicorn.Config(
        asgi,
        host=host,
        port=port,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    Server(config).run()


def _announce(bot: Bot) -> None:
    print(f"群管已启动,控制台:{bot.public_url}/", flush=True)  # noqa: T201  # what the operator reads
    print(f"管理员登录链接(10 分钟内有效):{bot.login_links.of('admin')}", flush=True)  # noqa: T201  # as above


# -- the demo


def run_demo(port: int) -> None:
    """The bot and the sandbox in one process, wired together, in a folder of their own."""
    from bot.sandbox.app import running_sandbox
    from bot.sandbox.settings import SandboxSettings
    from bot.sandbox.town import Staffers, Story, core_files, load_town, populate

    configure_logging(os.environ.get("QUNGUAN_LOG_LEVEL", "warning"))
    _need_port(port)
    folder = _fresh_demo_folder()
    spec = _demo_clock()
    (folder / "clock").write_text(spec, encoding="utf-8")
    from bot.clock import open_clock

    clock = open_clock(spec, folder / "clock")
    town_settings = SandboxSettings.generate(folder, clock).with_clock(clock, folder / "clock")
    with running_sandbox(town_settings, port=_free_port(_SANDBOX_PORT)) as sandbox:
        town, day = load_town(), parse_clock(spec)[0].astimezone(SHANGHAI).date()
        populate(sandbox.world, town, day)
        bot = _demo_bot(folder, spec, port, sandbox.bot_environment())
        for kind, file in core_files(day, folder / "core").items():
            import_sheet(bot.settings, file, kind, None, dry_run=False, bot=bot)
        story, staffers = Story(sandbox.world, town), Staffers(sandbox.world, town)
        sandbox.sandbox.story = story
        opener = threading.Thread(
            target=_open_the_branch,
            args=(bot, sandbox, (story, staffers)),
            name="demo-opener",
            daemon=True,
        )
        _run(bot, then=opener.start)


def _open_the_branch(bot: Bot, sandbox: Any, players: tuple[threading.Thread, ...]) -> None:
    """Wait until the bot has read WeCom once, then let people come."""
    until = clock_time.monotonic() + _START_SECONDS
    while clock_time.monotonic() < until:
        done = bot.database.read().value(
            "SELECT count(*) FROM outbox WHERE kind = 'Reconcile' AND state = 'done'"
        )
        if done:
            break
        clock_time.sleep(0.1)
    sandbox.point_callbacks_at(f"http://127.0.0.1:{bot.settings.qunguan_port}")
    for each in players:
        each.start()
    _tell_demo(bot, sandbox.base_url)


def _tell_demo(bot: Bot, sandbox_url: str) -> None:
    head = bot.database.read().value(
        "SELECT userid FROM staff WHERE role = 'head' AND active = 1 ORDER BY userid LIMIT 1"
    )
    link = bot.login_links.of(head or "admin", lasting=True)
    lines = (
        "",
        "  群管演示已就绪(数据全部虚构,按 Ctrl-C 停止)",
        f"  控制台(点开即登录): {link}",
        f"  演练场(扮演客户和员工): {sandbox_url}/",
        f"  JSON 接口: {bot.public_url}/docs  令牌: demo-token",
        "",
    )
    print("\n".join(lines), flush=True)  # noqa: T201  # what the operator reads


def _demo_bot(folder: Path, spec: str, port: int, wiring: dict[str, str]) -> Bot:
    from bot.app import Bot

    wired: dict[str, Any] = {name.lower(): value for name, value in wiring.items()}
    settings = load_settings(
        _env_file=None,
        qunguan_data_dir=folder,
        qunguan_port=port,
        qunguan_public_url=f"http://127.0.0.1:{port}",
        qunguan_secret_key="demo-only-secret-key-0000",  # noqa: S106  # guards made-up people
        qunguan_api_token="demo-token",  # noqa: S106  # as above
        qunguan_clock=spec,
        **wired,
    )
    return Bot(settings)


def _fresh_demo_folder() -> Path:
    """An empty folder: the sandbox forgets everything at its end, and so must its bot."""
    from bot.opening import sole_use_of_folder

    folder = DEMO_FOLDER
    if folder.exists():
        if any(folder.iterdir()) and not (folder / _DEMO_MARK).exists():
            raise Invalid(f"{folder} 里有别的文件,演示不会覆盖它们;请先移走")
        with sole_use_of_folder(folder):
            shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / _DEMO_MARK).touch()
    return folder


def _demo_clock() -> str:
    """Today at 08:55, or on the next working day."""
    asked = os.environ.get("QUNGUAN_CLOCK", "")
    if asked and asked != "system":
        return asked
    from bot.rulebook import load_calendar

    calendar = load_calendar(load_settings(_env_file=None).qunguan_config_dir)
    day = datetime.now(SHANGHAI).date()
    if not calendar.is_workday(day):
        day = calendar.next_workday(day)
    return datetime.combine(day, _OPENING, SHANGHAI).isoformat()


def _need_port(port: int) -> None:
    """Say what to do before anything is started.

    Raises:
        Invalid: Somebody else listens there.
    """
    if _free_port(port) != port:
        raise Invalid(f"端口 {port} 已被占用,请先停掉占用的程序,或换一个端口")


def _free_port(wished: int) -> int:
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wished))
        except OSError:
            return 0
    return wished


# -- sandbox and relay alone


def run_sandbox(port: int) -> None:
    """The stand-in alone; prints the settings that wire a bot to it."""
    from bot.clock import open_clock
    from bot.sandbox.app import running_sandbox
    from bot.sandbox.settings import SandboxSettings
    from bot.sandbox.town import Staffers, Story, load_town, populate

    configure_logging("info")
    _need_port(port)
    folder = Path("var/sandbox")
    folder.mkdir(parents=True, exist_ok=True)
    spec = os.environ.get("QUNGUAN_CLOCK", "system")
    clock = open_clock(spec, folder / "clock")
    settings = SandboxSettings.generate(folder, clock).with_clock(clock, folder / "clock")
    with running_sandbox(settings, port=port) as sandbox:
        town = load_town()
        populate(sandbox.world, town, clock.now().astimezone(SHANGHAI).date())
        environment = "\n".join(f"{k}={v}" for k, v in sandbox.bot_environment().items())
        (folder / "bot.env").write_text(environment + "\n", encoding="utf-8")
        print(f"沙盒已启动:{sandbox.base_url}/", flush=True)  # noqa: T201  # what the operator reads
        print(f"把机器人接过来的设置写在 {folder / 'bot.env'}", flush=True)  # noqa: T201  # as above
        sandbox.point_callbacks_at(os.environ.get("QUNGUAN_PUBLIC_URL", "http://127.0.0.1:8080"))
        story = Story(sandbox.world, town)
        sandbox.sandbox.story = story
        story.start()
        Staffers(sandbox.world, town).start()
        _wait_for_interrupt()


def run_relay(host: str, port: int) -> None:
    """The archive relay beside the SDK.

    Raises:
        Invalid: The SDK or a setting is missing.
    """
    import uvicorn

    from bot.archive.relay import relay_app
    from bot.archive.sdk import ArchiveSdk, SdkSource, sdk_installed

    settings = load_settings()
    configure_logging(settings.qunguan_log_level)
    if not sdk_installed():
        raise Invalid("本机没有会话存档 SDK:请运行 pip install 'qunguan[archive]'")
    secret = settings.wecom_archive_secret.get_secret_value()
    if not settings.wecom_corp_id or not secret:
        raise Invalid("请设置 WECOM_CORP_ID 和 WECOM_ARCHIVE_SECRET")
    _need_port(port)
    with ArchiveSdk(settings.wecom_corp_id, secret) as sdk:
        token = settings.wecom_archive_relay_token.get_secret_value()
        uvicorn.run(
            relay_app(SdkSource(sdk), token), host=host, port=port, log_config=None, lifespan="off"
        )


def _wait_for_interrupt() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return


# -- imports, and forgetting people


def import_sheet(
    settings: Settings,
    file: Path,
    kind: str,
    as_of: date | None,
    *,
    dry_run: bool,
    say: Callable[[str], None] | None = None,
    bot: Bot | None = None,
) -> bool:
    """Take a file of the core system in; True when no row was bad.

    The report names line, column and what to do, never a value.
    """
    from bot.importing import report_lines, write_problems
    from bot.store.imports import import_file

    own = bot is None
    running = bot or _open_bot(settings)
    try:
        report = import_file(
            running.database,
            running.vault,
            running.clock,
            file,
            kind,
            as_of=as_of,
            actor=os.environ.get("USER", "cli"),
            dry_run=dry_run,
            derivation=running.rules.derivation,
            progress=_progress if say else None,
            refused=running.refused_by_import,
        )
    finally:
        if own:
            running.database.close()
    if say is not None:
        for line in report_lines(report):
            say(line)
        if report.bad:
            say(f"问题行已写入 {write_problems(report, file)}")
    return not report.bad


def _progress(rows: int) -> None:
    """Rows done so far, on a terminal only."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r已读 {rows} 行")
        sys.stderr.flush()


def _open_bot(settings: Settings) -> Bot:
    from bot.app import Bot

    configure_logging(settings.qunguan_log_level)
    return Bot(settings)


def erase_person(settings: Settings, external_userid: str) -> str:
    """Delete a person; what remains is the audit entry.

    Raises:
        Invalid: Nobody of that id is known.
    """
    from bot.erasing import ErasureBook
    from bot.store.erasure import erase

    bot = _open_bot(settings)
    try:
        now = int(bot.clock.now().timestamp() * 1000)
        rows = bot.database.write(lambda db: erase(db, external_userid, "cli", now))
        ErasureBook(settings.erasures_file).keep(bot.database)
    finally:
        bot.database.close()
    return f"已删除 {rows} 行资料,审计记录保留"
