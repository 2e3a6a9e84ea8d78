// Copies a draft; everything else on the page works without it.
"use strict";

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // no clipboard on plain http: the words are marked, to be copied by hand
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const words = button.parentElement.querySelector(".words");
  const done = await copied(words.textContent);
  if (!done) {
    const range = document.createRange();
    range.selectNodeContents(words);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  }
  button.textContent = done ? "已复制" : "已选中，请长按复制";
});
// A second press of a button sends nothing twice.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "1";
});
