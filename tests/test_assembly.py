"""From a file to a plan, and from a plan to a daemon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.application.service import IService
from twisted.internet.interfaces import IReactorCore, IReactorTime
from twisted.internet.task import Clock
from zope.interface import implementer
from zope.interface.verify import verifyObject

from pypidaemon import assembly
from pypidaemon.assembly import Plan, describe, describe_json, make, plan
from pypidaemon.errors import ConfigError
from pypidaemon.filenames import filename
from pypidaemon.inspection.readmes import Readmes
from pypidaemon.interfaces import IMeasured
from pypidaemon.model import Fetch, NormalizedName
from pypidaemon.schema import Wish, data_beside, local_url, wishes
from pypidaemon.settings import Secret
from pypidaemon.upstreams.guard import Guarded
from pypidaemon.web.door import Door
from tests import parts
from tests.gear import now
from tests.web.wire import Client, answers, get


@implementer(IReactorTime, IReactorCore)
class Reactor(Clock):
    """A reactor that is only looked at: making a daemon must not touch it."""


SILENT = "[upstream:pypi]\nuse = tests.parts:Silent\n"


def planned(tmp_path: Path, text: str) -> Plan:
    """The plan of that text as `<tmp>/etc/config.ini`."""
    file = tmp_path / "etc" / "config.ini"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return plan(str(file))


def fault(tmp_path: Path, text: str) -> ConfigError:
    """What is wrong with that text."""
    with pytest.raises(ConfigError) as caught:
        planned(tmp_path, text)
    return caught.value


def test_daemon_alone_is_a_complete_file(tmp_path: Path) -> None:
    """Every reference has a default."""
    found = planned(tmp_path, "[daemon]\n")
    assert list(found.parts) == [
        "blobs:blobs", "records:records", "accounts:accounts", "index:private", "upstream:pypi", "index:pypi", "index:root",
    ]  # fmt: skip
    assert all(part.implied and part.needed for part in found.parts.values())
    assert found.data == tmp_path / "var"
    assert found.parts["blobs:blobs"].values["path"] == tmp_path / "var" / "blobs"
    assert found.parts["records:records"].values["path"] == tmp_path / "var" / "records.sqlite"
    assert found.daemon.listen == ("tcp:3141:interface=127.0.0.1",)
    assert (found.index, found.blobs, found.records) == ("index:root", "blobs:blobs", "records:records")
    assert found.parts["index:root"].references["indexes"] == ("index:private", "index:pypi")
    assert found.daemon.uploads == "private"


def test_with_an_index_of_its_own_a_file_has_uploads_only_where_it_says_so(tmp_path: Path) -> None:
    """What takes uploads is made even if nothing else leads to it."""
    assert planned(tmp_path, "[daemon]\nindex = pypi\n").daemon.uploads is None
    assert "index:private" not in planned(tmp_path, "[daemon]\nindex = pypi\n").parts
    found = planned(tmp_path, "[daemon]\nindex = pypi\nuploads = ours\n[index:ours]\nuse = private\nexposed = no\n")
    assert found.daemon.uploads == "ours"
    assert found.parts["index:ours"].needed
    assert planned(tmp_path, "[daemon]\nuploads = ours\n[index:ours]\nuse = private\n").daemon.uploads == "ours"


def test_planning_touches_nothing(tmp_path: Path) -> None:
    """The same reading serves `check`, which may be another user's."""
    planned(tmp_path, "[daemon]\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["etc"]


@pytest.mark.parametrize(
    ("here", "data"),
    [
        ("/srv/x/etc", "/srv/x/var"),
        ("/etc/pypidaemon", "/var/lib/pypidaemon"),
        ("/home/a/proxy", "/home/a/proxy/var"),
    ],
)
def test_without_data_things_are_kept_beside_the_file(here: str, data: str) -> None:
    """Never at the working directory, and never in /etc."""
    assert data_beside(Path(here)) == Path(data)


def test_every_part_comes_after_those_it_refers_to(tmp_path: Path) -> None:
    """So that they can be made in order, whatever the order of the file."""
    found = planned(
        tmp_path,
        "[daemon]\nindex = a\n[index:a]\nuse = first-match\nindexes = b c\n[index:b]\nuse = proxy\nupstream = pypi\n"
        "[index:c]\nuse = policed\nindex = b\npolicies = p\n[policy:p]\nuse = names\ndeny = x\n",
    )
    order = list(found.parts)
    for name, part in found.parts.items():
        for other in part.leads_to():
            assert order.index(other) < order.index(name)


def test_an_index_that_policed_wraps_is_not_exposed_unless_it_says_so(tmp_path: Path) -> None:
    """Else a policy could be walked around (design, section 5)."""
    text = "[daemon]\nindex = a\n[index:a]\nuse = policed\nindex = b\npolicies = p\n[policy:p]\nuse = names\n[index:b]\nuse = proxy\n"
    found = planned(tmp_path, text + "[index:c]\nuse = proxy\n[index:d]\nuse = proxy\nexposed = no\n")
    assert [name for name, part in found.parts.items() if part.exposed] == ["index:a", "index:c"]
    assert not found.parts["index:d"].needed
    assert planned(tmp_path, text + "exposed = yes\n").parts["index:b"].exposed


def test_the_default_index_is_exposed_whatever_it_says(tmp_path: Path) -> None:
    """It is what stands at /simple/."""
    assert planned(tmp_path, "[daemon]\nindex = a\n[index:a]\nuse = proxy\nexposed = no\n").parts["index:a"].exposed


def test_components_find_the_stores_that_the_daemon_was_given(tmp_path: Path) -> None:
    """A default of `records` or `blobs` means the daemon's own, under any label."""
    found = planned(tmp_path, "[daemon]\nrecords = r\nblobs = b\n[records:r]\nuse = memory\n[blobs:b]\nuse = memory\n")
    assert found.parts["index:pypi"].references["records"] == "records:r"
    assert found.parts["index:pypi"].references["blobs"] == "blobs:b"
    assert {name for name in found.parts if name.startswith(("records:", "blobs:"))} == {"records:r", "blobs:b"}


def test_relative_paths_start_at_the_file_also_in_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never at the working directory."""
    monkeypatch.chdir("/")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "word").write_text("open sesame\n")
    found = planned(
        tmp_path, "[daemon]\ndata = ../d\n[service:s]\nuse = tests.parts:Diary\nindex = pypi\nplace = x\npassword = file:word\n"
    )
    values = found.parts["service:s"].values
    assert found.data == tmp_path / "d"
    assert values["place"] == tmp_path / "etc" / "x"
    assert values["password"].reveal() == "open sesame"


CIRCLE = """
[daemon]
index = a
[index:a]
use = first-match
indexes = pypi b
[index:b]
use = policed
index = a
policies = p
[policy:p]
use = names
"""

BROKEN: list[tuple[str, str, str, str]] = [
    # the daemon's own section
    ("[daemon]\nlisten =\n", "daemon", "listen", "at least one endpoint"),
    ("[daemon]\nlisten = tcp\n", "daemon", "listen", "not an endpoint"),
    ("[daemon]\nlisten = tcp:http:interface=127.0.0.1:backlog=x\n", "daemon", "listen", "not an endpoint"),
    ("[daemon]\nlisten = 127.0.0.1:3141\n", "daemon", "listen", "Unknown endpoint type"),
    ("[daemon]\nlisten = 3141\n", "daemon", "listen", "for a port write tcp:3141"),
    ("[daemon]\nlisten = tcp:70000\n", "daemon", "listen", "no port 70000"),
    ("[daemon]\nlisten = tcp:3141\n  index = a\n", "daemon", "listen", "not an endpoint"),
    ("[daemon]\nlisten = ssl:443:privateKey=/nowhere.pem\n", "daemon", "listen", "not an endpoint"),
    ("[daemon]\ndata =\n", "daemon", "data", "empty"),
    (f"[daemon]\ndata = /{'x' * 120}\n", "daemon", "data", "too long"),
    ("[daemon]\nreserved = a/b\n", "daemon", "reserved", "a/b"),
    ("[daemon]\nreserved =\n", "daemon", "reserved", "empty"),
    ("[daemon]\npublic-url = packages.example\n", "daemon", "public-url", "not an http"),
    ("[daemon]\npublic-url = https://me:word@packages.example/\n", "daemon", "public-url", "credentials"),
    ("[daemon]\ntrusted-proxies = proxy.example\n", "daemon", "trusted-proxies", "not an IP network"),
    ("[daemon]\ntrusted-proxies = 10.0.0.1/8\n", "daemon", "trusted-proxies", "host bits"),
    ("[daemon]\nhosts =\n", "daemon", "hosts", "empty"),
    ("[daemon]\naccess-records = never\n", "daemon", "access-records", "not a duration"),
    ("[daemon]\naccess-log =\n", "daemon", "access-log", "empty"),
    ("[daemon]\naccess-log-form = xml\n", "daemon", "access-log-form", "'xml' is none of combined, json"),
    ("[daemon]\nclient-addresses = some\n", "daemon", "client-addresses", "'some' is none of whole, shortened, none"),
    ("[daemon]\nhosts = packages.example:443\n", "daemon", "hosts", "not a host name"),
    ("[daemon]\nuploads = pypi\n", "daemon", "uploads", "[index:pypi] takes no uploads"),
    ("[daemon]\nuploads = nowhere\n", "daemon", "uploads", "no section [index:nowhere]"),
    ("[daemon]\n[index:a]\nuse = private\nkinds = wheel rar\n", "index:a", "kinds", "'rar' is no kind of file"),
    ("[daemon]\n[index:a]\nuse = pinned\nindex = pypi\nreleases = alpha>=1\n", "index:a", "releases", "not an exact release"),
    ("[daemon]\n[index:a]\nuse = directory\npath = x\ninterval = 5s\n", "index:a", "interval", "0.1s to 2s"),
    ("[daemon]\n[index:a]\nuse = merged\nindexes = pypi\n", "index:a", "projects", "is missing"),
    ("[daemon]\npublic_url = https://x.example/\n", "daemon", "public_url", "not a key"),
    ("[daemon]\nindex = root\n", "daemon", "index", "no section [index:root]"),
    ("[daemon]\nindex = a b\n[index:a]\nuse = proxy\n", "daemon", "index", "can be one"),
    ("[daemon]\nindex =\n", "daemon", "index", "must name"),
    ("[daemon]\nblobs = x\n", "daemon", "blobs", "no section [blobs:x]"),
    ("[daemon]\n[records:other]\nuse = memory\n", "daemon", "records", "no section [records:records]"),
    # components
    ("[daemon]\n[index:a]\n", "index:a", "use", "is missing"),
    ("[daemon]\n[index:a]\nuse = prxy\n", "index:a", "use", "no index 'prxy'"),
    ("[daemon]\n[index:a]\nuse = names\n", "index:a", "use", "no index 'names'"),
    ("[daemon]\naccounts = a\n[accounts:a]\nuse = nobody\n", "accounts:a", "use", "no accounts 'nobody'"),
    ("[daemon]\n[policy:a]\nuse = nowhere:Thing\n", "policy:a", "use", "cannot import nowhere"),
    ("[daemon]\n[policy:a]\nuse = tests.parts:NotAttrs\n", "policy:a", "use", "not an attrs class"),
    ("[daemon]\n[policy:a]\nuse = tests.parts:Short\n", "policy:a", "use", "is no IPolicy"),
    (
        "[daemon]\nindex = root ; my root\n",
        "daemon",
        "index",
        "names 4 sections where there can be one; comments stand on lines of their own",
    ),
    (
        "[daemon]\n[index:root]\nuse = first-match\nindexes = private ; mine\n",
        "index:root",
        "indexes",
        "';' is no label; comments stand on lines of their own",
    ),
    ("[daemon]\n[policy:a]\nuse = tests.parts:Greedy\n", "policy:a", "use", "the-moon"),
    ("[daemon]\n[policy:a]\nuse = tests.parts:Unfillable\n", "policy:a", "use", "neither a default nor a source"),
    ("[daemon]\n[service:a]\nuse = tests.parts:Choosy\nindex = pypi\n", "service:a", "index", "is no INarrow"),
    (
        "[daemon]\n[service:a]\nuse = tests.parts:Filler\nindex = root\n",
        "service:a",
        "index",
        "[index:root] can not be filled: it is neither a mirror nor a proxy",
    ),
    ("[daemon]\n[index:m]\nuse = mirror\nremoval = keep-if-used\n", "index:m", "removal", "neither follow nor keep"),
    ("[daemon]\n[index:m]\nuse = mirror\nremoval-limit = some\n", "index:m", "removal-limit", "neither a percentage"),
    ("[daemon]\n[index:m]\nuse = mirror\nremoval-delay = 7\n", "index:m", "removal-delay", "not a duration"),
    # keys
    ("[daemon]\n[index:a]\nuse = proxy\nupstrem = pypi\n", "index:a", "upstrem", "unknown key"),
    ("[daemon]\n[index:a]\nuse = proxy\nlabel = b\n", "index:a", "label", "unknown key"),
    ("[daemon]\n[index:a]\nuse = proxy\nspool = b\n", "index:a", "spool", "unknown key"),
    ("[daemon]\n[policy:a]\nuse = names\nexposed = no\n", "policy:a", "exposed", "unknown key"),
    ("[daemon]\n[index:a]\nuse = proxy\nexposed = maybe\n", "index:a", "exposed", "neither yes nor no"),
    ("[daemon]\n[upstream:a]\nuse = http\n", "upstream:a", "url", "is missing"),
    ("[daemon]\n[upstream:a]\nuse = http\nurl = ftp://index.example/\n", "upstream:a", "url", "not an http"),
    ("[daemon]\n[upstream:a]\nuse = pypi\nmax-age = 10\n", "upstream:a", "max-age", "not a duration"),
    ("[daemon]\n[upstream:a]\nuse = http\nurl = https://a.example/\npassword = hunter2\n", "upstream:a", "password", "env:NAME"),
    ("[daemon]\n[policy:a]\nuse = names\ndeny = [\n", "policy:a", "deny", "["),
    ("[daemon]\n[blobs:blobs]\nuse = directory\n", "blobs:blobs", "path", "is missing"),
    # references
    ("[daemon]\n[index:a]\nuse = policed\npolicies = p\n", "index:a", "index", "is missing"),
    ("[daemon]\n[index:a]\nuse = first-match\nindexes =\n", "index:a", "indexes", "must name"),
    ("[daemon]\n[index:a]\nuse = first-match\nindexes = pypi pypi\n", "index:a", "indexes", "twice"),
    ("[daemon]\n[index:a]\nuse = first-match\nindexes = index:pypi\n", "index:a", "indexes", "no section"),
    ("[daemon]\n[index:a]\nuse = proxy\nupstream = a\n", "index:a", "upstream", "[index:a] is no upstream"),
    ("[daemon]\n[policy:p]\nuse = names\n[index:a]\nuse = policed\nindex = p\npolicies = p\n", "index:a", "index", "is no index"),
    ("[daemon]\n[index:a]\nuse = first-match\nindexes = a\n", "index:a", "indexes", "circle: index:a -> index:a"),
    (CIRCLE, "index:b", "index", "circle: index:a -> index:b -> index:a"),
]


@pytest.mark.parametrize(("text", "section", "key", "words"), BROKEN)
def test_F72_each_fault_is_one_line_with_file_section_and_key(tmp_path: Path, text: str, section: str, key: str, words: str) -> None:
    """Also in a section that nothing leads to."""
    found = fault(tmp_path, text)
    assert (found.section, found.key) == (section, key)
    assert words in str(found)
    assert str(found).startswith(f"{tmp_path}/etc/config.ini [{section}] {key}: ")
    assert "\n" not in str(found)


def test_there_are_enough_faults() -> None:
    """The table is not to shrink."""
    assert len(BROKEN) >= 30


def test_a_fault_never_shows_what_may_be_a_secret(tmp_path: Path) -> None:
    """Passwords written where they must not be do not reach the log by way of the message."""
    for text in (
        "[daemon]\n[upstream:a]\nuse = http\nurl = https://me:hunter2@a.example/\n",
        "[daemon]\n[upstream:a]\nuse = http\nurl = https://a.example/\npassword = hunter2\n",
    ):
        assert "hunter2" not in str(fault(tmp_path, text))


DIARY = (
    "[daemon]\nreserved = acme-*\n[service:d]\nuse = tests.parts:Diary\nindex = pypi\nwords = x\n  y\nwait = 90s\nroom = 64KiB\nbold = no\n"
    "title = 100%% sure\npassword = env:DIARY_WORD\n" + SILENT
)


FILLER = "[daemon]\n[service:f]\nuse = tests.parts:Filler\nothers = m\n[index:m]\nuse = mirror\nremoval-limit = 10%%\n" + SILENT


def test_whoever_fills_an_index_gets_it_without_what_stands_before_it(tmp_path: Path) -> None:
    """Orders say what is shown, and not what is here; whoever looks at an index meets them."""
    made = make(planned(tmp_path, FILLER), Reactor())
    filler = made.objects["service:f"]
    assert filler.index is made.bare["index:pypi"]
    assert filler.others == (made.bare["index:m"],)
    assert filler.seen is made.objects["index:pypi"] is not filler.index
    assert isinstance(filler.index.upstream, Guarded)
    assert str(made.bare["index:m"].removal_limit) == "10%"


def test_describe_reads_back_as_the_same_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `check` prints is a configuration, with every default in it."""
    monkeypatch.setenv("DIARY_WORD", "hunter2")
    first = planned(tmp_path, DIARY)
    text = describe(first)
    second = planned(tmp_path, text)
    without = [entry for entry in second.parts["service:d"].entries if entry.key != "password"]
    assert [(entry.key, entry.value) for entry in without] == [
        (entry.key, entry.value) for entry in first.parts["service:d"].entries if entry.key != "password"
    ]
    assert list(second.parts) == list(first.parts)
    assert second.daemon == first.daemon or attrs.evolve(second.daemon, data=None) == first.daemon
    assert "wait = 90s" in text
    assert "room = 64KiB" in text
    assert "bold = no" in text
    assert "times = 3" in text


def test_describe_hides_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In both forms, and credentials in addresses as well."""
    monkeypatch.setenv("DIARY_WORD", "hunter2")
    found = planned(tmp_path, DIARY.replace("100%% sure", "http://me:hunter2@proxy.example/"))
    for text in (describe(found), json.dumps(describe_json(found)), repr(found)):
        assert "hunter2" not in text or text == repr(found)
    assert "Secret(...)" in repr(found)
    assert "(hidden)" in describe(found)


def test_describe_says_what_is_implied_unused_and_shown(tmp_path: Path) -> None:
    """So that a forgotten section is seen."""
    found = planned(tmp_path, "[daemon]\n[index:a]\nuse = proxy\n[policy:p]\nuse = names\n")
    text = describe(found)
    assert "# Nothing leads here, so this is checked but not used.\n[policy:p]" in text
    assert "# Shown at /simple/.\n[index:root]" in text
    assert "# Shown at /index/a/simple/.\n[index:a]" in text
    sections = describe_json(found)["sections"]
    assert sections["policy:p"]["needed"] is False
    assert sections["index:pypi"]["implied"] is True
    assert sections["daemon"]["keys"]["listen"] == {"value": "tcp:3141:interface=127.0.0.1", "default": True}


def test_defaults_are_shown_in_the_words_they_are_written_in() -> None:
    """`10m`, not 600.0."""
    by_key: dict[str, Wish] = {wish.key: wish for wish in wishes(parts.Diary)}
    assert by_key["wait"].shown(600.0) == "10m"
    assert by_key["wait"].shown(0.5) == "0.5s"
    assert by_key["wait"].shown(0.0) == "0s"
    assert by_key["room"].shown(2**30) == "1GiB"
    assert by_key["room"].shown(1000) == "1000"
    assert by_key["words"].shown(("a", "b")) == "a b"
    assert by_key["password"].shown(Secret("x")) == "(hidden)"
    assert by_key["title"].shown(None) is None


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("tcp:3141:interface=127.0.0.1", "http://127.0.0.1:3141/"),
        ("tcp:3141", "http://127.0.0.1:3141/"),
        ("tcp:port=80:interface=0.0.0.0", "http://127.0.0.1:80/"),
        ("tcp6:3141:interface=\\:\\:", "http://[::1]:3141/"),
        ("ssl:443:interface=192.0.2.1", "https://192.0.2.1:443/"),
        ("unix:/run/x.sock", "http://localhost/"),
    ],
)
def test_the_local_address_follows_from_the_first_endpoint(listen: str, address: str) -> None:
    """Where no public address is configured."""
    assert local_url((listen,)) == address


def test_systemd_sockets_are_not_looked_for_outside_of_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that `check` works on a terminal."""
    monkeypatch.delenv("LISTEN_FDS", raising=False)
    assert planned(tmp_path, "[daemon]\nlisten = systemd:domain=INET:name=http\n").daemon.listen


def test_make_gives_each_what_it_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, references and what the daemon gives; nothing is opened."""
    monkeypatch.setenv("DIARY_WORD", "hunter2")
    reactor = Reactor()
    made = make(planned(tmp_path, DIARY), reactor)
    diary: Any = made.objects["service:d"]
    assert diary.index is made.objects["index:pypi"]
    assert (diary.label, diary.data, diary.reserved) == ("d", tmp_path / "var", ("acme-*",))
    assert diary.reactor is reactor
    assert diary.clock is reactor
    assert diary.spool is made.bare["index:pypi"].spool
    assert diary.spool.blobs is made.objects["blobs:blobs"]
    assert (diary.disk.name, diary.disk.size, diary.cpu.name, diary.cpu.size) == ("disk", 8, "cpu", 2)
    assert diary.words == ("x", "y")
    assert diary.times == 3
    assert not (tmp_path / "var").exists()
    assert reactor.getDelayedCalls() == []


def test_law_3_every_upstream_is_wrapped_in_the_guard(tmp_path: Path) -> None:
    """Whoever refers to an upstream gets it with the reserved names kept away."""
    made = make(
        planned(
            tmp_path,
            "[daemon]\nreserved = acme-*\nindex = a\n[index:a]\nuse = proxy\nupstream = u\n[upstream:u]\nuse = tests.parts:Silent\n",
        ),
        Reactor(),
    )
    assert isinstance(made.objects["upstream:u"], Guarded)
    assert made.bare["index:a"].upstream is made.objects["upstream:u"]
    assert made.objects["upstream:u"].reserved == ("acme-*",)


def test_what_nothing_leads_to_is_not_made(tmp_path: Path) -> None:
    """But services are, since nothing ever refers to them."""
    made = make(
        planned(tmp_path, "[daemon]\n[policy:p]\nuse = tests.parts:Fussy\n[service:s]\nuse = tests.parts:Diary\nindex = pypi\n" + SILENT),
        Reactor(),
    )
    assert "policy:p" not in made.objects
    assert "service:s" in made.objects
    assert list(made.exposed()) == ["private", "pypi", "root"]


@pytest.mark.parametrize(("use", "words"), [("tests.parts:Fussy", "no such colour"), ("tests.parts:Nameless", "label")])
def test_a_component_that_cannot_be_made_is_one_line(tmp_path: Path, use: str, words: str) -> None:
    """Also where only the object shows it."""
    text = f"[daemon]\nindex = a\n[index:a]\nuse = policed\nindex = pypi\npolicies = p\n[policy:p]\nuse = {use}\n" + SILENT
    with pytest.raises(ConfigError, match=words) as caught:
        make(planned(tmp_path, text), Reactor())
    assert (caught.value.section, caught.value.key) == ("policy:p", "use")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 421),
        ("listen = tcp:3141:interface=127.0.0.1 tcp6:3142:interface=\\:\\:1\n", 421),
        ("hosts = *.example\n", 200),
        ("hosts = *.test\nlisten = tcp:3141\n", 421),
        ("listen = tcp:3141\n", 200),
        ("listen = tcp:3141:interface=127.0.0.1 unix:/run/index.sock\n", 200),
        ("public-url = https://index.example/python/\n", 200),
    ],
)
def test_S56_a_daemon_for_this_machine_alone_has_its_own_names_alone(tmp_path: Path, text: str, status: int) -> None:
    """And one that others reach has all, unless it says which."""
    whole = assembly.build(planned(tmp_path, "[daemon]\n" + text + SILENT), Reactor())
    (door,) = (child for child in whole if isinstance(child, Door))
    (answer,) = answers(Client(door.site).say(get("/+unknown", method="PUT")))
    assert (answer.status if answer.status == 421 else 200) == status


def test_build_orders_what_lives(tmp_path: Path) -> None:
    """Folder first and sockets last; stopping goes the other way round."""
    whole = assembly.build(planned(tmp_path, "[daemon]\n[service:s]\nuse = tests.parts:Diary\nindex = pypi\n" + SILENT), Reactor())
    assert IService.providedBy(whole)
    assert [type(child).__name__ for child in whole] == [
        "DataFolder", "LostLines", "Ballast", "Threads", "Threads", "NoNewRecords", "SqliteRecords", "TrafficLog", "Rulemaking", "DirectoryBlobs", "DirectoryBlobs", "DirectoryBlobs", "SearchIndex", "Spool", "ProcessInspector", "Readmes", "Private", "Proxy", "Diary", "Probing", "Evicting", "Pruning", "Searching", "OpenFiles", "Door", "Lookups", "PrivateSocket", "Draining", "PublicSocket", "Workers", "SecondLook", "SpareMemory",
    ]  # fmt: skip
    assert not (tmp_path / "var").exists()


def test_descriptions_are_rendered_by_what_lives_and_stay_over_a_restart(tmp_path: Path) -> None:
    """By one service that the door knows; a daemon that only reads keeps none."""
    whole = assembly.build(planned(tmp_path, "[daemon]\n" + SILENT), Reactor())
    (readmes,) = (child for child in whole if isinstance(child, Readmes))
    (door,) = (child for child in whole if isinstance(child, Door))
    assert door.routes.views.desk.project.readmes is readmes
    assert readmes.kept is not None
    assert readmes.kept.folder == tmp_path / "var" / "rendered" / "readmes"


@pytest.mark.parametrize(
    ("said", "seconds", "shown"),
    [(None, 90 * 86400.0, "90d"), ("12h", 43200.0, "12h"), ("no", 0.0, "no"), ("OFF", 0.0, "no"), ("0s", 0.0, "no")],
)
def test_how_long_it_is_kept_who_took_what(tmp_path: Path, said: str | None, seconds: float, shown: str) -> None:
    """Addresses are personal data, so there is an end to it, and a way to keep none of it; what is shown reads back."""
    found = planned(tmp_path, "[daemon]\n" + (f"access-records = {said}\n" if said else "") + SILENT)
    assert found.daemon.access_records == seconds
    assert f"access-records = {shown}\n" in describe(found)
    assert planned(tmp_path, describe(found)).daemon.access_records == seconds
    whole = assembly.build(found, Reactor())
    (door,) = (child for child in whole if isinstance(child, Door))
    assert (door.routes.files.fetches is not None) == (seconds > 0)


@pytest.mark.parametrize(
    ("said", "shown"),
    [(None, ""), ("OFF", "access-log = no\n"), ("access.log", "access-log = {here}/access.log\n"), ("/x/y", "access-log = /x/y\n")],
)
def test_where_the_access_log_is(tmp_path: Path, said: str | None, shown: str) -> None:
    """What is shown reads back as the same."""
    found = planned(tmp_path, "[daemon]\n" + (f"access-log = {said}\naccess-log-form = JSON\n" if said else "") + SILENT)
    assert ("access-log = " in describe(found)) == bool(said)
    assert shown.format(here=found.origin.parent) in describe(found)
    again = planned(tmp_path, describe(found)).daemon
    assert (again.access_log, again.access_log_form) == (found.daemon.access_log, found.daemon.access_log_form)


def test_what_is_too_old_is_forgotten_and_where_nothing_is_kept_all_of_it(tmp_path: Path) -> None:
    for said, left in (("2h", 1), ("no", 0)):
        reactor = Reactor()
        reactor.advance(1_780_000_000.0)
        text = f"[daemon]\naccess-records = {said}\n[records:records]\nuse = memory\n"
        made = make(planned(tmp_path, text + SILENT), reactor)
        fetches = made.records().fetches
        for age in (3 * 3600.0, 60.0):
            alpha = NormalizedName("alpha")
            now(fetches.note(Fetch(reactor.seconds() - age, "", "", "", "pypi", alpha, "", filename("alpha-1.zip"), None)))
        pruning = assembly.pruning(made, reactor, assembly.rulemaking(made, reactor))
        pruning.startService()
        reactor.advance(60.0)
        assert len(now(fetches.of_project(alpha, None, 0.0, 10))) == left
        now(pruning.stopService())


def test_the_lists_of_upstreams_have_a_store_of_their_own(tmp_path: Path) -> None:
    """Not that of the files, and not that of rendered lists, which may go at any time while the records remember these."""
    made = make(planned(tmp_path, "[daemon]\n" + SILENT), Reactor())
    lists = made.given["lists"]
    assert made.bare["index:pypi"].lists is lists
    assert lists.path == tmp_path / "var" / "names"
    assert lists is not made.bare["index:pypi"].blobs


def test_whoever_looks_after_what_is_stored_knows_who_keeps_things_there(tmp_path: Path) -> None:
    """A component that cannot be asked what it needs counts as somebody who may need anything."""
    text = (
        "[daemon]\nindex = root\n[index:root]\nuse = first-match\nindexes = private m pypi\n[index:m]\nuse = mirror\n"
        "[service:tidy]\nuse = janitor\nage = 2d\ninterval = 1h\n"
    )
    made = make(planned(tmp_path, text), Reactor())
    holdings = made.given["holdings"]
    assert [(home.label, home.source, home.remembers) for home in holdings.homes] == [
        ("private", None, False),
        ("m", made.bare["index:m"], False),
        ("pypi", made.bare["index:pypi"], True),
    ]
    assert holdings.stores == {"blobs": made.objects["blobs:blobs"]}
    assert holdings.strangers == []
    janitor = made.objects["service:tidy"]
    assert (janitor.holdings, janitor.age, janitor.interval) == (holdings, 2 * 86_400, 3600)
    verifyObject(IMeasured, janitor)
    text += "[service:other]\nuse = tests.parts:Keeper\n"
    assert make(planned(tmp_path, text), Reactor()).given["holdings"].strangers == ["[service:other]"]
