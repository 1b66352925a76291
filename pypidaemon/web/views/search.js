// What is found changes while somebody types. Without scripts the form does the same.
"use strict";
for (const form of document.querySelectorAll("form[role=search]")) {
  const field = form.querySelector("input");
  let asked = field.value, timer = 0, under_way = null;
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, 150);
  });
  async function look() {
    if (field.value === asked) return;
    asked = field.value;
    if (under_way) under_way.abort();
    under_way = new AbortController();
    const address = form.action + "?q=" + encodeURIComponent(asked);
    try {
      const answer = await fetch(address, { headers: { Accept: "text/html" }, signal: under_way.signal });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const found = page.getElementById("found");
      if (found) document.getElementById("found").replaceWith(found);
      history.replaceState(null, "", address);
    } catch {
      // Another letter came, or nobody answers: what stands there goes on standing there, and the form still works.
    }
  }
}
