"""The call of robots of internal groups: no token, the key alone."""

from __future__ import annotations

from bot.sandbox.api import Call, answers
from bot.sandbox.contract import ApiError
from bot.sandbox.world import World

_A_MINUTE = 20


@answers("webhook_send")
def webhook_send(world: World, call: Call) -> None:
    """Say something in an internal group; twenty times a minute."""
    robot = world.robots.get(call.args["key"])
    if robot is None:
        raise ApiError(93000, "invalid webhook url")
    if not robot.on:
        raise ApiError(93004, "bot disabled")
    now = world.monotonic()
    robot.said = [at for at in robot.said if at > now - 60.0]
    if len(robot.said) >= _A_MINUTE:
        raise ApiError(45009, "api freq out of limit")
    robot.said.append(now)
    kind = call.args["msgtype"]
    text = str(call.args[kind].get("content", "")) if kind in call.args else ""
    world.record("robot_said", group=robot.group, msgtype=kind, text=text)
