"""``qunguan rules record``, ``export``, ``train``: what people said about readings, put to use."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.clock import SHANGHAI, today
from bot.errors import Invalid
from bot.rulework import label_problem
from bot.store import exporting as store
from bot.store import journal
from bot.store.db import Db
from bot.store.labelled import labelled
from bot.store.verdicts import PERSON, Record
from bot.web import exporting
from bot.web.console.rules import records_of, span_of
from bot.yamlfile import read_text
from config.settings import Settings
from handlers.reading.doubts import (
    Effect,
    Example,
    Weights,
    examples_of,
    learn,
    pack,
    try_out,
    unpack,
)
from handlers.reading.offline import line_problem

if TYPE_CHECKING:
    from bot.app import Bot

_DAYS = 90


@contextmanager
def opened(settings: Settings) -> Iterator[Bot]:
    """The parts of a bot that does not run; one that runs on the same folder is left alone."""
    from bot.app import Bot  # noqa: PLC0415  # only where a database is needed

    bot = Bot(settings)
    try:
        yield bot
    finally:
        bot.database.close()


def record_lines(bot: Bot, first: date | None, last: date | None) -> Iterator[str]:
    """The record of every judged rule in words, those to mend first.

    Raises:
        Invalid: The days are the wrong way round.
    """
    end = last or today(bot.clock)
    begin = first or end - timedelta(days=_DAYS - 1)
    if begin > end:
        raise Invalid("--from 不能晚于 --to")
    found = records_of(bot.services, "", span_of(begin, end))
    judged = [one for one in found if one.judged and one.reader != PERSON]
    yield f"{begin} 到 {end},员工判断过的规则 {len(judged)} 条"
    for one in judged:
        yield _line(bot, one)
    if not judged:
        yield "在控制台的客户台账里点「核实」「否定」「改正」,规则的成绩就会出现"
    for one in found:
        if one.added:
            yield f"规则没读出、员工补记的 {bot.rules.label('fact', one.type)}:{one.added} 条"


def _line(bot: Bot, one: Record) -> str:
    mark = "[建议修改] " if one.mend else ""
    kind = bot.rules.label("fact", one.type)
    counts = f"核实 {one.confirmed},否定 {one.rejected},改正 {one.changed}"
    sure = f"准确率 {one.precision or 0:.0%}(至少 {one.lower or 0:.0%})"
    used = f",最近用到 {one.last_used_on}" if one.last_used_on else ""
    return f"{mark}{one.rule} 第 {one.version} 版 {kind}:{counts},{sure}{used}"


def ask_export(bot: Bot, reason: str, by: str) -> str:
    """Ask for an export of the judged messages; what happens next.

    Raises:
        Invalid: The reason or the employee is missing, or there is nothing to export.
    """
    if not list(labelled(bot.database.read(), bot.vault)):
        raise Invalid("还没有可以导出的判断:先在控制台核实或否定一些事实;原话不再保存的不能导出")
    number = exporting.ask(bot.database, bot.clock, by, reason)
    return (
        f"已登记第 {number} 号导出申请,等分行或合规在控制台「规则」页批准;"
        f"批准后 {exporting.GOOD_FOR.days} 天内运行 qunguan rules export 文件 --request {number}"
    )


def export(bot: Bot, file: Path, number: int) -> str:
    """Write every judged message that may be read now as labelled lines; what was written.

    The trail, with the hash of the file, is written before the lines: nothing leaves without it.

    Raises:
        Invalid: Nobody else agreed to it, there is nothing to write, or the file cannot be made
            or is there already; it is never overwritten.
    """
    asked = exporting.approved(bot.database.read(), bot.clock, number)
    lines = list(labelled(bot.database.read(), bot.vault))
    if not lines:
        raise Invalid("没有可以导出的判断了:原话不再保存,或客户不再同意")
    messages, facts = len(lines), sum(len(each.facts) for each in lines)
    moment = bot.clock.now().astimezone(SHANGHAI)
    now = int(moment.timestamp() * 1000)
    mark = f"导出 {number} 号 · {asked['asked_by']} · {moment:%Y-%m-%d %H:%M}"
    text = "".join(f"{each.line(mark)}\n" for each in lines)
    proof = hashlib.sha256(text.encode()).hexdigest()

    def keep(db: Db) -> None:
        if not store.finish(db, number, proof, now):
            raise Invalid(f"第 {number} 号刚刚已经导出过了")
        journal.audit(
            db,
            asked["asked_by"],
            "export_examples",
            file.name,
            now,
            request=number,
            reason=asked["reason"],
            approved_by=asked["decided_by"],
            messages=messages,
            facts=facts,
            sha256=proof,
        )

    with os.fdopen(_create(file), "w", encoding="utf-8") as out:
        try:
            bot.database.write(keep)
            out.write(text)
        except BaseException:
            file.unlink(missing_ok=True)
            raise
    return f"已写入 {file}:{messages} 条消息,{facts} 条事实,每行带水印;导出已记入审计"


def train(bot: Bot, file: Path | None) -> Iterator[str]:
    """Learn which readings are likely wrong; what was learnt goes into the data folder.

    Args:
        bot: Whose corrections to learn from.
        file: Labelled lines besides.

    Yields:
        For each type of fact what trying it out showed, then what became of it.

    Raises:
        Invalid: There are too few examples, or a line of the file cannot be used.
    """
    learning = bot.rules.thresholds.doubts
    lines = [json.loads(each.line()) for each in labelled(bot.database.read(), bot.vault)]
    lines += _lines_of(file) if file else []
    by_type: dict[str, list[Example]] = {}
    for one in examples_of(lines, bot.reader.read):
        by_type.setdefault(one.type, []).append(one)
    types: dict[str, Weights] = {}
    enough = 0
    for kind, some in sorted(by_type.items()):
        wrong = sum(not one.right for one in some)
        if len(some) < learning.examples or wrong < learning.wrong:
            yield f"{bot.rules.label('fact', kind)}:判断 {len(some)} 条、不对 {wrong} 条,太少,不学"
            continue
        enough += 1
        effect = try_out(some, learning.sure)
        yield f"{bot.rules.label('fact', kind)}:{_effect_words(effect)}"
        if effect.useful:
            types[kind] = learn(some)
    if not enough:
        raise Invalid(
            f"判断太少,还不能学:每类事实至少要 {learning.examples} 条判断、"
            f"其中至少 {learning.wrong} 条不对;请先在控制台核实和否定更多事实"
        )
    yield _keep(bot, types, max(one.on for some in by_type.values() for one in some))


def _effect_words(effect: Effect) -> str:
    judged = f"对 {effect.right} 条、不对 {effect.wrong} 条"
    told = f"五折交叉:不对的先交人 {effect.caught} 条,对的误交人 {effect.misdoubted} 条"
    return f"{judged};{told};{'采用' if effect.useful else '没有用,不采用'}"


def _keep(bot: Bot, types: Mapping[str, Weights], until: str) -> str:
    """Put what was learnt where the bot looks for it, whole or not at all."""
    text, file = pack(types, until), bot.settings.doubts_file
    version = unpack(text, 1.0)[0].version
    now, actor = int(bot.clock.now().timestamp() * 1000), os.environ.get("USER", "cli")
    bot.database.write(
        lambda db: journal.audit(
            db, actor, "train_doubts", version, now, types=sorted(types), until=until
        )
    )
    draft = file.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(file)
    on = (
        "重启后生效" if bot.settings.qunguan_doubts == "on" else "设 QUNGUAN_DOUBTS=on 并重启后生效"
    )
    return f"已写入 {file}(版本 {version},管 {len(types)} 类事实),{on}"


def _lines_of(file: Path) -> list[dict[str, Any]]:
    """The labelled lines of a file, each checked."""
    found = []
    for number, raw in enumerate(read_text(file).split("\n"), 1):
        if not raw.strip():
            continue
        try:
            entry = json.loads(raw)
        except (ValueError, RecursionError):
            raise Invalid(f"{file.name} 第 {number} 行:不是有效的 JSON,请每行写一个对象") from None
        problem = label_problem(entry) or line_problem(entry)
        turned_down = entry.get("rejected", [])
        if not problem and not (
            isinstance(turned_down, list) and all(isinstance(one, dict) for one in turned_down)
        ):
            problem = 'rejected 写得不对:请写 [{"type":…,"value":{…}}],没有就不写'
        if problem:
            raise Invalid(f"{file.name} 第 {number} 行:{problem}")
        if entry.get("role") != "staff":
            found.append(entry)
    return found


def _create(file: Path) -> int:
    """A new file that only its owner may read."""
    try:
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Invalid(f"{file} 已经存在,不会覆盖;请换一个文件名") from None
    except OSError as trouble:
        raise Invalid(f"不能写 {file}({trouble.strerror}),请换一个位置") from None
