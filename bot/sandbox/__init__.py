"""The stand-in for WeCom: demo, training ground and the only fake in the tests.

Start with :class:`bot.sandbox.app.SandboxServer` (or ``running_sandbox``) and act through
:class:`bot.sandbox.world.World`. Nothing here shares parsing or encryption with the bot, so that
an error in one cannot hide the same error in the other.
"""
