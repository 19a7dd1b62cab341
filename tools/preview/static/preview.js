// Optional: it saves pressing "Show" and reloading.

import { fitAll } from "/pages/frames.js";

document.documentElement.classList.add("scripted");
for (const select of document.querySelectorAll(".selects select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

const shown = document.querySelector("#preview").dataset.stamp;

async function follow() {
  try {
    const answer = await fetch("/stamp");
    if (answer.ok && (await answer.text()) !== shown) location.reload();
  } catch {
    // The server is gone for now.
  }
}

setInterval(() => document.hidden || follow(), 1000);
fitAll();
