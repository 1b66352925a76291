"""Files whose first bytes are lost here, and of which upstream has other bytes by now: nobody can bring those back (S28, F26)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pypidaemon.errors import NoSuchFile, UpstreamUnavailable
from pypidaemon.filenames import filename, project_name
from pypidaemon.model import Companion, Digest
from pypidaemon.rulings import Rulings
from tests.filling import read
from tests.gear import now
from tests.mirroring import Mill

ALPHA = project_name("alpha")
FIRST = filename("alpha-1.0.tar.gz")


def lost(tmp_path: Path, **settings: Any) -> tuple[Mill, Digest]:
    """A mirror that has lost a file which upstream then replaced, and which a client has missed."""
    mill = Mill(tmp_path, index_settings=settings)
    mill.upstream.add("alpha", "alpha-1.0.tar.gz", "alpha-2.0.tar.gz")
    mill.upstream.add("beta", "beta-1.0.tar.gz")
    assert mill.run()["complete"]
    file = now(mill.index.find(ALPHA, FIRST)).file
    now(mill.blobs.remove(file.digest))
    mill.upstream.offers["alpha"].files["alpha-1.0.tar.gz"] = b"other bytes under the same name"
    mill.upstream.add("alpha")
    with pytest.raises(UpstreamUnavailable):
        read(mill.index, ALPHA, FIRST, Companion.FILE)
    return mill, file.digest


@pytest.mark.parametrize("removal", ["follow", "keep"])
def test_a_lost_file_that_upstream_replaced_is_told_once_and_offered_no_longer(tmp_path: Path, removal: str) -> None:
    """No run can bring it back, so none is held up by it; the other bytes are not taken for it."""
    mill, _ = lost(tmp_path, removal=removal)
    ended = mill.run()
    assert (ended["complete"], ended["waiting"], ended["failed"], ended["errors"]) == (True, 0, 0, [])
    assert ended["replaced"] == ["alpha alpha-1.0.tar.gz"]
    assert ended["files_removed"] == 1
    assert mill.files("alpha") == ["alpha-2.0.tar.gz"]
    with pytest.raises(NoSuchFile):
        read(mill.index, ALPHA, FIRST, Companion.FILE)
    assert now(mill.records.mirrors.waiting("mirror")) == []
    mill.upstream.add("alpha", "alpha-3.0.tar.gz")
    again = mill.run()
    assert (again["complete"], again["replaced"]) == (True, [])
    assert mill.files("alpha") == ["alpha-2.0.tar.gz", "alpha-3.0.tar.gz"]


def test_its_first_bytes_can_be_put_back_while_it_leaves(tmp_path: Path) -> None:
    """As whoever finds them in a backup does."""
    mill, digest = lost(tmp_path)
    assert mill.run()["complete"]
    [leaving] = now(mill.records.mirrors.leaving("mirror"))
    assert (leaving.filename, leaving.mirrored.page.files[0].digest) == (FIRST, digest)
    assert now(mill.records.mirrors.bring_back("mirror", ALPHA)) == 1


def test_a_lost_file_waits_as_long_as_upstream_has_the_same_bytes(tmp_path: Path) -> None:
    """Then that they do not come is trouble that may pass."""
    mill = Mill(tmp_path)
    mill.upstream.add("alpha", "alpha-1.0.tar.gz", "alpha-2.0.tar.gz")
    assert mill.run()["complete"]
    file = now(mill.index.find(ALPHA, FIRST)).file
    now(mill.blobs.remove(file.digest))
    mill.upstream.bodies[file.url] = NoSuchFile(FIRST)
    with pytest.raises(UpstreamUnavailable):
        read(mill.index, ALPHA, FIRST, Companion.FILE)
    ended = mill.run()
    assert (ended["complete"], ended["waiting"], ended["replaced"]) == (False, 1, [])
    assert [one.filename for one in now(mill.index.project_page(ALPHA)).files] == [FIRST, "alpha-2.0.tar.gz"]


def test_a_lost_file_waits_while_upstream_cannot_be_asked_for_it(tmp_path: Path) -> None:
    """An outage proves nothing."""
    mill, _ = lost(tmp_path)
    mill.upstream.broken["alpha-1.0.tar.gz"] = UpstreamUnavailable("pypi", "it answers 500")
    ended = mill.run()
    assert (ended["complete"], ended["waiting"], ended["replaced"]) == (False, 1, [])
    mill.upstream.broken.clear()
    mill.clock.advance(60)
    ended = mill.run()
    assert (ended["complete"], ended["replaced"]) == (True, ["alpha alpha-1.0.tar.gz"])


def test_a_rehearsal_says_which_lost_files_were_replaced(tmp_path: Path) -> None:
    """It does not ask for the bytes, so it says what upstream's page does."""
    mill, _ = lost(tmp_path)
    mill.settings["rulings"] = Rulings()
    ended = mill.run(rehearsal=True)
    assert ended["plan"] == {"take": ["alpha alpha-1.0.tar.gz"]}
    assert now(mill.index.find(ALPHA, FIRST)).file.filename == FIRST


def test_R123_a_file_that_is_rewritten_by_its_nature_is_taken_anew(tmp_path: Path) -> None:
    """It has no first bytes that would stay."""
    mill = Mill(tmp_path)
    variants = filename("alpha-1.0-variants.json")
    mill.upstream.add("alpha", "alpha-1.0.tar.gz", variants)
    assert mill.run()["complete"]
    mill.upstream.offers["alpha"].files[variants] = b"{}"
    mill.upstream.add("alpha")
    assert mill.run()["complete"]
    assert read(mill.index, ALPHA, variants, Companion.FILE) == b"{}"
    assert now(mill.records.facts.replaced(("", "", ""), 9)) == []
