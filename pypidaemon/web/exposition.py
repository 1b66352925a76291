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

from pypidaemon.interfaces import IMeasured, IReading, IStandIns, IUpstream
from pypidaemon.web.answers import Answers
from pypidaemon.web.places import Places

STATES = ("up", "suspect", "down", "probing", "offline")
"""Those of `IHealth`."""

NEVER_EVICTED = ("private", "mirrored")
"""Roles of `[daemon] budget` that nothing is taken away of."""


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
    places: Places | None = None
    disk: IMeasured | None = None
    policies: Mapping[str, IReading] = MappingProxyType({})
    log: IMeasured | None = None
    replaced: Mapping[str, int] = MappingProxyType({})
    proxies: Mapping[str, IMeasured] = MappingProxyType({})
    rates: IMeasured | None = None
    workers: IMeasured | None = None
    pushings: Mapping[str, object] = MappingProxyType({})

    def text(self) -> bytes:
        """All of it, in the text format 0.0.4."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """As `prometheus_client.registry.Collector`."""
        yield _counted("pypidaemon_requests", "Requests answered", ["route", "status"], self.requests.items())
        yield _counted("pypidaemon_sent_bytes", "Bytes of bodies sent", ["route"], self.sent.items())
        up = GaugeMetricFamily("pypidaemon_upstream_up", "1 while an upstream answers, 0 while it does not", labels=["upstream"])
        state = GaugeMetricFamily("pypidaemon_upstream_state", "1 for the state that an upstream is in", labels=["upstream", "state"])
        since = GaugeMetricFamily(
            "pypidaemon_upstream_since_seconds", "When it came up or stopped being up, since the epoch", labels=["upstream"]
        )
        hosts = GaugeMetricFamily(
            "pypidaemon_upstream_host_up",
            "1 while a host that was asked for an upstream answers, 0 while it does not",
            labels=["upstream", "host"],
        )
        asked: list[tuple[tuple[str, str], float]] = []
        for label, upstream in self.upstreams.items():
            health = upstream.health
            up.add_metric([label], 1.0 if health.state == "up" else 0.0)
            since.add_metric([label], health.since)
            for one in STATES:
                state.add_metric([label, one], 1.0 if health.state == one else 0.0)
            for host, its in IStandIns(upstream).hosts.items() if IStandIns.providedBy(upstream) else ():
                hosts.add_metric([label, host], 1.0 if its.state == "up" else 0.0)
            if IMeasured.providedBy(upstream):
                asked += [((label, what), value) for what, value in IMeasured(upstream).measures().items()]
        yield from (up, state, since, hosts)
        yield _counted("pypidaemon_upstream", "What was asked of an upstream and came of it", ["upstream", "what"], asked)
        spooled = [((what,), value) for what, value in self.spool.measures().items()]
        yield _counted("pypidaemon_spool", "Downloads of files and what became of them", ["what"], spooled)
        ready = [(("ready",), self.answers.hits), (("rendered",), self.answers.misses), (("recalled",), self.answers.recalled)]
        yield _counted(
            "pypidaemon_answers",
            "Index answers that were ready, that had to be rendered, or that an earlier start had rendered",
            ["what"],
            ready,
        )
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
        yield from _pushed(self.pushings)
        tidied = [((label, what), value) for label, janitor in self.janitors.items() for what, value in janitor.measures().items()]
        yield _counted("pypidaemon_janitor", "Rounds of janitors, and what they removed", ["service", "what"], tidied)
        others = GaugeMetricFamily(
            "pypidaemon_replaced_files", "Files of which upstream has other bytes than those first seen", labels=["index"]
        )
        for label, count in self.replaced.items():
            others.add_metric([label], count)
        yield others
        doubted = [((label, what), value) for label, index in self.proxies.items() for what, value in index.measures().items()]
        yield _counted(
            "pypidaemon_index", "Pages of an index that were doubted, and those that were believed after all", ["index", "what"], doubted
        )
        yield from _documents(self.policies)
        if self.log is not None:
            yield CounterMetricFamily(
                "pypidaemon_log_lines_lost", "Lines of the log that could not be written", value=self.log.measures()["lost"]
            )
        if self.disk is not None:
            yield from _room(self.disk)
        refused = self.rates.measures()["refused"] if self.rates is not None else 0
        yield CounterMetricFamily("pypidaemon_requests_refused", "Requests of addresses that had made too many", value=refused)
        if self.places is not None:
            yield from _connections(self.places)
        if self.workers is not None:
            yield from _processes(self.workers)
        yield GaugeMetricFamily("pypidaemon_answers_bytes", "Bytes of ready answers held in memory", value=self.answers.weight)


def _pushed(services: Mapping[str, object]) -> Iterator[Metric]:
    """What was brought to another index, and what is in its way there (N7)."""
    counts = []
    conflicts = GaugeMetricFamily(
        "pypidaemon_push_conflicts",
        "Files of which the other index has other bytes, as the last run of a service found",
        labels=["service"],
    )
    for label, service in services.items():
        said = IMeasured(service).measures()
        counts += [((label, what), said[what]) for what in ("pushed", "failed")]
        conflicts.add_metric([label], said["conflicts"])
    yield _counted("pypidaemon_push", "Files brought to another index, and runs that failed", ["service", "what"], counts)
    yield conflicts


def _documents(policies: Mapping[str, IReading]) -> Iterator[Metric]:
    """How policies fare with the documents that they go by."""
    trouble = GaugeMetricFamily("pypidaemon_policy_trouble", "1 while the documents of a policy cannot be used, else 0", labels=["policy"])
    read = GaugeMetricFamily("pypidaemon_policy_documents", "What a policy read of its documents, and what not", labels=["policy", "what"])
    for label, policy in policies.items():
        said = policy.read()
        trouble.add_metric([label], 1.0 if said["trouble"] else 0.0)
        for what, value in said.items():
            if what != "trouble":
                read.add_metric([label, what], value)
    yield from (trouble, read)


def _processes(workers: IMeasured) -> Iterator[Metric]:
    """How many processes answer, and what those did that only answer what was answered before."""
    said = dict(workers.measures())
    yield GaugeMetricFamily("pypidaemon_processes", "Processes that answer, this one among them", value=said.pop("processes"))
    done = [((what,), value) for what, value in said.items()]
    yield _counted("pypidaemon_workers", "What worker processes answered, asked for and handed over, and how many died", ["what"], done)


def _room(disk: IMeasured) -> Iterator[Metric]:
    """How much room is taken by what was fetched on demand, how much is left, and what was evicted (F53)."""
    said = dict(disk.measures())
    for what, name, meaning in (
        ("bytes", "pypidaemon_cache_bytes", "Bytes held of files fetched on demand"),
        ("files", "pypidaemon_cache_files", "Files held that were fetched on demand"),
        ("limit", "pypidaemon_cache_limit_bytes", "How many bytes of them there may be, 0 where nothing is said"),
        ("free", "pypidaemon_disk_free_bytes", "Bytes free on the volume"),
        ("floor", "pypidaemon_disk_floor_bytes", "Bytes that are to stay free"),
    ):
        yield GaugeMetricFamily(name, meaning, value=said[what])
    yield GaugeMetricFamily("pypidaemon_pages_bytes", "Bytes kept of what upstreams said of projects", value=said["pages"])
    yield GaugeMetricFamily("pypidaemon_pages_limit_bytes", "How many bytes of that there may be", value=said["pages_limit"])
    held = GaugeMetricFamily(
        "pypidaemon_budget_bytes", "Bytes held of what is never evicted, 0 where nothing is said of it", labels=["role"]
    )
    limit = GaugeMetricFamily(
        "pypidaemon_budget_limit_bytes", "How many bytes of it there may be, 0 where nothing is said", labels=["role"]
    )
    for role in NEVER_EVICTED:
        held.add_metric([role], said[role] if said[f"{role}_limit"] else 0)
        limit.add_metric([role], said[f"{role}_limit"])
    yield from (held, limit)
    refused = [((role,), said[f"{role}_refused"]) for role in NEVER_EVICTED]
    yield _counted(
        "pypidaemon_budget_refused", "Files that were not taken, since their budget was used up or the disk full", ["role"], refused
    )
    counts = [((what,), said[what]) for what in ("evicted", "evicted_bytes", "failed", "forgotten")]
    yield _counted("pypidaemon_eviction", "What was evicted for want of room, and attempts that failed", ["what"], counts)


def _connections(places: Places) -> Iterator[Metric]:
    """How many clients are connected, and what became of those that came (F61)."""
    yield GaugeMetricFamily("pypidaemon_connections", "Connections of clients now", value=len(places))
    yield GaugeMetricFamily("pypidaemon_connections_most", "The most connections there were at once", value=places.most)
    yield GaugeMetricFamily("pypidaemon_connections_limit", "How many connections there may be at once", value=places.allowed.total)
    came = [((what,), value) for what, value in places.measures().items()]
    yield _counted("pypidaemon_connections_opened", "Clients that connected, and what became of them", ["what"], came)
    yield GaugeMetricFamily("pypidaemon_open_files_limit", "How many files the system lets this process open", value=places.files or 0)


def _counted(name: str, meaning: str, labels: list[str], counts: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=labels)
    for key, value in counts:
        family.add_metric(key, value)
    return family
