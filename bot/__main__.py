"""The commands of ``qunguan``; each loads only what it needs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bot import usage
from bot.errors import Invalid, QunguanError
from bot.logs import configure_logging

app = typer.Typer(
    name="qunguan",
    help="群管:企业微信客户群运营机器人。设置见 README 的「设置」一节,或环境变量、.env 文件。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_PORT = Annotated[int, typer.Option(help="端口", min=1, max=65535)]
rules = typer.Typer(
    name="rules", help="规则和词:核对、试读、打分,看成绩,导出标注过的话。", no_args_is_help=True
)
app.add_typer(rules)
keys = typer.Typer(name="keys", help="落盘加密的密钥:查看、更换、作废。", no_args_is_help=True)
app.add_typer(keys)


class Role(StrEnum):
    """Who speaks."""

    customer = "customer"
    staff = "staff"


class Format(StrEnum):
    """How an answer is written."""

    text = "text"
    json = "json"


@app.command()
def run() -> None:
    """启动整个机器人:网页、处理、调度在一个进程里。"""
    from bot.running import run_all

    run_all()


@app.command()
def web() -> None:
    """只启动网页和回调(多进程部署用)。"""
    from bot.running import run_part

    run_part("web")


@app.command()
def worker() -> None:
    """只启动消息处理和发送(多进程部署用)。"""
    from bot.running import run_part

    run_part("worker")


@app.command()
def scheduler() -> None:
    """只启动调度(多进程部署用)。"""
    from bot.running import run_part

    run_part("scheduler")


@app.command()
def demo(port: _PORT = 8080) -> None:
    """演示:机器人加沙盒,用单独的数据文件夹,不需要企业微信账号。"""
    from bot.running import run_demo

    run_demo(port)


@app.command()
def sandbox(port: _PORT = 8090) -> None:
    """只启动沙盒(企业微信的替身)。"""
    from bot.running import run_sandbox

    run_sandbox(port)


@app.command()
def relay(
    host: Annotated[str, typer.Option(help="监听地址")] = "127.0.0.1", port: _PORT = 8070
) -> None:
    """会话存档中继:放在外网区,紧挨官方 SDK。"""
    from bot.running import run_relay

    run_relay(host, port)


@app.command()
def check() -> None:
    """逐项检查设置、存储、企业微信凭证、可信 IP、存档私钥和回调;不通过时退出码为 1。"""
    from bot.checking import run_checks

    results = list(run_checks())
    for each in results:
        typer.echo(each.line())
    raise typer.Exit(0 if all(each.good for each in results) else 1)


@app.command()
def migrate() -> None:
    """把数据库升级到当前版本;可重复运行。"""
    from bot.store import migrations

    changed = migrations.upgrade(_settings().database_place)
    typer.echo("数据库已升级" if changed else "数据库已是当前版本")


@app.command(name="import")
def import_file(
    file: Annotated[
        Path, typer.Argument(help="CSV(UTF-8 或 GB18030)或 XLSX", exists=True, dir_okay=False)
    ],
    kind: Annotated[
        str,
        typer.Option(
            help="customers、holdings、consents、staff、products、events、offers、referrals"
        ),
    ],
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="全量文件的日期:缺的行会被关闭")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只报告,不写入")] = False,
) -> None:
    """导入核心系统的客户、持有、授权、员工、产品、活动、异业权益、老带新;错误行逐行报告,好的行照收。"""
    from bot.running import import_sheet

    day = as_of.date() if as_of else None
    good = import_sheet(_settings(), file, kind, day, dry_run=dry_run, say=typer.echo)
    raise typer.Exit(0 if good else 1)


@app.command()
def read(
    file: Annotated[
        Path | None, typer.Argument(help="JSON 行;不写则读标准输入", exists=True, dir_okay=False)
    ] = None,
    expressions: Annotated[
        bool, typer.Option("--expressions", help="同时列出每个日期和金额")
    ] = False,
) -> None:
    """离线读取事实:每行 {"id","sent_at","text"},输出 {"id","facts":[…]}。"""
    from handlers.reading import Reader
    from handlers.reading.offline import read_lines

    bad = _BadLines()
    reader = Reader.load(_settings().qunguan_config_dir)
    lines = _utf8_lines(file, bad)
    for answer in read_lines(lines, reader, expressions=expressions, on_error=bad.tell):
        # Half a character, as JSON may hold it, goes out as it came in: escaped.
        typer.echo(answer.encode("utf-8", "backslashreplace"))
    raise typer.Exit(1 if bad.number else 0)


def _utf8_lines(file: Path | None, bad: _BadLines) -> Iterator[str]:
    """The lines of a file, or of the standard input; one that is no UTF-8 is told and empty."""
    with file.open("rb") if file else typer.get_binary_stream("stdin") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                bad.tell(number, "不是 UTF-8 文字,请另存为 UTF-8 后再试")
                yield ""


@app.command()
def plan(
    on: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="哪一天")],
    output: Annotated[Format, typer.Option("--format", help="文字或 JSON")] = Format.text,
) -> None:
    """某一天会给谁发什么、为什么,以及不发什么、为什么;不改变任何数据。"""
    from bot.app import Bot
    from bot.clock import written_day

    if written_day(on.date().isoformat()) is None:
        raise Invalid(f"--on 的 {on.date()} 太远了,请写 2000 到 2099 年的一天")
    bot = Bot(_settings())
    entries = bot.plan(on.date())
    for entry in entries:
        typer.echo(
            json.dumps(entry, ensure_ascii=False) if output == Format.json else _line(bot, entry)
        )
    if output != Format.json:
        typer.echo(_summary(on.date(), entries))
    bot.database.close()


@app.command()
def erase(external_userid: str) -> None:
    """按客户要求删除其全部资料;只留审计记录。"""
    from bot.running import erase_person

    typer.echo(erase_person(_settings(), external_userid))


@keys.command(name="list")
def list_keys() -> None:
    """列出每个密钥:哪种算法、何时起用、名下还有多少条记录。"""
    from bot.rekeying import status
    from bot.rulerecord import opened

    with opened(_settings()) as bot:
        for line in status(bot):
            typer.echo(line)


@keys.command(name="rotate")
def rotate_keys() -> None:
    """换一个新密钥,把全部密文分批重新加密;不用停机,中断了再运行一次就接着做。"""
    from bot.rekeying import Rotation, rotate
    from bot.rulerecord import opened

    with opened(_settings()) as bot:
        for line in rotate(bot, Rotation(bot.database, bot.vault, _bar)):
            typer.echo(line)


@keys.command(name="retire")
def retire_keys(
    now: Annotated[bool, typer.Option("--now", help="换下不到一天也作废")] = False,
) -> None:
    """销毁已经没有数据的旧密钥;此后用它加密的东西(例如别处留下的副本)再也读不出来。"""
    from bot.rekeying import retire
    from bot.rulerecord import opened

    with opened(_settings()) as bot:
        for line in retire(bot, at_once=now):
            typer.echo(line)


def _bar(done: int, of: int) -> None:
    """A bar on a terminal, nothing in a pipe."""
    if sys.stderr.isatty():
        full = 40 * done // max(of, 1)
        end = "\n" if done == of else ""
        sys.stderr.write(f"\r[{'█' * full}{'░' * (40 - full)}] {done}/{of}{end}")
        sys.stderr.flush()


@rules.command(name="check")
def check_rules() -> None:
    """核对 config 和话术里的全部规则、词、例子;写错会指出文件、行号和改法,退出码为 1。"""
    from bot.rulework import check

    settings = _settings()
    lines, good = check(settings.qunguan_config_dir, settings.qunguan_templates_dir)
    for line in lines:
        typer.echo(line)
    raise typer.Exit(0 if good else 1)


@rules.command(name="try")
def try_rules(
    sentence: Annotated[str, typer.Argument(help="一句话,放在引号里")],
    sent_at: Annotated[
        str | None, typer.Option(help="什么时候说的,例如 2026-07-01T10:00;不写是现在")
    ] = None,
    role: Annotated[Role, typer.Option(help="谁说的")] = Role.customer,
) -> None:
    """试读一句话:怎样分句,读到什么,依据哪条规则,其余规则为什么没读。"""
    from bot.rulework import try_sentence

    settings = _settings()
    folders = settings.qunguan_config_dir, settings.qunguan_templates_dir
    for line in try_sentence(sentence, *folders, sent_at, role):
        typer.echo(line)


@rules.command(name="score")
def score_rules(
    file: Annotated[
        Path, typer.Argument(help="JSON 行:id、sent_at、text、facts", exists=True, dir_okay=False)
    ],
    output: Annotated[Format, typer.Option("--format", help="文字或 JSON")] = Format.text,
) -> None:
    """用标注过的话打分:各类事实的准确率和召回率,并逐条列出错处。"""
    from bot.rulework import score_figures, score_lines, score_words
    from bot.yamlfile import read_text
    from handlers.reading import Reader

    bad = _BadLines()
    reader = Reader.load(_settings().qunguan_config_dir)
    found = score_lines(read_text(file).split("\n"), reader, bad.tell)
    if output == Format.json:
        typer.echo(json.dumps(score_figures(found), ensure_ascii=False))
    else:
        for line in score_words(found):
            typer.echo(line)
    raise typer.Exit(1 if bad.number else 0)


class _BadLines:
    """Tells of lines that cannot be used, and counts them."""

    number = 0

    def tell(self, line: int, reason: str) -> None:
        self.number += 1
        typer.echo(f"第 {line} 行:{reason}", err=True)


@rules.command()
def record(
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="从哪天,默认 90 天前")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="到哪天,默认今天")
    ] = None,
) -> None:
    """各条规则的成绩:员工核实、否定、改正了多少,准确率,哪些建议修改。"""
    from bot.rulerecord import opened, record_lines

    with opened(_settings()) as bot:
        for line in record_lines(bot, first and first.date(), last and last.date()):
            typer.echo(line)


@rules.command(name="export")
def export_labelled(
    file: Annotated[
        Path | None, typer.Argument(help="写到哪个文件;已有的不会覆盖。申请时不写")
    ] = None,
    reason: Annotated[str, typer.Option(help="申请:为什么导出,会记入审计")] = "",
    by: Annotated[str, typer.Option(help="申请:谁要导出,员工的 userid")] = "",
    request: Annotated[int, typer.Option(help="导出:批准了的申请的编号")] = 0,
) -> None:
    """把员工判断过、现在还允许读的话导出为标注行(JSON 行):先申请,另一位批准后再导出。"""
    from bot.errors import Invalid
    from bot.rulerecord import ask_export, export, opened

    with opened(_settings()) as bot:
        if not request:
            typer.echo(ask_export(bot, reason, by))
        elif file is None:
            raise Invalid("请写明导出到哪个文件")
        else:
            typer.echo(export(bot, file, request))


@rules.command(name="train")
def train_doubts(
    file: Annotated[
        Path | None,
        typer.Argument(help="再加上这些标注过的话(JSON 行)", exists=True, dir_okay=False),
    ] = None,
) -> None:
    """从员工的判断里学哪些读法多半不对:先交人核实;每类事实报告五折交叉的效果。"""
    from bot.rulerecord import opened, train

    with opened(_settings()) as bot:
        for line in train(bot, file):
            typer.echo(line)


def _line(bot: Any, entry: dict[str, Any]) -> str:
    from bot.web.wording import step_words

    label = bot.rules.label
    mark = {"send": "发", "hold": "缓", "drop": "不发"}[entry["decision"]]
    why = "、".join(label("rule", rule) for rule in entry["rules"])
    occasion = label("occasion", entry["occasion"])
    step = step_words(entry["occasion"], entry["step"]).strip() or "当天"
    tail = f" 原因:{why}" if why else f" 由 {entry['sender']} 发送"
    who = entry["chat_id"] or entry["external_userid"]
    return f"[{mark}] {who} {occasion}({step}){tail}"


def _summary(on: date, entries: list[dict[str, Any]]) -> str:
    counts = {"send": 0, "hold": 0, "drop": 0}
    for entry in entries:
        counts[entry["decision"]] += 1
    if not entries:
        return f"{on} 没有到期、生日、节日等需要发送的事项"
    return f"{on}:可发 {counts['send']},暂缓 {counts['hold']},不发 {counts['drop']}"


def _settings() -> Any:
    from bot.running import load_settings

    return load_settings()


def main() -> None:
    """The entry point: errors that say what to do, without a traceback."""
    configure_logging(os.environ.get("QUNGUAN_LOG_LEVEL", "warning"))
    try:
        status = app(standalone_mode=False)
    except QunguanError as error:
        typer.echo(f"出错:{error}", err=True)
        status = 1
    except Exception as error:
        told = usage.told(error)
        if told is None:
            raise
        typer.echo(told, err=True)
        status = usage.STATUS
    sys.exit(status)


if __name__ == "__main__":
    main()
