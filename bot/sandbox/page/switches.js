// The switches of the sandbox: clock, faults, the story; and what both modules build on.
const API = '/sandbox/api/';
const FAULTS = [
  ['接口变慢(2 秒)', { pattern: '/cgi-bin/*', action: 'latency', value: 2 }],
  ['客户联系接口 503', { pattern: '/cgi-bin/externalcontact/*', action: 'status', value: 503 }],
  ['调用超频 45009', { pattern: '/cgi-bin/externalcontact/*', action: 'errcode', value: 45009 }],
  ['群发建好后断线(结果不明)', { pattern: '*/add_msg_template', action: 'reset_after' }],
  ['朋友圈任务建好后断线', { pattern: '*/add_moment_task', action: 'reset_after' }],
  ['存档中继断开', { pattern: '/relay/*', action: 'reset_before' }],
  ['回调重复送达', { pattern: '*', action: 'duplicate' }],
  ['回调顺序打乱', { pattern: '*', action: 'reorder' }],
  ['回调丢失三成', { pattern: 'app/*', action: 'drop', probability: 0.3 }],
];

export const $ = (id) => document.getElementById(id);
export const time = { now: new Date(), moved: () => {} };

export function h(tag, attrs = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attrs)) {
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (key === 'style' || value !== false) node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.flat().filter((one) => one !== null && one !== undefined && one !== ''));
  return node;
}

export function notice(text) {
  Object.assign($('notice'), { textContent: text, hidden: false });
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => { $('notice').hidden = true; }, 3500);
}

export async function call(path, body, method = body ? 'POST' : 'GET') {
  const answer = await fetch(API + path, { method, body: body && JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error?.message ?? found.error ?? '没有成功');
  return found;
}

export function showClock(now) {
  const at = new Date(now);
  const zone = { timeZone: 'Asia/Shanghai' };
  $('now').textContent = at.toLocaleTimeString('zh-CN', { ...zone, hour: '2-digit', minute: '2-digit', hour12: false });
  $('date').textContent = at.toLocaleDateString('zh-CN', { ...zone, month: 'long', day: 'numeric', weekday: 'short' });
  time.now = at;
}

async function move(at) {
  try {
    await call('clock', { spec: `${at.toISOString().slice(0, 19)}+00:00@${$('rate').value}` });
    setTimeout(time.moved, 900);
  } catch (wrong) { notice(wrong.message); }
}

function morning() {
  const day = new Date(time.now.getTime() + 32 * 3600e3).toISOString().slice(0, 10);
  return new Date(`${day}T08:55:00+08:00`);
}

async function showStory(paused) {
  try {
    const told = await call('story', paused === undefined ? undefined : { paused });
    $('story').textContent = told.paused ? '继续剧情' : '暂停剧情';
    $('story').onclick = () => showStory(!told.paused);
    $('story-row').hidden = false;
  } catch { $('story-row').hidden = true; }
}

async function switchFaults() {
  const boxes = [...$('faults').querySelectorAll('input')];
  await call('faults', undefined, 'DELETE');
  for (const [index, box] of boxes.entries()) if (box.checked) await call('faults', FAULTS[index][1]);
}

export async function startSwitches(moved) {
  time.moved = moved;
  $('faults').replaceChildren(...FAULTS.map(([name]) => h('label', {}, h('input', { type: 'checkbox', onchange: switchFaults }), name)));
  $('calm').onclick = async () => {
    for (const box of $('faults').querySelectorAll('input')) box.checked = false;
    await switchFaults();
    notice('故障已全部关掉');
  };
  for (const button of document.querySelectorAll('[data-move]')) {
    button.onclick = () => move(button.dataset.move === 'hour' ? new Date(time.now.getTime() + 3600e3) : morning());
  }
  $('rate').onchange = () => move(time.now);
  $('jump').onsubmit = (event) => { event.preventDefault(); move(new Date(`${$('moment').value}:00+08:00`)); };
  $('moment').value = new Date(time.now.getTime() + 8 * 3600e3).toISOString().slice(0, 16);
  await showStory();
}
