"""How each uploader is told where to upload and as whom, and what it then uploads."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from pypidaemon.testing.archives import make_sdist, make_wheel
from tests.clients.installers import Outcome, run, uv_command, uv_environment
from tests.clients.tools import installed, interpreters
from tests.needs import missing

KEYRING = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
"""Keeps a tool from waiting for the keyring of a desktop that is not there."""

MOMENT = {"SOURCE_DATE_EPOCH": "1577836800"}
"""Has those that build what they upload build the same bytes again."""


@attrs.frozen
class Login:
    """Where an uploader uploads to, and as whom."""

    root: str
    """The daemon's address, without a slash at the end."""
    user: str
    password: str
    path: str = "/legacy/"

    @property
    def url(self) -> str:
        """The address that uploads go to."""
        return self.root + self.path

    def pypirc(self, place: Path) -> Path:
        """Write the file that several uploaders read, with this as the index `local`; answer its path."""
        home = place / "home"
        home.mkdir(parents=True, exist_ok=True)
        file = home / ".pypirc"
        file.write_text(
            "[distutils]\nindex-servers =\n    local\n\n"
            f"[local]\nrepository = {self.url}\nusername = {self.user}\npassword = {self.password}\n"
        )
        return file


@attrs.frozen
class Release:
    """What is uploaded. Another `edition` of the same name and version has other bytes."""

    name: str
    version: str
    edition: int = 0

    @property
    def module(self) -> str:
        """The name as it stands in file names and imports."""
        return self.name.replace("-", "_")

    def build(self, place: Path, *, sdist: bool = True) -> list[Path]:
        """A wheel and a source distribution in the folder `dist`, and nothing else there."""
        folder = place / "dist"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        made = [make_wheel(self.name, self.version, size=self.edition)]
        if sdist:
            made.append(make_sdist(self.name, self.version, size=self.edition))
        for filename, data in made:
            (folder / filename).write_bytes(data)
        return [folder / filename for filename, _ in made]

    def project(self, place: Path, more: str) -> None:
        """Write a pyproject.toml for tools that want a project around the files."""
        (place / "pyproject.toml").write_text(
            f'[project]\nname = "{self.name}"\nversion = "{self.version}"\nrequires-python = ">=3.8"\n{more}'
        )


def twine(to: Login, place: Path, release: Release) -> Outcome:
    """twine, as everybody calls it."""
    files = [str(file) for file in release.build(place)]
    account = ["--repository-url", to.url, "-u", to.user, "-p", to.password]
    command = [installed("twine").program("twine"), "upload", "--non-interactive", "--disable-progress-bar", *account, *files]
    return run(command, place, KEYRING)


def uv_publish(to: Login, place: Path, release: Release, *more: str) -> Outcome:
    """uv's own."""
    files = [str(file) for file in release.build(place)]
    account = ["--publish-url", to.url, "--trusted-publishing", "never", "-u", to.user, "-p", to.password]
    # By itself it tries a failed upload again for some seconds.
    environment = uv_environment("http://index.invalid/", place) | {"UV_HTTP_RETRIES": "1"}
    return run(uv_command("publish", *account, *more, *files), place, environment)


def uv_publish_checked(to: Login, place: Path, release: Release) -> Outcome:
    """uv that looks first what is there already."""
    return uv_publish(to, place, release, "--check-url", f"{to.root}/simple/")


def flit(to: Login, place: Path, release: Release) -> Outcome:
    """flit, which builds wheel and source distribution of a module."""
    # It looks for git, and packs only what git knows, unless it is told not to.
    release.project(
        place, 'description = "made for a test"\n[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'
    )
    (place / f"{release.module}.py").write_text(f'"""Edition {release.edition}."""\n')
    file = to.pypirc(place)
    return run([installed("flit").program("flit"), "publish", "--pypirc", str(file), "--repository", "local"], place, MOMENT)


def poetry(to: Login, place: Path, release: Release) -> Outcome:
    """poetry, with files that lie in `dist`."""
    release.build(place)
    release.project(place, "")
    environment = KEYRING | {
        "POETRY_CACHE_DIR": str(place / "poetry-cache"),
        "POETRY_NO_INTERACTION": "1",
        "POETRY_REPOSITORIES_LOCAL_URL": to.url,
        "POETRY_HTTP_BASIC_LOCAL_USERNAME": to.user,
        "POETRY_HTTP_BASIC_LOCAL_PASSWORD": to.password,
    }
    return run([installed("poetry").program("poetry"), "publish", "-r", "local"], place, environment)


def hatch(to: Login, place: Path, release: Release) -> Outcome:
    """hatch, with files that lie in `dist`."""
    files = [str(file) for file in release.build(place)]
    release.project(place, '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n')
    account = ["-r", to.url, "-u", to.user, "-a", to.password]
    environment = KEYRING | {"HATCH_DATA_DIR": str(place / "hatch-data"), "HATCH_CACHE_DIR": str(place / "hatch-cache")}
    return run([installed("hatch").program("hatch"), "--no-interactive", "publish", "--no-prompt", *account, *files], place, environment)


def pdm(to: Login, place: Path, release: Release) -> Outcome:
    """pdm, with files that lie in `dist`."""
    release.build(place)
    release.project(place, '[build-system]\nrequires = ["pdm-backend"]\nbuild-backend = "pdm.backend"\n')
    # It would make a virtual environment first.
    (place / ".pdm-python").write_text(sys.executable)
    environment = KEYRING | {"PDM_CHECK_UPDATE": "0", "PDM_CACHE_DIR": str(place / "pdm-cache"), "PDM_USE_VENV": "0"}
    account = ["-r", to.url, "-u", to.user, "-P", to.password]
    return run([installed("pdm").program("pdm"), "publish", "--no-build", *account], place, environment)


Uploader = Callable[[Login, Path, Release], Outcome]
"""Uploads a release from a folder, and answers how that ended."""


@attrs.frozen
class Manner:
    """An uploader, and how it ends in the cases where uploaders differ."""

    upload: Uploader
    tool: str
    """Its key in `TOOLS`."""
    refused: int = 1
    """Its exit status when the daemon refused something."""
    again: str = "done"
    """What it makes of files that are there already: "done" (they are sent, and the daemon finds them the same) or "skipped"."""
    other: str = "refused"
    """What becomes of other bytes under a name that is used: "refused", or "skipped" by one that looks at names alone."""


UPLOADERS: dict[str, Manner] = {
    "twine": Manner(twine, "twine"),
    "uv publish": Manner(uv_publish, "uv", refused=2),
    "uv publish --check-url": Manner(uv_publish_checked, "uv", refused=2, again="skipped"),
    "flit": Manner(flit, "flit"),
    "poetry": Manner(poetry, "poetry"),
    "hatch": Manner(hatch, "hatch", again="skipped", other="skipped"),
    "pdm": Manner(pdm, "pdm"),
}
"""The uploaders of today."""

OLD_PYTHONS = ("2.7", "3.6", "3.11")
"""Whose `setup.py sdist upload` is tried: the first and the last with a distutils, and one between."""


def old_python(version: str) -> str:
    """
    A Python of that version with its own distutils.

    Where this machine has none the test fails in CI and is skipped elsewhere; `tried` leaves out those that no package brings.
    """
    return _with_distutils(version) or missing(f"this machine has no python{version} with distutils")


def tried() -> list[str]:
    """The last Python with a distutils, and of the older ones those that are here; of all there are recorded requests besides."""
    return [version for version in OLD_PYTHONS if version == OLD_PYTHONS[-1] or _with_distutils(version)]


def _with_distutils(version: str) -> str | None:
    return next((place for place in interpreters(version) if _has_upload(place)), None)


def _has_upload(python: str) -> bool:
    command = [python, "-c", "import distutils.command.upload, distutils.command.register"]
    environment = {"PYTHONWARNINGS": "ignore", "SETUPTOOLS_USE_DISTUTILS": "stdlib"}
    try:
        return subprocess.run(command, env=environment, capture_output=True, timeout=30, check=False).returncode == 0
    except OSError:
        return False


def distutils(python: str, to: Login, place: Path, release: Release, words: Sequence[str]) -> Outcome:
    """`setup.py` with these words, by that Python's own distutils and a login in ~/.pypirc; whatever of `-r local` is wanted is in them."""
    (place / f"{release.module}.py").write_text(f'"""Edition {release.edition}."""\n')
    (place / "setup.py").write_text(
        "from distutils.core import setup\n"
        f"setup(name={release.name!r}, version={release.version!r}, py_modules=[{release.module!r}],\n"
        '      description="made for a test", author="Ann", author_email="ann@index.example", url="https://index.example/",\n'
        '      classifiers=["Private :: Do Not Upload"])\n'
    )
    to.pypirc(place)
    environment = {"SETUPTOOLS_USE_DISTUTILS": "stdlib", "PYTHONWARNINGS": "ignore"}
    return run([python, "setup.py", *words], place, environment)
