"""The counters that exist, in the form that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pypidaemon.interfaces import IMeasured, IUpstream
from pypidaemon.web.answers import Answers
from pypidaemon.web.ask import Ask

_ROUTES = {"simple": "simple", "packages": "file", "pypi": "legacy", "index": "index"}


@attrs.define(eq=False)
class _Live(Collector):
    """Reads what others count for themselves, when somebody asks."""

    upstreams: Mapping[str, IUpstream]
    spool: IMeasured
    answers: Answers

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("pypidaemon_upstream_up", "1 while an upstream answers, 0 while it is suspect or down", labels=["upstream"])
        asked = CounterMetricFamily("pypidaemon_upstream", "What was asked of an upstream and came of it", labels=["upstream", "what"])
        for label, upstream in self.upstreams.items():
            up.add_metric([label], 1.0 if upstream.health.state == "up" else 0.0)
            if IMeasured.providedBy(upstream):
                for what, value in IMeasured(upstream).measures().items():
                    asked.add_metric([label, what], value)
        yield up
        yield asked
        spooled = CounterMetricFamily("pypidaemon_spool", "Downloads of files and what became of them", labels=["what"])
        for what, value in self.spool.measures().items():
            spooled.add_metric([what], value)
        yield spooled
        answers = CounterMetricFamily("pypidaemon_answers", "Index answers that were ready, and that had to be rendered", labels=["what"])
        answers.add_metric(["ready"], self.answers.hits)
        answers.add_metric(["rendered"], self.answers.misses)
        yield answers
        yield GaugeMetricFamily("pypidaemon_answers_bytes", "Bytes of ready answers held in memory", value=self.answers.weight)


class Metrics:
    """Everything measured, in a registry of its own."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self, upstreams: Mapping[str, IUpstream], spool: IMeasured, answers: Answers) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter("pypidaemon_requests", "Requests answered", ["route", "status"], registry=self._registry)
        self._sent = Counter("pypidaemon_sent_bytes", "Bytes of bodies sent", ["route"], registry=self._registry)
        self._registry.register(_Live(upstreams, spool, answers))

    def observe(self, ask: Ask, status: int, sent: int, seconds: float) -> None:
        """An observer of the skin: count one request."""
        route = _ROUTES.get(ask.segments[0], "other") if ask.segments else "refused"
        self._requests.labels(route, str(status)).inc()
        self._sent.labels(route).inc(sent)

    def expose(self) -> bytes:
        """All of it as Prometheus reads it."""
        return generate_latest(self._registry)
