// Follows an event until it is settled, and makes frames as high as their email.

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
      story.dataset.settled = "true";
      await history();
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

for (const select of document.querySelectorAll("fieldset:last-of-type select")) {
  select.addEventListener("change", () => {
    select.parentElement.classList.toggle("amiss", select.selectedIndex > 0);
  });
}

fit();
if (story.dataset.settled === "false") follow();
