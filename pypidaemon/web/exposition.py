"""
What was measured, in the form that Prometheus reads.

Apart from the counting, so that its library is loaded with the first question and not by every daemon.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

import attrs
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pypidaemon.interfaces import IMeasured, IUpstream
from pypidaemon.web.answers import Answers


@attrs.define(eq=False)
class Exposition(Collector):
    """
    Reads all counts when it is asked to.

    :param requests: answers counted, by route and status.
    :param sent: bytes of bodies counted, by route.
    """

    requests: Mapping[tuple[str, str], int]
    sent: Mapping[tuple[str], int]
    upstreams: Mapping[str, IUpstream]
    spool: IMeasured
    answers: Answers
    attestations: IMeasured | None = None
    mirrorings: Mapping[str, object] = MappingProxyType({})
    janitors: Mapping[str, IMeasured] = MappingProxyType({})

    def text(self) -> bytes:
        """All of it, in the text format 0.0.4."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """As `prometheus_client.registry.Collector`."""
        yield _counted("pypidaemon_requests", "Requests answered", ["route", "status"], self.requests.items())
        yield _counted("pypidaemon_sent_bytes", "Bytes of bodies sent", ["route"], self.sent.items())
        up = GaugeMetricFamily("pypidaemon_upstream_up", "1 while an upstream answers, 0 while it is suspect or down", labels=["upstream"])
        asked: list[tuple[tuple[str, str], float]] = []
        for label, upstream in self.upstreams.items():
            up.add_metric([label], 1.0 if upstream.health.state == "up" else 0.0)
            if IMeasured.providedBy(upstream):
                asked += [((label, what), value) for what, value in IMeasured(upstream).measures().items()]
        yield up
        yield _counted("pypidaemon_upstream", "What was asked of an upstream and came of it", ["upstream", "what"], asked)
        spooled = [((what,), value) for what, value in self.spool.measures().items()]
        yield _counted("pypidaemon_spool", "Downloads of files and what became of them", ["what"], spooled)
        ready = [(("ready",), self.answers.hits), (("rendered",), self.answers.misses)]
        yield _counted("pypidaemon_answers", "Index answers that were ready, and that had to be rendered", ["what"], ready)
        checked = self.attestations.measures().items() if self.attestations is not None else ()
        signed = [((what,), value) for what, value in checked]
        yield _counted("pypidaemon_attestations", "Attestations of files, and publishers new to a project", ["what"], signed)
        filled = [
            ((label, what), value)
            for label, service in self.mirrorings.items()
            if IMeasured.providedBy(service)
            for what, value in IMeasured(service).measures().items()
        ]
        yield _counted("pypidaemon_mirroring", "Runs of services that fill indexes, and what came of them", ["service", "what"], filled)
        tidied = [((label, what), value) for label, janitor in self.janitors.items() for what, value in janitor.measures().items()]
        yield _counted("pypidaemon_janitor", "Rounds of janitors, and what they removed", ["service", "what"], tidied)
        yield GaugeMetricFamily("pypidaemon_answers_bytes", "Bytes of ready answers held in memory", value=self.answers.weight)


def _counted(name: str, meaning: str, labels: list[str], counts: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=labels)
    for key, value in counts:
        family.add_metric(key, value)
    return family
