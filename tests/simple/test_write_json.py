"""Project pages in JSON, written."""

from __future__ import annotations

from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given

from pypidaemon.filenames import filename, project_name
from pypidaemon.model import File, ProjectPage, ProjectStatus
from pypidaemon.simple.write_json import render_json
from tests.strategies import pages

FILE = File(filename("foo-1.0+x.tar.gz"), path="by-name/x/foo/foo-1.0+x.tar.gz", size=5, hashes=(("sha256", "a" * 64), ("md5", "b" * 32)))
PAGE = ProjectPage(project_name("foo"), (FILE,), ("1.0+x",))


def written(**facts: Any) -> dict[str, Any]:
    document = orjson.loads(render_json(attrs.evolve(PAGE, files=(attrs.evolve(FILE, **facts),))))
    return document["files"][0]  # type: ignore[no-any-return]  # it is an object; the tests look into it


def page(**facts: Any) -> dict[str, Any]:
    return orjson.loads(render_json(attrs.evolve(PAGE, **facts)))  # type: ignore[no-any-return]  # as above


def test_R47_R49_R51_the_whole_of_a_plain_page() -> None:
    assert page(serial=7) == {
        "meta": {"api-version": "1.4", "_last-serial": 7},
        "name": "foo",
        "versions": ["1.0+x"],
        "files": [
            {
                "filename": "foo-1.0+x.tar.gz",
                "url": "../../packages/by-name/x/foo/foo-1.0%2Bx.tar.gz",
                "hashes": {"sha256": "a" * 64},
                "yanked": False,
                "size": 5,
                "core-metadata": False,
                "dist-info-metadata": False,
            }
        ],
    }


def test_R48_an_unknown_serial_is_not_stated() -> None:
    assert page()["meta"] == {"api-version": "1.4"}


def test_R49_a_project_without_files_has_an_empty_list() -> None:
    assert (page(files=())["files"], page(files=(), versions=())["versions"]) == ([], [])


@given(pages())
def test_R52_R65_nothing_is_null_and_there_is_no_byte_order_mark(page: ProjectPage) -> None:
    body = render_json(page)
    assert body.startswith(b'{"meta":')

    def walk(value: Any) -> None:
        assert value is not None
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(inner)

    walk(orjson.loads(body))


@given(pages())
def test_R53_one_hash_at_most_and_one_that_all_clients_know(page: ProjectPage) -> None:
    for entry in orjson.loads(render_json(page))["files"]:
        assert len(entry["hashes"]) <= 1
        assert set(entry["hashes"]) <= {"sha256", "sha512", "sha384", "md5"}


def test_R53_sha256_is_alone_else_the_best_known_else_none() -> None:
    assert written()["hashes"] == {"sha256": "a" * 64}
    assert written(hashes=(("md5", "b"), ("sha1", "c"), ("sha512", "d")))["hashes"] == {"sha512": "d"}
    assert written(hashes=(("blake2b_256", "b"), ("sha1", "c"), ("sha224", "d")))["hashes"] == {}


@pytest.mark.parametrize(("yanked", "shown"), [(None, False), ("", True), ("why", "why")])
def test_R54_yanked_is_never_an_empty_string(yanked: str | None, shown: object) -> None:
    assert written(yanked=yanked)["yanked"] is shown or written(yanked=yanked)["yanked"] == "why"


@pytest.mark.parametrize(("sidecar", "shown"), [(None, False), ("", True), ("c" * 64, {"sha256": "c" * 64})])
def test_R57_R58_the_sidecar_by_both_names(sidecar: str | None, shown: object) -> None:
    entry = written(core_metadata=sidecar)
    assert entry["core-metadata"] == entry["dist-info-metadata"] == shown


def test_R59_the_status_is_a_top_level_object_unless_it_says_nothing() -> None:
    assert "project-status" not in page()
    assert page(status=ProjectStatus("archived"))["project-status"] == {"status": "archived"}
    assert page(status=ProjectStatus("active", "why"))["project-status"] == {"status": "active", "reason": "why"}


def test_R55_R60_facts_pass_verbatim() -> None:
    entry = written(upload_time="2024-01-02T03:04:05.5Z", requires_python="not >a< version", gpg_sig=False)
    assert (entry["upload-time"], entry["requires-python"], entry["gpg-sig"]) == ("2024-01-02T03:04:05.5Z", "not >a< version", False)


def test_R62_a_page_with_a_file_of_unknown_size_is_1_0() -> None:
    document = page(files=(FILE, attrs.evolve(FILE, size=None)))
    assert document["meta"]["api-version"] == "1.0"
    assert "size" not in document["files"][1]


def test_R116_provenance_only_when_it_is_secure() -> None:
    assert written(provenance="https://index.example/p")["provenance"] == "https://index.example/p"
    assert "provenance" not in written(provenance="http://index.example/p")


def test_R119_R120_no_keys_of_rejected_or_absent_features() -> None:
    assert set(page(serial=1, status=ProjectStatus("archived"))) == {"meta", "name", "project-status", "versions", "files"}
