"""What Prometheus itself says of our counts and of the rules that we ship."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.clients.debian import program
from tests.clients.tools import ROOT
from tests.test_boards import exposition

pytestmark = pytest.mark.clients

ALERTS = ROOT / "etc" / "prometheus" / "alerts.yml"

STORY = """
rule_files: [{alerts}]
evaluation_interval: 10m
tests:
  - interval: 1m
    input_series:
      - {{series: 'pypidaemon_upstream_up{{instance="i", upstream="pypi"}}', values: '1x9 0x60'}}
      - {{series: 'pypidaemon_upstream_state{{instance="i", upstream="pypi", state="offline"}}', values: '0x70'}}
      - {{series: 'pypidaemon_upstream_up{{instance="i", upstream="other"}}', values: '0x70'}}
      - {{series: 'pypidaemon_upstream_state{{instance="i", upstream="other", state="offline"}}', values: '1x70'}}
    alert_rule_test:
      - {{alertname: PypidaemonUpstreamDown, eval_time: 30m, exp_alerts: []}}
      - alertname: PypidaemonUpstreamDown
        eval_time: 50m
        exp_alerts:
          - exp_labels: {{severity: ticket, instance: i, upstream: pypi}}
            exp_annotations:
              summary: pypi has not answered i for half an hour; what was fetched before is served
  - interval: 1h
    input_series:
      - {{series: 'pypidaemon_mirroring_total{{instance="i", service="nightly", what="runs"}}', values: '0+1x60'}}
      - {{series: 'pypidaemon_mirroring_total{{instance="i", service="nightly", what="complete"}}', values: '0+1x10 10x50'}}
    alert_rule_test:
      - {{alertname: PypidaemonMirrorRunsIncomplete, eval_time: 30h, exp_alerts: []}}
      - alertname: PypidaemonMirrorRunsIncomplete
        eval_time: 40h
        exp_alerts:
          - exp_labels: {{severity: ticket, instance: i, service: nightly, what: runs}}
            exp_annotations:
              summary: "no run of nightly was complete for a day: pypidaemon status"
  - interval: 1m
    input_series:
      - {{series: 'pypidaemon_replaced_files{{instance="i", index="pypi"}}', values: '_x99 1x300'}}
      - {{series: 'pypidaemon_replaced_files{{instance="i", index="other"}}', values: '1x199 2x100'}}
    alert_rule_test:
      - alertname: PypidaemonFilesReplaced
        eval_time: 2h
        exp_alerts:
          - exp_labels: {{severity: ticket, instance: i, index: pypi}}
            exp_annotations: {{summary: "upstream has other bytes of a file of pypi than those first seen: pypidaemon replaced"}}
      - {{alertname: PypidaemonFilesReplaced, eval_time: 3h, exp_alerts: []}}
      - alertname: PypidaemonFilesReplaced
        eval_time: 210m
        exp_alerts:
          - exp_labels: {{severity: ticket, instance: i, index: other}}
            exp_annotations: {{summary: "upstream has other bytes of a file of other than those first seen: pypidaemon replaced"}}
"""
"""One upstream is gone and another one is not to be asked; of a mirror no run is complete any more; files are replaced, in an index the first that ever was."""


def promtool(*words: str, said: bytes = b"") -> None:
    """Have it look, and find nothing wrong."""
    tool = program("promtool", "prometheus")
    done = subprocess.run([tool.path, *words], input=said, capture_output=True, env=tool.environment, check=False, timeout=60)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


def test_the_rules_can_be_used_and_tell_what_they_are_for(tmp_path: Path) -> None:
    """Of those with a time or a condition of their own it is tried."""
    (tmp_path / "story.yml").write_text(STORY.format(alerts=ALERTS))
    promtool("test", "rules", str(tmp_path / "story.yml"))


def test_the_counts_can_be_read() -> None:
    """With whatever names of labels there are."""
    page = exposition()
    assert dict(page.headers)["Content-Type"].startswith("text/plain; version=0.0.4")
    promtool("check", "metrics", said=page.body)
