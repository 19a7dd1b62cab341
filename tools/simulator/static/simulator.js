// Follows an event until it is settled, makes frames as high as their email, and keeps the form.

const story = document.querySelector("#story");

function fit() {
  for (const frame of story.querySelectorAll(".frame iframe")) {
    const resize = () => {
      const page = frame.contentDocument;
      if (!page?.body) return;
      frame.style.height = "0";
      frame.style.height = `${Math.ceil(page.documentElement.scrollHeight)}px`;
    };
    frame.addEventListener("load", resize);
    addEventListener("resize", resize);
    resize();
  }
}

// Replaces only what has changed, so that an open line stays open and a frame is loaded once.
function show(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html").body;
  const verdict = fresh.querySelector("#verdict");
  const old = story.querySelector("#verdict");
  if (old.outerHTML !== verdict.outerHTML) {
    old.className = verdict.className;
    old.innerHTML = verdict.innerHTML;
  }
  const steps = story.querySelectorAll(".steps > li");
  fresh.querySelectorAll(".steps > li").forEach((step, place) => {
    if (step.innerHTML !== steps[place].dataset.as) {
      steps[place].innerHTML = step.innerHTML;
      steps[place].dataset.as = step.innerHTML;
    }
  });
  fit();
  return !verdict.classList.contains("pending");
}

async function follow() {
  try {
    const answer = await fetch(story.dataset.address);
    if (answer.ok && show(await answer.text())) {
      await history();
      story.dataset.settled = "true";
      return;
    }
  } catch {
    // The server is gone for now.
  }
  setTimeout(follow, 400);
}

async function history() {
  const answer = await fetch(location.pathname);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of ["#score", ".history tbody"]) {
    document.querySelector(part).replaceWith(fresh.querySelector(part));
  }
}

const form = document.querySelector("form");
const switches = form.querySelectorAll("fieldset:last-of-type select");

function mark() {
  for (const select of switches) {
    select.parentElement.classList.toggle("wrong", select.selectedIndex > 0);
  }
  const offered = form.elements.configurator.selectedOptions[0].dataset.languages.split(" ");
  for (const option of form.elements.language.options) {
    if (!option.value) continue;
    const lacking = offered.includes(option.value) ? "" : ", which the brand doesn’t offer";
    option.textContent = option.dataset.name + lacking;
  }
}

// Browsers forget a form that may not be stored. "Back" and "Reload" show it as it was left.
const kept = `form ${location.pathname}`;
addEventListener("pagehide", () => {
  sessionStorage.setItem(kept, JSON.stringify([...new FormData(form)]));
});
const [visit] = performance.getEntriesByType("navigation");
if (["back_forward", "reload"].includes(visit.type)) {
  for (const [name, value] of JSON.parse(sessionStorage.getItem(kept) ?? "[]")) {
    // Not form.elements[name]: one field is called as a method of it, item.
    const field = form.querySelector(`[name="${name}"]`);
    if (field.value === value) continue;
    field.value = value;
    field.closest("details")?.setAttribute("open", "");
  }
}

form.addEventListener("change", mark);
mark();
fit();
if (story.dataset.settled === "false") follow();
