"""
A project's description as HTML that can do no harm: what `readme_renderer` makes of it, made to fit into a page of ours (S80).

Headings go below those of the page, names of places in it get a beginning of their own, and a picture that lies elsewhere is named and not fetched: whoever
reads a page of ours is not to be seen by others. Runs in a process of its own.
"""

from __future__ import annotations

from html import escape
from html.parser import HTMLParser

import attrs

LONGEST_SOURCE = 512 << 10
"""Characters of a description that are rendered; longer ones are shown as they are."""
LONGEST = 1 << 20
"""Characters of HTML that are kept."""
BRIEF = 28_000
"""Characters of it after which a page ends that shows other things as well, give or take a paragraph."""
DEEPEST = 100
"""Elements that may stand one in the other."""

_VOID = frozenset({"br", "hr", "img", "input", "col"})
_BLOCKS = frozenset(
    {"p", "pre", "ul", "ol", "dl", "table", "blockquote", "section", "div", "li", "details", "h1", "h2", "h3", "h4", "h5", "h6"}
)
_WHOLE = frozenset({"table", "pre", "details", "figure"})
"""What is not cut through."""
_HEADINGS = {f"h{level}": f"h{min(level + 2, 6)}" for level in range(1, 7)}


class Unfit(Exception):
    """It cannot be rendered, and is to be shown as it is; the line says why."""


@attrs.frozen
class Typeset:
    """The whole of it, and how much of it is enough for a page, with the ends of what stands open there; as long as the whole where all is."""

    html: str
    brief: int
    closing: str


def typeset(text: str, content_type: str) -> Typeset:
    """
    Render the description.

    :param content_type: as METADATA has it: `text/markdown; variant=CommonMark`; "" is reStructuredText, and what is none is plain text.
    :raises Unfit: as `Unfit`.
    """
    if len(text) > LONGEST_SOURCE:
        raise Unfit("it is too long")
    kind, _, parameters = content_type.partition(";")
    match kind.strip().lower():
        case "text/markdown":
            from readme_renderer import markdown

            rendered = markdown.render(text, variant="CommonMark" if "commonmark" in parameters.lower() else "GFM")
        case "text/x-rst" | "":
            from readme_renderer import rst

            rendered = rst.render(text)
        case _:
            raise Unfit("it is plain text")
    if rendered is None:
        raise Unfit("its markup is broken")
    return fitted(rendered)


def fitted(html: str) -> Typeset:
    """
    Cleaned HTML as it stands in a page of ours.

    :raises Unfit: it is too long, or too deep.
    """
    setter = _Setter()
    setter.feed(html)
    setter.close()
    return setter.done()


class _Setter(HTMLParser):
    """Writes down what it reads, element by element, each ended where it should be."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.length = 0
        self.open: list[str] = []
        self.within = 0
        self.cut: tuple[int, str] | None = None
        self.last: tuple[int, str] = (0, "")
        self.begun: str | None = None
        """A link that has only just begun."""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attributes}
        if tag == "img":
            self._image(given)
            return
        name = _HEADINGS.get(tag, tag)
        if len(self.open) >= DEEPEST:
            raise Unfit("it is too deep")
        written = "".join(f' {key}="{escape(value)}"' for key, value in _attributes(tag, given))
        self._put(f"<{name}{written}>")
        if tag == "a":
            self.begun = self.pieces[-1]
        if tag not in _VOID:
            self.open.append(name)
            self.within += name in _WHOLE

    def handle_endtag(self, tag: str) -> None:
        name = _HEADINGS.get(tag, tag)
        if name in _VOID or name not in self.open:
            return
        if name == "a" and self.open[-1] == "a" and self.pieces[-1] is self.begun:
            # A link without a word, such as renderers put beside headings, is of use to nobody, and in the way of who cannot see that.
            self.open.pop()
            self.length -= len(self.pieces.pop())
            return
        while True:
            ended = self.open.pop()
            self._put(f"</{ended}>")
            self.within -= ended in _WHOLE
            if ended == name:
                break
        if name in _BLOCKS and not self.within and self.cut is None:
            place = (self.length, "".join(f"</{one}>" for one in reversed(self.open)))
            if self.length > BRIEF:
                self.cut = self.last if self.last[0] else place
            self.last = place

    def handle_data(self, data: str) -> None:
        self._put(escape(data, quote=False))

    def done(self) -> Typeset:
        """All of it."""
        while self.open:
            self._put(f"</{self.open.pop()}>")
        html = "".join(self.pieces)
        brief, closing = (self.length, "") if self.cut is None or self.length <= BRIEF else self.cut
        return Typeset(html, brief, closing)

    def _image(self, given: dict[str, str]) -> None:
        source, words = given.get("src", ""), given.get("alt", "").strip()
        if source.startswith("data:image/"):
            self._put(f'<img src="{escape(source)}" alt="{escape(words)}">')
        elif words:
            self._put(f'<span class="image">[{escape(words)}]</span>')

    def _put(self, piece: str) -> None:
        self.pieces.append(piece)
        self.length += len(piece)
        if self.length > LONGEST:
            raise Unfit("it is too long")


def _attributes(tag: str, given: dict[str, str]) -> list[tuple[str, str]]:
    """Those that mean something to us."""
    kept: list[tuple[str, str]] = []
    for key, value in given.items():
        if key == "id":
            kept.append(("id", f"readme-{value}"))
        elif key == "href":
            if value.startswith("#"):
                kept.append(("href", f"#readme-{value[1:]}"))
            elif value.lower().startswith(("http://", "https://", "mailto:")):
                # A relative one leads somewhere in the project's own repository, which we do not know.
                kept.append(("href", value))
                kept.append(("rel", "nofollow noreferrer noopener"))
        elif key in {"class", "title", "colspan", "rowspan", "start", "type", "checked", "disabled"}:
            kept.append((key, value))
    if tag in {"pre", "table"}:
        # It may be wider than the screen, and has to be reached by who moves it with keys.
        kept.append(("tabindex", "0"))
    if tag == "input":
        kept.append(("aria-label", "done" if "checked" in given else "to do"))
    return kept
