// The chat sidebar: asks WeCom which chat is open, then shows the piece about it.
"use strict";

const place = document.getElementById("piece");
const APIS = ["getCurExternalContact", "getCurExternalChat"];

function tell(key) {
  place.setAttribute("aria-busy", "false");
  place.replaceChildren(document.getElementById(`say-${key}`).content.cloneNode(true));
}

async function fill(answer) {
  if (answer.redirected && new URL(answer.url).pathname === "/login") { location.reload(); return; }
  if (!answer.ok) { tell("broken"); return; }
  const holder = document.createElement("template");
  holder.innerHTML = await answer.text();
  place.replaceChildren(holder.content);
  place.setAttribute("aria-busy", "false");
}

const invoke = (name) => new Promise((done) => wx.invoke(name, {}, done));

function agentConfig(asked) {
  return new Promise((success, fail) => {
    if (wx.agentConfig) { wx.agentConfig({ ...asked, jsApiList: APIS, success, fail }); return; }
    wx.invoke("agentConfig", { ...asked, jsApiList: APIS }, (answer) =>
      (/:ok$/.test(answer.err_msg) ? success : fail)(answer));
  });
}

async function show() {
  if (!window.wx) { tell("outside"); return; }
  const page = encodeURIComponent(location.href.split("#")[0]);
  const asked = await fetch(`/sidebar/config?url=${page}`);
  if (!asked.ok) { tell("broken"); return; }
  try {
    await agentConfig(await asked.json());
  } catch {
    tell("unsigned");
    return;
  }
  const { entry } = await invoke("getContext");
  if (entry === "group_chat_tools") {
    const { chatId } = await invoke("getCurExternalChat");
    if (chatId) { await fill(await fetch(`/sidebar/group/${encodeURIComponent(chatId)}`)); return; }
  } else {
    const { userId } = await invoke("getCurExternalContact");
    if (userId) { await fill(await fetch(`/sidebar/customer/${encodeURIComponent(userId)}`)); return; }
  }
  tell("nobody");
}

place.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  if (form.dataset.sent) return;
  form.dataset.sent = "1";
  place.setAttribute("aria-busy", "true");
  const body = new URLSearchParams(new FormData(form, event.submitter));
  await fill(await fetch(form.action, { method: "POST", body }));
  place.focus();
});

show().catch(() => tell("broken"));
