"""`pypidaemon.upstreams.guard`: reserved names never leave the house (law 3)."""

from __future__ import annotations

import pytest
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from pypidaemon.errors import NoSuchProject
from pypidaemon.interfaces import IUpstream
from pypidaemon.model import NormalizedName, Validators
from pypidaemon.testing import TestIndex
from pypidaemon.upstreams.guard import Guarded
from tests.upstreams.parts import page, serve, started, whole


class Guard(TestCase):
    """An index that has projects of our names, as an attacker would."""

    async def test_law_3_a_reserved_name_is_absent_without_a_request(self) -> None:
        index = TestIndex()
        for name in ("acme-core", "acme", "thing"):
            index.add(name, "1.0")
        served = serve(self, index)
        guarded = Guarded(started(self, served.simple), ("acme", "acme-*"))
        verifyObject(IUpstream, guarded)
        for name in ("acme", "acme-core", "acme-none"):
            assert guarded.hides(NormalizedName(name))
            with pytest.raises(NoSuchProject):
                await guarded.fetch_page(NormalizedName(name), Validators())
        assert index.requests == []
        [file] = page(await guarded.fetch_page(NormalizedName("thing"), Validators())).files
        assert await whole(await guarded.fetch_body(file.url, 0))
        assert not guarded.hides(NormalizedName("acmething"))
        assert (guarded.label, guarded.health) == ("up", guarded.upstream.health)
