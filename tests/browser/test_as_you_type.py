"""Search as somebody types, in a real browser: the page changes, the bar of other pages suggests names, and nothing is refused."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from pypidaemon.web.reply import Reply
from pypidaemon.web.views import static
from tests.browser.chromium import chromium
from tests.browser.test_attacks import served
from tests.web.test_search import Sought
from tests.web.test_search import house as house

TYPED = """new Promise(done => {
    const field = document.querySelector("body > header input");
    const seen = () => { const text = look(); if (text) done(text); else setTimeout(seen, 20); };
    const look = () => %s;
    field.value = "weather";
    field.dispatchEvent(new Event("input", { bubbles: true }));
    seen();
})"""


def pages(house: Sought) -> dict[str, Reply]:
    """What the browser is to ask for, as it asks."""
    found = {f"/{static.path(name)}": house.get(f"/{static.path(name)}") for name in static.ASSETS}
    for path in ("/", "/search/", "/search/?q=weather"):
        found[path] = house.get(path, accept="text/html")
    path = "/search/?most=8&q=" + quote("weather")
    found[path] = house.get(path, accept="application/json")
    return found


def test_what_is_found_changes_while_somebody_types(house: Sought, tmp_path: Path) -> None:
    """And the address with it, so that it can be kept; on other pages names are suggested."""
    with served(pages(house)) as url, chromium(tmp_path / "chromium") as browser:
        tab = browser.open()
        seen = tab.show(f"{url}/search/")
        text = tab.run(TYPED % 'document.querySelector("#found li") && document.querySelector("#found").textContent + location.search')
        assert "Our.Thing" in text
        assert "Weather for <b>everybody</b>" in text
        assert "?q=weather" in text
        suggesting = tab.show(f"{url}/")
        assert tab.run(TYPED % '[...document.querySelectorAll("datalist option")].map(one => one.value).join(" ")') == "our-thing"
        assert seen.refused == suggesting.refused == []
