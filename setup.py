"""What pypidaemon is called, consists of and needs. Build and tool settings stand in pyproject.toml."""

import re
from pathlib import Path

from setuptools import setup

here = Path(__file__).parent
version = re.search(r'^__version__ = "([^"]+)"$', (here / "pypidaemon" / "__init__.py").read_text("utf-8"), re.MULTILINE)
if version is None:
    raise SystemExit("pypidaemon/__init__.py has no __version__")

setup(
    name="pypidaemon",
    version=version[1],
    description="A Python package index in one Twisted daemon: caching proxy and private packages",
    long_description=(here / "README.rst").read_text("utf-8"),
    long_description_content_type="text/x-rst",
    author="the pypidaemon authors",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    # The explicit `package_dir` makes an editable install put this folder on the path, where twistd looks for plugins; with the default
    # it installs an import hook, which twistd does not see. The list is explicit because `find_packages` leaves `twisted.plugins` out.
    package_dir={"": "."},
    packages=[
        "pypidaemon",
        "pypidaemon.backups",
        "pypidaemon.blobs",
        "pypidaemon.commands",
        "pypidaemon.accounts",
        "pypidaemon.advisories",
        "pypidaemon.archives",
        "pypidaemon.attestations",
        "pypidaemon.indexes",
        "pypidaemon.indexes.directory",
        "pypidaemon.indexes.mirror",
        "pypidaemon.indexes.policed",
        "pypidaemon.indexes.private",
        "pypidaemon.indexes.proxy",
        "pypidaemon.exports",
        "pypidaemon.inspection",
        "pypidaemon.interfaces",
        "pypidaemon.model",
        "pypidaemon.policies",
        "pypidaemon.records",
        "pypidaemon.services",
        "pypidaemon.services.mirroring",
        "pypidaemon.simple",
        "pypidaemon.testing",
        "pypidaemon.upstreams",
        "pypidaemon.verification",
        "pypidaemon.web",
        "pypidaemon.workers",
        "twisted.plugins",
    ],
    package_data={"pypidaemon": ["py.typed"], "pypidaemon.records": ["schema/*.sql"]},
    install_requires=[
        "twisted[tls]>=26.4",
        "treq>=26.7",
        "zope.interface>=7.0",
        "attrs>=24.1",
        "packaging>=26.1",
        "distlib>=0.3.8",
        "orjson>=3.10",
        "ijson>=3.3",
        "isal>=1.7",
        "zstandard>=0.23",
        "argon2-cffi>=23.1",
        "multipart>=1.2",
        "cronsim>=2.6",
        "prometheus-client>=0.21",
    ],
    extras_require={
        "attestations": ["pypi-attestations>=0.0.28,<0.1"],
        "test": [
            "pytest>=9",
            "pytest-cov>=6",
            "pytest-xdist>=3.6",
            "sphinx>=8",
            "hypothesis>=6.150",
            "trustme>=1.2",
            "uv>=0.9",
            "setuptools>=77",
            "pypi-attestations>=0.0.28,<0.1",
        ],
        "check": ["pypi-attestations>=0.0.28", "ruff>=0.17,<0.18", "mypy>=2.4", "mypy-zope>=1.0.17", "types-setuptools"],
        "docs": ["sphinx>=8", "towncrier>=24"],
    },
    # Built-in components stand in pypidaemon/components.py. The groups pypidaemon.<kind> are for other distributions.
    entry_points={"console_scripts": ["pypidaemon = pypidaemon.commands:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: No Input/Output (Daemon)",
        "Framework :: Twisted",
        "Intended Audience :: Developers",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Software Development :: Build Tools",
        "Topic :: System :: Software Distribution",
    ],
)
