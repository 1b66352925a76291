"""The upstream that is never asked."""

from __future__ import annotations

import pytest
from zope.interface.verify import verifyObject

from pypidaemon.errors import UpstreamUnavailable
from pypidaemon.interfaces import IHealth, IUpstream
from pypidaemon.model import NormalizedName, Validators
from pypidaemon.upstreams.unasked import Unasked, UnaskedUpstream
from tests.gear import now


def test_law_10_it_is_an_outage_by_every_question_and_never_an_absence() -> None:
    upstream = UnaskedUpstream("pypi", Unasked("nothing is asked"))
    verifyObject(IUpstream, upstream)
    verifyObject(IHealth, upstream.health)
    for question in (
        upstream.fetch_names(Validators()),
        upstream.fetch_page(NormalizedName("alpha"), Validators()),
        upstream.fetch_body("https://files.example/x", 0),
        upstream.changes(0),
    ):
        with pytest.raises(UpstreamUnavailable, match="upstream pypi is unavailable: nothing is asked"):
            now(question)
    assert not upstream.health.may_ask()
    assert upstream.health.retry_after() == 60
    now(upstream.health.doubted())
