// The live page, and forms that answer to a choice. Everything works without it, only less at once.
"use strict";

const MOST_LINES = 300;
const lines = document.getElementById("lines");

function pieces(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content;
}

function addLine(html) {
  document.getElementById("nothing")?.remove();
  const piece = pieces(html);
  const fresh = piece.querySelector("li");
  if (lines.querySelector(`[data-id="${fresh.dataset.id}"]`)) return;
  fresh.classList.add("fresh");
  lines.prepend(piece);
  while (lines.querySelectorAll(".line").length > MOST_LINES) {
    const every = lines.querySelectorAll(".line");
    every[every.length - 1].remove();
  }
}

function watch() {
  const live = document.getElementById("live");
  const source = new EventSource(lines.dataset.stream);
  source.addEventListener("open", () => { live.textContent = "实时"; live.dataset.on = "1"; });
  source.addEventListener("error", () => {
    live.textContent = source.readyState === EventSource.CLOSED ? "已断开,请刷新" : "重新连接中";
    delete live.dataset.on;
  });
  source.addEventListener("line", (event) => addLine(JSON.parse(event.data)));
  source.addEventListener("figures", (event) => {
    document.getElementById("figures").replaceChildren(pieces(JSON.parse(event.data)));
  });
  window.addEventListener("pagehide", () => source.close());
}

async function showOlder(button) {
  button.disabled = true;
  const answer = await fetch(button.dataset.older);
  if (!answer.ok) { button.disabled = false; return; }
  button.closest("li").replaceWith(pieces(await answer.text()));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-older]");
  if (button) showOlder(button);
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});
// A second press of a button sends nothing twice.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "1";
});
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});
if (lines) watch();
