"""How old files may become."""

from __future__ import annotations

import math

from pypidaemon.model import File, Filename, NormalizedName
from pypidaemon.moments import moment
from pypidaemon.policies.maximum_age import MaximumAge

FOO = NormalizedName("foo")
SINCE = moment("2026-03-01")
DAY = 86400.0


def uploaded(text: str | None) -> File:
    return File(Filename("foo-1.0.tar.gz"), upload_time=text)


def test_a_file_is_hidden_from_the_second_on_in_which_it_is_too_old() -> None:
    policy, file = MaximumAge("p", 3 * DAY), uploaded("2026-03-01T00:00:00.000000Z")
    end = SINCE + 3 * DAY
    assert policy.refusal(FOO, file, math.nextafter(end, 0)) is None
    assert policy.refusal(FOO, file, end) == "uploaded 2026-03-01T00:00:00Z, and shown until 2026-03-04T00:00:00Z only"
    assert policy.turns(FOO, file, SINCE) == end
    assert policy.turns(FOO, file, end) is None


def test_an_unknown_time_is_shown_or_hidden_for_ever() -> None:
    for text in (None, "yesterday", "2026-03-01T00:00:00"):
        assert MaximumAge("p", DAY).refusal(FOO, uploaded(text), 1e10) is None
        assert MaximumAge("p", DAY, "hide").refusal(FOO, uploaded(text), 0.0) == "its upload time is not known"
        assert MaximumAge("p", DAY).turns(FOO, uploaded(text), 0.0) is None


def test_no_project_is_refused_as_a_whole() -> None:
    assert MaximumAge("p", DAY).refusal(FOO, None, 1e10) is None
