"""The message archive: where records come from, how they open, what they say.

``source`` (a relay) or ``sdk`` (the official library in its own process) give encrypted records,
``crypto`` opens them, ``record`` and ``words`` read them, ``pull`` does a page of it at a time.
``relay`` is the other end of the relay protocol, for the bank's outer network.
"""
