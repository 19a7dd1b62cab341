// Optional: it saves pressing "Show" and reloading.

import { fitAll } from "/pages/frames.js";

document.documentElement.classList.add("scripted");
for (const select of document.querySelectorAll(".selects select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

const shown = document.querySelector("#preview").dataset.stamp;

const gone = document.querySelector("#gone");

async function follow() {
  try {
    const answer = await fetch("/stamp");
    gone.hidden = true;
    if (answer.ok && (await answer.text()) !== shown) location.reload();
  } catch {
    gone.hidden = false;
  }
}

setInterval(() => document.hidden || follow(), 1000);
fitAll();
