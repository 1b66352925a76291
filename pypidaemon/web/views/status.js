// Keeps the parts of the status page true that change. Without scripts, or where no place is left, loading the page again does the same.
"use strict";
const live = document.getElementById("live");
function listen() {
  const news = new EventSource("../+events");
  news.onopen = () => { live.textContent = "Kept up to date."; };
  news.addEventListener("section", (event) => {
    const told = JSON.parse(event.data);
    const place = document.getElementById(told.id);
    const next = document.createElement("template");
    next.innerHTML = told.html;
    // Nothing moves away under who is reading it by the keyboard, nor is it read out again where it says the same.
    if (place && next.content.textContent !== place.textContent && !place.contains(document.activeElement)) place.replaceChildren(next.content);
  });
  news.onerror = () => {
    live.textContent = "The connection is lost. Load the page again for news.";
    // Where it was refused the browser does not try again by itself.
    if (news.readyState === EventSource.CLOSED) setTimeout(listen, 15000);
  };
  addEventListener("pagehide", () => news.close(), { once: true });
}
addEventListener("pageshow", listen);
