"""What one upstream does has no effect on who asks another, and no document beside a file is without end."""

from __future__ import annotations

import attrs
import pytest

from pypidaemon.errors import CorruptContent, NoSuchFile
from pypidaemon.filenames import filename
from pypidaemon.model import Companion, NormalizedName
from pypidaemon.waits import Bell
from tests.fakes import FakeBody, FakeUpstream, file, page
from tests.gear import later, now, waiting
from tests.house import House

ALPHA = NormalizedName("alpha")


class Never(FakeUpstream):
    """It has the file, and never gets round to sending it."""

    async def fetch_body(self, url: str, offset: int) -> FakeBody:
        await Bell().wait()
        raise AssertionError(url)


def test_law_9_an_upstream_that_names_anothers_file_and_never_sends_it_holds_up_nobody_else() -> None:
    house = House()
    data = b"q" * 5000
    made = house.upstream.add("alpha", ("alpha-1.0.tar.gz", data))
    entry = attrs.evolve(made.files[0], url="https://slow.example/x", hashes=(*made.files[0].hashes, ("md5", "0" * 32)))
    hostile = Never(label="evil", pages={"alpha": page("alpha", entry)})
    held_up = later(house.new_proxy("evil", hostile).open_file(ALPHA, filename("alpha-1.0.tar.gz"), Companion.FILE))
    content = now(house.proxy.open_file(ALPHA, filename("alpha-1.0.tar.gz"), Companion.FILE))
    assert now(content.read(0, 10_000)) == data
    assert waiting(held_up)
    held_up.addErrback(lambda _: None)
    held_up.cancel()


@pytest.mark.parametrize("size", [(8 << 20) + 1, 64 << 20])
def test_S53_a_sidecar_without_end_is_not_given_nor_kept(size: int) -> None:
    house = House()
    entry = file("alpha-1.0-py3-none-any.whl", b"no wheel", core_metadata="")
    house.upstream.bodies[entry.url] = b"no wheel"
    house.upstream.bodies[entry.url + ".metadata"] = b"x" * size
    house.upstream.pages["alpha"] = page("alpha", entry)
    with pytest.raises((NoSuchFile, CorruptContent)):
        now(house.proxy.open_file(ALPHA, filename("alpha-1.0-py3-none-any.whl"), Companion.METADATA))
    assert all(len(data) < size for data in house.blobs._blobs.values())
