"""Prometheus metrics, read from the store when somebody scrapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bot.inbox import Inbox
from bot.store import journal
from bot.store.db import Db

_COUNTS = (
    ("qunguan_outbox", "Errands by state", "SELECT state, count(*) FROM outbox GROUP BY state"),
    ("qunguan_pushes", "Pushes by status", "SELECT status, count(*) FROM push GROUP BY status"),
    ("qunguan_tasks", "Send tasks by status", "SELECT status, count(*) FROM send_task GROUP BY 1"),
    ("qunguan_cases", "Cases by status", "SELECT status, count(*) FROM escalation GROUP BY 1"),
    ("qunguan_facts", "Facts by status", "SELECT status, count(*) FROM fact GROUP BY status"),
    (
        "qunguan_set_aside",
        "Archive records that could not be read, by reason",
        "SELECT reason, count(*) FROM set_aside GROUP BY reason",
    ),
)


def render(db: Db, answers: Mapping[int, int], unheard: Mapping[str, int], inbox: Inbox) -> str:
    """The text of ``/metrics``; counts only, never names or ids of people."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(db, answers, unheard, inbox))
    return generate_latest(registry).decode()


class _Collector(Collector):
    def __init__(
        self, db: Db, answers: Mapping[int, int], unheard: Mapping[str, int], inbox: Inbox
    ) -> None:
        self._db, self._answers, self._unheard, self._inbox = db, answers, unheard, inbox

    def collect(self) -> Iterator[Metric]:
        for name, text, sql in _COUNTS:
            gauge = GaugeMetricFamily(name, text, labels=["state"])
            for row in self._db.rows(sql):
                gauge.add_metric([row[0]], row[1])
            yield gauge
        yield from self._counters()
        yield GaugeMetricFamily(
            "qunguan_audit_broken",
            "First row of the audit trail that was changed, 0 for none",
            journal.broken_row(self._db),
        )
        waiting, aside = self._inbox.depth()
        yield GaugeMetricFamily("qunguan_inbox_waiting", "Items that wait", waiting)
        yield GaugeMetricFamily("qunguan_inbox_set_aside", "Poison items", aside)
        yield GaugeMetricFamily(
            "qunguan_inbox_lag_seconds", "Age of the oldest item", self._inbox.lag_seconds()
        )

    def _counters(self) -> Iterator[Metric]:
        callbacks = CounterMetricFamily(
            "qunguan_callbacks", "Callbacks answered", labels=["status"]
        )
        for status, count in self._answers.items():
            callbacks.add_metric([str(status)], count)
        yield callbacks
        unheard = CounterMetricFamily(
            "qunguan_unheard", "Genuine events that no handler hears", labels=["event"]
        )
        for name, count in self._unheard.items():
            unheard.add_metric([name], count)
        yield unheard
