"""``qunguan check``: tries everything that a running bot needs, a line each, with what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

import urllib3

from bot.app import Bot
from bot.archive.crypto import ArchiveKeys
from bot.archive.sdk import sdk_installed
from bot.clock import SHANGHAI
from bot.errors import Invalid, QunguanError, Refused, Retry
from bot.facts import Speech
from bot.logs import configure_logging
from bot.opening import SOURCES, callback_keys, check_settings, open_doubts, open_model
from bot.proving import prove
from bot.rulebook import load_rulebook
from bot.running import load_settings
from bot.store import journal, migrations
from bot.vault import SPELLED
from bot.wire import CallbackKeys
from config.settings import Settings
from scheduler.release import verify_release
from scheduler.thresholds import load_thresholds

_LEAST_FREE = 1 << 30
_TRIAL = "下个月有一笔二十万的货款到账"
_IP_NOT_TRUSTED, _NOT_CALLABLE = 60020, 48002
_ADVICE = {
    _IP_NOT_TRUSTED: "请在管理后台「应用管理→自建应用→企业可信IP」加上本机出口 IP",
    _NOT_CALLABLE: "请在「客户联系→可调用接口的应用」勾选这个应用(微信客服同理)",
    40001: "Secret 不对或应用已停用,请从管理后台重新复制",
    40013: "WECOM_CORP_ID 不对,请从「我的企业」复制企业 ID",
}


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the report: good, a warning that stops nothing, or bad with the remedy."""

    name: str
    good: bool
    words: str
    warning: bool = False

    def line(self) -> str:
        """As the operator reads it."""
        mark = "提醒" if self.warning else "通过" if self.good else "不通过"
        return f"[{mark}] {self.name}:{self.words}"


def run_checks() -> Iterator[Result]:
    """Every check in the order in which they build on each other."""
    configure_logging("critical")
    try:
        settings = load_settings()
        check_settings(settings)
    except Invalid as wrong:
        yield Result("设置", good=False, words=str(wrong))
        return
    yield Result("设置", good=True, words="已读取")
    first = list(
        _attempts(
            [
                ("规则和话术", lambda: _rules(settings)),
                ("存储", lambda: _storage(settings)),
                ("审计记录", lambda: _audit_trail(settings)),
            ]
        )
    )
    yield from first
    if any(each.name == "存储" and not each.good for each in first):
        return  # without it nothing else can be tried
    yield from _attempts([("静态加密", lambda: _at_rest(settings))])
    yield from _shared_services(settings)
    yield from _calendar(settings)
    if settings.qunguan_doubts == "on":
        yield from _attempts([("学来的怀疑", lambda: _doubts(settings))])
    if settings.qunguan_model_url:
        yield from _attempts([("语言模型", lambda: _model(settings))])
    if not settings.wecom_corp_id:
        yield Result("企业微信", good=False, words="没有配置,请设置 WECOM_CORP_ID 等(见 README)")
        return
    yield from _wecom(settings)
    yield from _callbacks(settings)
    yield _archive(settings)


def _attempts(checks: list[tuple[str, Callable[[], str]]]) -> Iterator[Result]:
    for name, check in checks:
        try:
            yield Result(name, good=True, words=check())
        except QunguanError as error:
            yield Result(name, good=False, words=_words(error))
        except OSError as error:
            yield Result(name, good=False, words=f"读写失败({error.strerror}),请检查路径和权限")


def _words(error: QunguanError) -> str:
    advice = _ADVICE.get(error.errcode) if isinstance(error, Refused) else None
    return f"{error};{advice}" if advice else str(error)


def _rules(settings: Settings) -> str:
    proof = prove(settings.qunguan_config_dir, settings.qunguan_templates_dir)
    if proof.problems:
        more = f";共 {len(proof.problems)} 处" if len(proof.problems) > 1 else ""
        raise Invalid(f"{proof.problems[0]}{more},全部列出请运行 qunguan rules check")
    changed = verify_release(settings.qunguan_templates_dir)
    if changed:
        raise Invalid(f"这些话术与发布时不一致,不会发出:{'、'.join(changed)}")
    counts = proof.counts
    return f"{counts['句式']} 条句式、{counts['分群']} 条分群、{counts['话术']} 份话术,例子都对"


def _storage(settings: Settings) -> str:
    changed = migrations.upgrade(settings.database_place)
    if not settings.database_url:
        free = shutil.disk_usage(settings.qunguan_data_dir).free
        if free < _LEAST_FREE:
            raise Invalid(f"磁盘只剩 {free >> 20} MB,请清理到 1 GB 以上")
    bot = Bot(settings)
    try:
        bot.database.write(lambda db: db.value("SELECT 1"))
    finally:
        bot.database.close()
    where = "PostgreSQL " if settings.database_url else ""
    return f"{where}可读写,{'已升级到' if changed else '已是'}当前版本"


def _at_rest(settings: Settings) -> str:
    """The secret opens the keys of the store, and the cipher is there."""
    bot = Bot(settings)
    try:
        key = bot.vault.key
    finally:
        bot.database.close()
    return f"{SPELLED[key.cipher]},第 {key.number} 号密钥"


def _shared_services(settings: Settings) -> Iterator[Result]:
    try:
        yield from _durable(settings)
        yield from _queue(settings)
    except QunguanError as error:
        yield Result("PostgreSQL 和 Redis", good=False, words=str(error))


def _durable(settings: Settings) -> Iterator[Result]:
    """What a database server keeps through a power cut is its own setting."""
    if not settings.database_url:
        return
    bot = Bot(settings)
    try:
        db = bot.database.read()
        off = [
            name
            for name in ("fsync", "full_page_writes", "synchronous_commit")
            if db.value(f"SELECT current_setting('{name}')") in {"off", "local"}
        ]
    finally:
        bot.database.close()
    if off:
        words = f"PostgreSQL 的 {'、'.join(off)} 关着,断电会丢数据,请在 postgresql.conf 里打开"
        yield Result("落盘", good=False, words=words)
    else:
        yield Result("落盘", good=True, words="提交以后断电不丢")


def _queue(settings: Settings) -> Iterator[Result]:
    """Redis holds what was acknowledged and not yet worked: it must be on the disk at once."""
    if not settings.redis_url:
        return
    from bot.shared import Shared  # noqa: PLC0415  # where there is a client

    shared = Shared(settings.redis_url, settings.wecom_corp_id)
    try:
        with shared.answering() as client:
            client.set(shared.name("check"), "1", ex=10)
            kept = client.info("persistence")["aof_enabled"]
            how = client.config_get("appendfsync").get("appendfsync")
            full = client.config_get("maxmemory-policy").get("maxmemory-policy")
    except Retry as trouble:
        yield Result("Redis", good=False, words=f"{trouble},请检查 REDIS_URL 和 Redis 服务")
        return
    finally:
        shared.close()
    wrong = []
    if not kept or how != "always":
        wrong.append("appendonly yes 和 appendfsync always(不设会丢已经确认收到的消息)")
    if full != "noeviction":
        wrong.append("maxmemory-policy noeviction(否则内存满时会丢消息)")
    words = f"请在 redis.conf 里设 {';'.join(wrong)}" if wrong else "可读写,每次写入都落盘"
    yield Result("Redis", good=not wrong, words=words)


def _doubts(settings: Settings) -> str:
    learning = load_thresholds(settings.qunguan_config_dir / "thresholds.yaml").doubts
    found = open_doubts(settings, learning.sure, datetime.now(SHANGHAI).date())
    return f"已载入,管 {len(found.types) if found else 0} 类事实"


def _model(settings: Settings) -> str:
    """Ask it about a made-up line."""
    limits = load_thresholds(settings.qunguan_config_dir / "thresholds.yaml").model
    with ExitStack() as closing:
        model = open_model(settings, limits, closing)
        facts = model.read(Speech(_TRIAL, datetime.now(SHANGHAI))) if model else []
    if not facts:
        raise Invalid("有答复,但试读一句没有按要求读出事实,请换一个模型,或核对 config/model.md")
    return f"可用,试读一句得到 {len(facts)} 条事实"


def _audit_trail(settings: Settings) -> str:
    bot = Bot(settings)
    try:
        broken = journal.first_broken_link(bot.database.read())
    finally:
        bot.database.close()
    if broken is not None:
        raise Invalid(
            f"第 {broken} 行起与写入时不一致,可能被改过或删过;"
            "请保留数据库文件,与备份比对,并告知合规岗"
        )
    return "与写入时一致"


def _calendar(settings: Settings) -> Iterator[Result]:
    rules = load_rulebook(settings.qunguan_config_dir, settings.qunguan_templates_dir)
    year = datetime.now(SHANGHAI).year
    missing = rules.calendar.calendar_gaps([year, year + 1])
    words = f"{'、'.join(map(str, missing))} 年的调休还没有,请在 holidays.yaml 按国务院通知补上"
    if missing:
        yield Result("日历", good=True, words=words, warning=True)
    else:
        yield Result("日历", good=True, words="今明两年的假日和调休都有")


def _wecom(settings: Settings) -> Iterator[Result]:
    bot = Bot(settings)
    wecom = bot.wecom
    try:
        yield from _attempts(
            [
                (
                    "应用凭证和可信 IP",
                    lambda: f"可用,{len(wecom.get_api_domain_ip())} 个接口地址",
                ),
                (
                    "客户联系",
                    lambda: f"可用,{len(wecom.get_follow_user_list())} 位员工可加客户",
                ),
                ("企业标签", lambda: f"可读,{len(wecom.get_corp_tag_list())} 个标签组"),
                ("微信客服", lambda: f"可用,{len(wecom.kf_account_list())} 个客服账号"),
            ]
        )
        if settings.wecom_archive_secret.get_secret_value():
            yield from _attempts(
                [
                    (
                        "会话存档凭证",
                        lambda: f"可用,{len(wecom.get_permit_user_list())} 位员工已开启",
                    )
                ]
            )
    finally:
        wecom.close()
        bot.database.close()


def _callbacks(settings: Settings) -> Iterator[Result]:
    try:
        keys = callback_keys(settings)
    except Invalid as wrong:
        yield Result("回调密钥", good=False, words=str(wrong))
        return
    if "app" not in keys:
        yield Result(
            "回调密钥",
            good=False,
            words="请设置 WECOM_CALLBACK_TOKEN 和 WECOM_CALLBACK_AES_KEY",
        )
        return
    yield Result("回调密钥", good=True, words="、".join(source for source in SOURCES))
    yield _reachable(settings, keys)


def _reachable(settings: Settings, keys: dict[str, CallbackKeys]) -> Result:
    """Knock at our own public address: a request without a signature must be refused by us."""
    if not settings.qunguan_public_url:
        return Result(
            "回调地址",
            good=True,
            words="没有设置 QUNGUAN_PUBLIC_URL,未检查;退订链接也不会出现在话术里",
            warning=True,
        )
    url = f"{settings.qunguan_public_url.rstrip('/')}/wecom/callback/{next(iter(keys))}"
    try:
        answer = urllib3.request("GET", url, timeout=5.0, retries=False)
    except urllib3.exceptions.HTTPError:
        return Result("回调地址", good=False, words="连不上,请检查域名、反向代理,并先启动机器人")
    if answer.status == 403:
        return Result("回调地址", good=True, words="可达")
    return Result(
        "回调地址", good=False, words=f"回答了 HTTP {answer.status},请检查反向代理是否指向本机器人"
    )


def _archive(settings: Settings) -> Result:
    folder = settings.wecom_archive_keys_dir
    if folder is None:
        return Result(
            "会话存档",
            good=True,
            words="没有配置:读不到客户说的话,只有加好友、进群和微信客服",
            warning=True,
        )
    try:
        keys = ArchiveKeys.load(folder)
    except Invalid as wrong:
        return Result("会话存档", good=False, words=str(wrong))
    if not settings.wecom_archive_relay_url and not sdk_installed():
        return Result(
            "会话存档",
            good=False,
            words="没有中继也没有 SDK:请 pip install 'qunguan[archive]' 或设置中继",
        )
    way = "中继" if settings.wecom_archive_relay_url else "本机 SDK"
    versions = "、".join(map(str, keys.versions))
    return Result("会话存档", good=True, words=f"私钥版本 {versions},通过{way}拉取")
