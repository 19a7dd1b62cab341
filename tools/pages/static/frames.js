// Frames get the height of their email, and shrink if there is less room.

function fit(frame) {
  const page = frame.contentDocument;
  if (!page || !page.body) return;
  const width = Number(frame.dataset.width);
  const room = frame.parentElement.clientWidth;
  const scale = Math.min(1, room / width);
  frame.style.width = `${Math.max(width, scale === 1 ? room : 0)}px`;
  // First smaller than any email, because a page is at least as high as its frame.
  frame.style.height = "0";
  const height = Math.ceil(page.documentElement.scrollHeight);
  frame.style.height = `${height}px`;
  frame.style.transform = scale < 1 ? `scale(${scale})` : "";
  frame.parentElement.style.height = `${Math.ceil(height * scale)}px`;
  frame.dataset.fitted = "";
}

export function fitAll(root = document) {
  for (const frame of root.querySelectorAll(".frame iframe")) {
    if (!frame.dataset.watched) {
      frame.dataset.watched = "true";
      frame.addEventListener("load", () => fit(frame));
    }
    fit(frame);
  }
}

addEventListener("resize", () => fitAll());
fitAll();
