// A button to copy with beside each block that is there to be copied. Without scripts the block is there all the same.
"use strict";
for (const block of document.querySelectorAll("pre.copy")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copier";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy: " + (block.getAttribute("aria-label") || ""));
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(block.querySelector("code").textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  const holder = document.createElement("div");
  holder.className = "copying";
  block.replaceWith(holder);
  holder.append(block, button);
}

// Names are suggested while somebody types into the bar; on the search page what is found is shown instead.
const bar = document.querySelector("body > header form[role=search]");
if (bar && !document.getElementById("found")) {
  const field = bar.querySelector("input");
  const names = document.createElement("datalist");
  names.id = "names";
  bar.append(names);
  field.setAttribute("list", names.id);
  let timer = 0, under_way = null;
  const suggest = async () => {
    if (under_way) under_way.abort();
    under_way = new AbortController();
    try {
      const address = bar.action + "?most=8&q=" + encodeURIComponent(field.value);
      const answer = await fetch(address, { headers: { Accept: "application/json" }, signal: under_way.signal });
      const found = answer.ok ? (await answer.json()).results : [];
      names.replaceChildren(...found.map((one) => new Option(one.summary || "", one.name)));
    } catch {
      // Another letter came, or nobody answers: then nothing is suggested.
    }
  };
  field.addEventListener("input", () => {
    clearTimeout(timer);
    if (field.value.trim().length > 1) timer = setTimeout(suggest, 150);
  });
}
