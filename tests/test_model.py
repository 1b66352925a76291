"""The little that values do themselves, and errors."""

from __future__ import annotations

from pypidaemon.errors import ConfigError, Refused, UpstreamUnavailable
from pypidaemon.model import Digest, File, Filename, NormalizedName, Pin, ProjectPage
from pypidaemon.model.mirrors import Mirrored
from pypidaemon.model.upstream import UpstreamPage


def test_a_file_knows_its_sha256_whatever_stands_before_it() -> None:
    """And that it has none."""
    assert File(Filename("a-1.zip"), hashes=(("md5", "x"), ("sha256", "y"))).digest == "y"
    assert File(Filename("a-1.zip"), hashes=(("md5", "x"),)).digest is None


def test_a_page_finds_its_file() -> None:
    """By name alone."""
    one, other = File(Filename("a-1.zip")), File(Filename("a-2.zip"))
    page = ProjectPage(NormalizedName("a"), (one, other))
    assert page.file("a-2.zip") is other
    assert page.file("a-3.zip") is None


def test_R217_the_time_to_ask_again_is_a_whole_number_of_seconds_up_to_a_minute() -> None:
    """Whatever upstream said."""
    assert [UpstreamUnavailable("u", "down", wait).retry_after for wait in (-5, 0, 7, 3600)] == [1, 1, 7, 60]


def test_an_error_is_one_line() -> None:
    """With the place, and what would have been understood."""
    error = ConfigError("c.ini", "index:a", "use", "there\nis none", ["proxy", "first-match"])
    assert str(error) == "c.ini [index:a] use: there is none (known: first-match proxy)"
    assert str(ConfigError("c.ini", "", "", "cannot be read")) == "c.ini: cannot be read"
    assert str(Refused("cooldown", "too young")) == "refused by cooldown: too young"


def test_a_pin_is_spelt_as_on_the_command_line() -> None:
    assert Pin(NormalizedName("alpha")).title == "alpha"
    assert Pin(NormalizedName("alpha"), "1.0").title == "alpha==1.0"


def test_M18_what_is_upstream_s_own_is_what_nobody_lent() -> None:
    """With its provenance; and what is lent no longer is gone from what was lent, too."""
    one, other = Filename("a-1.zip"), Filename("a-2.zip")
    page = UpstreamPage(NormalizedName("a"), (File(one), File(other)))
    mirrored = Mirrored(page, documents=((one, Digest("1")), (other, Digest("2"))), lent=frozenset({other}))
    assert mirrored.own == Mirrored(UpstreamPage(NormalizedName("a"), (File(one),)), documents=((one, Digest("1")),))
    assert mirrored.without(frozenset()) is mirrored
