"""How clients are told to use an index: what a person copies, or a command writes, for pip, uv, Poetry, PDM, buildout and twine. Text alone."""

from __future__ import annotations

from urllib.parse import urlsplit

import attrs

NAME = "pypidaemon"
"""What the index is called where a tool wants a name for it."""


@attrs.frozen
class Part:
    """A block to copy: what it is about, and the block; `filed` says that it is what stands in the tool's own file."""

    about: str
    text: str
    filed: bool = False


@attrs.frozen
class Configuration:
    """All for one tool."""

    tool: str
    parts: tuple[Part, ...]


def configurations(base: str, upload: str | None, *, secret: bool = False) -> list[Configuration]:
    """
    The tools in the order in which most people look for them.

    :param base: the absolute address of the index's root, ending in "/".
    :param upload: where uploads go below it; None where they are off.
    :param secret: whether reading takes a login, for which a name and a token have to be put in.
    """
    simple = f"{base}simple/"
    scheme, _, rest = base.partition("://")
    entered = f"{scheme}://USER:TOKEN@{rest}simple/" if secret else simple
    host = trusted(base)
    trusting = f"trusted-host = {host}\n" if host else ""
    found = [
        Configuration(
            "pip",
            (
                Part("In pip.conf (pip config debug says where it is):", f"[global]\nindex-url = {entered}\n{trusting}", filed=True),
                Part("Or for once:", f"pip install --index-url {entered} PROJECT"),
            ),
        ),
        Configuration(
            "uv",
            (
                Part(
                    "In pyproject.toml, or in uv.toml without tool.uv.:",
                    f'[[tool.uv.index]]\nname = "{NAME}"\nurl = "{simple}"\ndefault = true\n',
                    filed=True,
                ),
                *(
                    (Part("The login, in the environment:", "UV_INDEX_PYPIDAEMON_USERNAME=USER\nUV_INDEX_PYPIDAEMON_PASSWORD=TOKEN"),)
                    if secret
                    else ()
                ),
                Part("Or for once:", f"uv pip install --default-index {entered} PROJECT"),
            ),
        ),
        Configuration(
            "Poetry",
            (
                Part("In the project's folder:", f"poetry source add --priority=primary {NAME} {simple}"),
                Part(
                    "Which writes into pyproject.toml:",
                    f'[[tool.poetry.source]]\nname = "{NAME}"\nurl = "{simple}"\npriority = "primary"\n',
                    filed=True,
                ),
                *((Part("The login, whose token is asked for:", "poetry config http-basic.pypidaemon USER"),) if secret else ()),
            ),
        ),
        Configuration(
            "PDM",
            (
                Part(
                    "In pyproject.toml:",
                    f'[[tool.pdm.source]]\nname = "pypi"\nurl = "{simple}"\nverify_ssl = {"false" if host else "true"}\n',
                    filed=True,
                ),
                *((Part("The login:", "pdm config pypi.username USER\npdm config pypi.password TOKEN"),) if secret else ()),
            ),
        ),
        Configuration(
            "buildout",
            (Part("In buildout.cfg, or in ~/.buildout/default.cfg for all of them:", f"[buildout]\nindex = {simple}\n", filed=True),),
        ),
    ]
    if upload is not None:
        address = base + upload
        found.append(
            Configuration(
                "twine",
                (
                    Part(
                        "In ~/.pypirc (readable for you alone); a token's user is __token__:",
                        f"[distutils]\nindex-servers = {NAME}\n\n[{NAME}]\nrepository = {address}\nusername = __token__\npassword = TOKEN\n",
                        filed=True,
                    ),
                    Part("Then:", f"twine upload -r {NAME} dist/*"),
                    # What stands on a command line is seen by every user of the machine.
                    Part(
                        "Or with uv, which asks for the user, __token__, and for the token:", f"uv publish --publish-url {address} dist/*"
                    ),
                ),
            )
        )
    return found


def trusted(base: str) -> str | None:
    """The host that a client has to be told to trust at that address, since it speaks plain http with its own machine alone unless it is; else None."""
    parts = urlsplit(base)
    return parts.hostname if parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"} else None
