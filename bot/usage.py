"""What is wrong with a command line, in the words of whoever typed it. Pure."""

from __future__ import annotations

import re

STATUS = 2
"""With what a program ends that was called wrongly."""
# What the library says, and what we say for it; anything else is shown as it is.
_WORDS = (
    (r"No such option: (\S+).*", r"没有 \1 这个选项"),
    (r"No such command '?(.+?)'?\..*", r"没有 \1 这个命令"),
    (r"Missing command\.", "没有写命令"),
    (r"Missing option '?(.+?)'?\..*", r"少了 \1,请补上"),
    (r"Missing argument '?(.+?)'?\..*", r"少了 \1,请补上"),
    (r"Got unexpected extra argument(?:s|\(s\))? \((.+)\)", r"多了 \1;有空格的内容要放在引号里"),
    (r"Option '?(.+?)'? requires an argument\.", r"\1 后面要写内容"),
    (r"Option '?(.+?)'? does not take a value\.", r"\1 后面不写内容"),
    (r"(.*)'(.*)' does not match the formats? .*", r"\1「\2」不是日期,请写成 2026-12-01"),
    (r"(.*)'(.*)' is not one of (.+)\.", r"\1「\2」不能用,请填 \3 之一"),
    (r"(.*:)\S+ '(.*)' does not exist\.", r"\1没有「\2」这个文件,请核对路径"),
    (r"(.*:)\S+ '(.*)' is a directory\.", r"\1「\2」是文件夹,请写到文件名"),
    (r"(.*:)\S+ '(.*)' is not readable\.", r"\1没有权限读「\2」"),
    (r"(.*)'(.*)' is not a valid .*integer.*", r"\1「\2」不是整数"),
    (r"(.*)[Ii]nput should be a valid integer.*", r"\1不是整数"),
    (r"(.*?)(\S+) is not in the range (.+)\.", r"\1\2 不在范围里,请填 \3"),
    (r"(.*)[Ii]nput should be (less|greater) than or equal to (\d+).*", r"\1超出范围,界限是 \3"),
)
_OF = re.compile(r"Invalid value for '?(?P<name>[^':]+)'?: (?:Value error, )?")


def told(error: Exception) -> str | None:
    """What to show for an error of the command line; None for any other error."""
    if not hasattr(error, "format_message"):
        return None
    message = str(error.format_message())
    if type(error).__name__ == "NoArgsIsHelpError":
        return message
    context = getattr(error, "ctx", None)
    more = f"。用法见 {context.command_path} --help" if context else ",用法加 --help 看"
    return f"出错:{_words(message)}{more}"


def _words(message: str) -> str:
    said = _OF.sub(r"\g<name> 的值不对:", message)
    for pattern, ours in _WORDS:
        if re.fullmatch(pattern, said, re.DOTALL):
            return re.sub(pattern, ours, said, count=1, flags=re.DOTALL)
    return said
