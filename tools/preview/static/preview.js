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

// What the browser could not load, only shown where pictures are loaded.
const unloaded = document.querySelector("#unloaded");

async function tellUnloaded(frame) {
  const page = frame.contentDocument;
  await page.fonts.ready;
  const pictures = [...page.images].filter((each) => each.complete && !each.naturalWidth);
  const fonts = [...page.fonts].filter((each) => each.status === "error");
  const told = new Set([...unloaded.children].map((each) => each.textContent));
  for (const what of [
    ...pictures.map((each) => `This picture doesn’t load: ${each.src}`),
    ...fonts.map((each) => `This font doesn’t load: ${each.family.replaceAll('"', "")}`),
  ]) {
    if (told.has(what)) continue;
    told.add(what);
    unloaded.append(Object.assign(document.createElement("li"), { textContent: what }));
    unloaded.hidden = false;
    document.querySelector("#fine")?.remove();
  }
}

if (unloaded) {
  for (const frame of document.querySelectorAll(".frame iframe")) {
    frame.addEventListener("load", () => tellUnloaded(frame));
    if (frame.contentDocument?.readyState === "complete") tellUnloaded(frame);
  }
}

setInterval(() => document.hidden || follow(), 1000);
fitAll();
