// The play page: reads the sandbox's history as it grows, and acts through /sandbox/api/act.
import { $, call, h, notice, showClock, startSwitches, time } from './switches.js';

const HUES = ['#5b8c85', '#8a6d3b', '#7a6c9d', '#a65d57', '#4f7cac', '#6b8e4e', '#b07d4b', '#5f6f7f'];
const TASKS = { single: '发给客户', group: '发到客户群', moment: '发到朋友圈,以下客户能看到' };
const VIA = { mass_single: '企业群发', mass_group: '企业群发', moments: '朋友圈', welcome: '欢迎语', group_welcome: '入群欢迎语', kf: '机器人' };
const KINDS = { image: '[图片]', emotion: '[表情]', voice: '[语音]', video: '[视频]', file: '[文件]', location: '[位置]',
  link: '[链接]', chatrecord: '[聊天记录]', weapp: '[小程序]' };
const state = { snap: null, last: 0, talks: new Map(), unread: new Map(), touched: new Map(), open: null,
  tab: 'tasks', inbox: [], notes: new Map(), recalled: new Set(), staff: new Map(), people: new Map(),
  groups: new Map(), remarks: new Map(), follow: new Map(), agreed: new Map(), caughtUp: false };

async function act(name, args) {
  try {
    return (await call('act', { name, args })).result;
  } catch (wrong) { return notice(wrong.message); }
}

// ---- who is who ----------------------------------------------------------------------------
const nameOf = (id) => state.remarks.get(id) ?? state.staff.get(id)?.name ?? state.people.get(id)?.name ?? state.groups.get(id)?.name ?? id;
const isStaff = (id) => state.staff.has(id);
const pairKey = (one, other) => (isStaff(one) ? `${one}|${other}` : `${other}|${one}`);

function face(id, small = false) {
  const name = state.groups.has(id) ? nameOf(id).split('·').pop() : nameOf(id);
  const hue = HUES[[...String(id)].reduce((sum, c) => sum + c.charCodeAt(0), 0) % HUES.length];
  return h('span', { class: small ? 'face small' : 'face', style: `background:${isStaff(id) ? '#11403c' : hue}`, 'aria-hidden': 'true' }, [...name][0] ?? '?');
}

async function refresh() {
  state.stale = false;
  const snap = await call('state');
  state.snap = snap;
  state.staff = new Map(snap.staff.map((one) => [one.userid, one]));
  state.people = new Map(snap.customers.map((one) => [one.external_userid, one]));
  state.groups = new Map(snap.groups.filter((one) => !one.dismissed).map((one) => [one.chat_id, one]));
  state.follow = new Map();
  for (const pair of snap.friendships) {
    if (pair.remark) state.remarks.set(pair.external_userid, pair.remark);
    state.follow.set(pair.external_userid, [...(state.follow.get(pair.external_userid) ?? []), pair]);
  }
  state.agreed = new Map(snap.consents.map((one) => [`${one.conversation}|${one.external_userid}`, one.agreed]));
  const pending = Object.values(snap.tasks).flat().length;
  $('facts').replaceChildren(...[['客户', snap.customers.length], ['好友', snap.friendships.length], ['存档', snap.archive_seq],
    ['标签', snap.friendships.reduce((sum, one) => sum + one.tags.length, 0)], ['待群发', pending],
    ['已送达', snap.counts.delivered ?? 0], ['卡片', snap.counts.app_message ?? 0]]
    .map(([label, count]) => h('div', {}, h('b', {}, String(count)), label)));
  $('staff-count').textContent = pending || '';
  showClock(snap.now);
  showEmployees();
  showList();
  if (state.open) showTop();
  await showDesk();
}

// ---- the list ------------------------------------------------------------------------------
function showList() {
  const wanted = $('search').value.trim();
  const fits = (id) => !wanted || [nameOf(id), state.people.get(id)?.name, id].some((text) => text?.includes(wanted));
  const place = (key, id, small) => h('button', { class: 'place', 'data-key': key, 'aria-current': String(state.open?.key === key), onclick: () => openTalk(key) },
    face(id), h('span', { class: 'w' }, h('b', {}, nameOf(id).split('·').pop()), h('small', {}, small)),
    state.unread.get(key) ? h('span', { class: 'badge' }, String(state.unread.get(key))) : '');
  const groups = [...state.groups.keys()].filter(fits).map((id) => place(id, id, `${state.groups.get(id).members.length} 人`));
  const desks = (state.snap?.kf_sessions ?? []).filter((one) => fits(one.external_userid))
    .map((one) => place(`kf|${one.external_userid}`, one.external_userid, ['新会话', '机器人接待', '排队中', '人工接待', '已结束'][one.state] ?? ''));
  const people = [...state.people.keys()].filter(fits).map((id) => {
    const friend = state.follow.get(id)?.[0];
    const tags = friend?.tag_names?.join(' ') ?? '';
    const key = friend ? `${friend.userid}|${id}` : `|${id}`;
    return [state.touched.get(key) ?? 0, place(key, id, friend ? `${nameOf(friend.userid)} · ${tags || state.people.get(id).name}` : '不是好友')];
  }).sort((a, b) => b[0] - a[0]).map((one) => one[1]);
  const focused = document.activeElement?.dataset.key;
  $('list').replaceChildren(groups.length ? h('h3', {}, '客户群') : '', ...groups, desks.length ? h('h3', {}, '微信客服') : '', ...desks, h('h3', {}, `客户 ${people.length}`), ...people);
  if (focused) $('list').querySelector(`[data-key="${focused}"]`)?.focus();
}

// ---- the chat ------------------------------------------------------------------------------
function openTalk(key) {
  const group = state.groups.get(key);
  const [left, right] = key.split('|');
  state.open = group ? { key, group: key } : left === 'kf' ? { key, kf: right } : { key, userid: left, customer: right };
  state.unread.delete(key);
  $('deeds').hidden = true;
  const { open } = state;
  const voices = group ? group.members.map((one) => one.userid).sort((a, b) => isStaff(a) - isStaff(b)) : open.kf ? [open.kf] : [open.customer, open.userid].filter(Boolean);
  $('as').replaceChildren(...voices.map((id) => h('option', { value: id }, nameOf(id) + (isStaff(id) ? '(员工)' : ''))));
  showTop();
  showTalk();
  showList();
  go('chat');
}

function showTop() {
  const { open } = state;
  const id = open.group ?? open.kf ?? open.customer;
  $('title').textContent = nameOf(id);
  const agreed = state.agreed.get(`${open.userid}|${open.customer}`);
  $('subtitle').textContent = open.group ? `${state.groups.get(id)?.members.length ?? 0} 人 · 群主 ${nameOf(state.groups.get(id)?.owner)}`
    : open.kf ? '微信客服' : !open.userid ? '还不是任何员工的好友'
      : `和 ${nameOf(open.userid)} 的聊天 · ${agreed === undefined ? '未表态' : agreed ? '已同意' : '不同意'}存档`;
}

function showTalk(bottom = true) {
  const box = $('talk');
  const reading = !bottom && box.scrollHeight - box.scrollTop - box.clientHeight > 80 ? box.scrollTop : null;
  const items = (state.talks.get(state.open.key) ?? []).slice(-300);
  const day = (item) => item?.at.slice(0, 10);
  $('talk').replaceChildren(...items.flatMap((item, i) => (day(item) === day(items[i - 1]) ? [bubble(item)]
    : [h('p', { class: 'sys day' }, day(item)), bubble(item)])));
  if (!items.length) $('talk').append(h('p', { class: 'empty' }, '还没有消息'));
  box.scrollTop = reading ?? box.scrollHeight;
}

function bubble(item) {
  if (item.sys) return h('p', { class: 'sys' }, item.sys);
  const me = $('as').value;
  if (state.recalled.has(item.msgid)) return h('p', { class: 'sys' }, `${nameOf(item.sender)} 撤回了一条消息`);
  const mine = item.sender === me;
  const kind = item.via ? 'bot' : isStaff(item.sender) ? 'staff' : '';
  const words = mine && !item.via && item.msgid
    ? h('button', { class: `bubble ${kind}`, title: '点一下撤回', onclick: () => recall(item) }, item.text)
    : h('div', { class: `bubble ${kind}` }, item.text);
  return h('div', { class: mine ? 'said mine' : 'said' }, face(item.sender, true),
    h('div', {}, h('div', { class: 'who' }, `${nameOf(item.sender)} ${item.at.slice(11, 16)}`), words, item.via ? h('span', { class: 'via' }, item.via) : ''));
}

function recall(item) {
  if (!confirm('撤回这条消息?')) return;
  if (state.open.kf) act('kf_recall', { customer: state.open.kf, open_kfid: desk(), msgid: item.msgid });
  else act('recall', { msgid: item.msgid });
}

const desk = () => state.snap.kf_accounts[0]?.open_kfid ?? '';

function say(event) {
  event.preventDefault();
  const text = $('words').value.trim();
  const { open } = state;
  if (!text || !open) return;
  const me = $('as').value;
  $('words').value = '';
  if (open.kf) act('kf_say', { customer: open.kf, open_kfid: desk(), content: text });
  else if (open.group) act('say', { sender: me, content: text, chat_id: open.group });
  else if (!open.userid) notice('先加好友,才能单聊');
  else act('say', { sender: me, content: text, peer: me === open.userid ? open.customer : open.userid });
}

function showDeeds() {
  const { open } = state;
  const me = $('as').value;
  const button = (text, name, args) => h('button', { onclick: async () => { await act(name, args()); await refresh(); openTalk(state.open.key); } }, text);
  const pick = (label, ids) => h('select', { 'aria-label': label }, ...ids.map((id) => h('option', { value: id }, nameOf(id))));
  const row = [];
  if (open.group) {
    const inside = new Set(state.groups.get(open.group).members.map((one) => one.userid));
    const who = pick('谁加入', [...state.people.keys()].filter((id) => !inside.has(id)));
    row.push(who, button('扫码入群', 'join_group', () => ({ chat_id: open.group, people: who.value })));
    row.push(button(`${nameOf(me)} 退群`, 'leave_group', () => ({ chat_id: open.group, people: me })));
  } else if (!open.kf) {
    const already = new Set((state.follow.get(open.customer) ?? []).map((one) => one.userid));
    const who = pick('加谁', [...state.staff.keys()].filter((id) => !already.has(id)));
    row.push(who, button('加为好友', 'add_friend', () => ({ customer: open.customer, userid: who.value })));
    if (open.userid) row.push(button('删除员工', 'delete_friend', () => ({ userid: open.userid, customer: open.customer, by: 'customer' })));
  }
  const hand = open.group ? state.groups.get(open.group).owner : open.userid;
  if (hand) row.push(button(`${nameOf(hand)} 自己群发`, 'send_by_hand', () => ({ userid: hand, text: $('words').value.trim() || '周末愉快', recipients: [open.group ?? open.customer] })));
  const customer = open.group && !isStaff(me) ? me : open.customer;
  const conversation = open.group ?? open.userid;
  if (customer && conversation) {
    row.push(button('同意存档', 'agree', () => ({ conversation, customer })), button('不同意存档', 'disagree', () => ({ conversation, customer })));
  }
  const asked = open.kf ?? customer;
  if (asked) row.push(button('找微信客服', 'kf_enter', () => { state.open = { key: `kf|${asked}`, kf: asked }; return { customer: asked, open_kfid: desk() }; }));
  $('deeds').replaceChildren(...row);
}

// ---- the staff phone -----------------------------------------------------------------------
function showEmployees() {
  const chosen = $('employee').value || 'chenxiaoyu';
  const label = (one) => `${one.name} ${one.position}${state.snap.tasks[one.userid]?.length ? `(${state.snap.tasks[one.userid].length})` : ''}`;
  const staff = [...state.staff.values()];
  if ([...$('employee').options].map((one) => one.text).join() === staff.map(label).join()) return;
  $('employee').replaceChildren(...staff.map((one) => h('option', { value: one.userid, selected: one.userid === chosen }, label(one))));
}

async function showDesk() {
  const userid = $('employee').value;
  if (!userid) return;
  state.inbox = (await act('staff_inbox', { userid })) ?? [];
  const tasks = state.snap.tasks[userid] ?? [];
  const mine = [...state.inbox, ...(state.notes.get(userid) ?? [])].sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
  $('tasks-count').textContent = tasks.length || '';
  $('inbox-count').textContent = state.inbox.filter((one) => one.body.button_list && !one.closed).length || '';
  // What has not changed stays, so that neither focus nor a half-made tap is lost.
  const drawn = JSON.stringify([userid, state.tab, tasks, mine]);
  if (drawn === state.drawn) return;
  state.drawn = drawn;
  const cards = state.tab === 'tasks' ? tasks.map((one) => taskCard(userid, one)) : mine.slice(0, 60).map((one) => messageCard(userid, one));
  if (!cards.length) cards.push(h('p', { class: 'empty' }, state.tab === 'tasks' ? '没有等待发送的群发' : '应用还没有发来消息'));
  const at = $('desk').scrollTop;
  $('desk').replaceChildren(...cards);
  $('desk').scrollTop = at;
}

function taskCard(userid, task) {
  const names = task.recipients.slice(0, 6).map(nameOf).join('、') + (task.recipients.length > 6 ? ` 等 ${task.recipients.length} 个` : '');
  return h('div', { class: 'card' }, h('h4', {}, TASKS[task.chat_type]),
    h('p', { class: 'faint' }, `${names} · ${task.created_at.slice(11, 16)}`), h('blockquote', {}, task.text || '[附件]'),
    h('div', { class: 'row' }, h('button', { class: 'main', onclick: async () => { if (await act('confirm_task', { userid, msgid: task.msgid })) notice('已发送'); await refresh(); } }, task.chat_type === 'moment' ? '发表' : '发送')));
}

const link = (url, text) => h('a', { href: url, target: '_blank', rel: 'noopener' }, text);

function messageCard(userid, one) {
  const { body } = one;
  if (one.msgtype !== 'template_card') {
    const text = body.content ?? body.description ?? body.title ?? '';
    return h('div', { class: 'card' }, one.from ? h('p', { class: 'faint' }, one.from) : '', body.title && body.description ? h('h4', {}, body.title) : '',
      h('p', {}, text.replace(/<[^>]+>/g, '')), body.url ? link(body.url, '打开') : '', h('p', { class: 'faint' }, hour(one.at)));
  }
  const press = (key) => async () => { await act('press_card', { userid, task_id: one.task_id, button_key: key }); await refresh(); };
  const buttons = body.button_list ?? [];
  const facts = (body.horizontal_content_list ?? []).flatMap((row) => [h('dt', {}, row.keyname), h('dd', {}, row.url ? link(row.url, row.value ?? '打开') : row.value ?? '')]);
  return h('div', { class: 'card' }, h('p', { class: 'faint' }, `${body.source?.desc ?? '群管'} · ${hour(one.at)}`),
    h('h4', {}, body.main_title?.title ?? ''), h('p', {}, body.main_title?.desc ?? ''),
    body.emphasis_content ? h('h4', {}, `${body.emphasis_content.title ?? ''} ${body.emphasis_content.desc ?? ''}`) : '',
    body.quote_area ? h('blockquote', {}, `${body.quote_area.title ?? ''}${body.quote_area.title ? '\n' : ''}${body.quote_area.quote_text ?? ''}`) : '',
    h('p', {}, body.sub_title_text ?? ''), facts.length ? h('dl', {}, ...facts) : '',
    ...(body.jump_list ?? []).filter((o) => o.url).map((o) => h('p', {}, link(o.url, o.title))),
    body.card_action?.url ? link(body.card_action.url, '查看详情') : '',
    buttons.length ? h('div', { class: 'row' }, ...(one.closed ? [h('button', { disabled: true }, one.closed)]
      : buttons.map((b, i) => h('button', { class: i ? '' : 'main', onclick: b.url ? () => window.open(b.url, '_blank', 'noopener') : press(b.key) }, b.text)))) : '');
}

const hour = (at) => new Date(at).toLocaleTimeString('zh-CN', { timeZone: 'Asia/Shanghai', hour: '2-digit', minute: '2-digit', hour12: false });

function note(userid, text, from, at) {
  state.notes.set(userid, [...(state.notes.get(userid) ?? []), { at, from, msgtype: 'text', body: { content: text }, closed: '' }]);
}

// ---- what happened -------------------------------------------------------------------------
function take(entry) {
  const add = (key, item) => {
    if (!state.talks.has(key)) state.talks.set(key, []);
    state.talks.get(key).push({ at: entry.at, ...item });
    state.touched.set(key, entry.id);
    if (key === state.open?.key) state.dirty = true;
    else if (state.caughtUp && !item.sys) state.unread.set(key, (state.unread.get(key) ?? 0) + 1);
  };
  const names = (ids) => ids.map(nameOf).join('、');
  const where = (id) => (state.groups.has(id) ? '在群里' : `对${nameOf(id)}`);
  const body = entry.body ?? {};
  const words = entry.text || body.title || KINDS[entry.msgtype] || (entry.msgtype === 'mixed' ? mixed(body) : `[${entry.msgtype}]`);
  const log = (text, kind = '') => { $('log').prepend(h('li', { class: kind }, h('time', {}, entry.at.slice(11, 19)), text)); };
  const said = {
    said: () => add(entry.chat_id || pairKey(entry.sender, entry.peer), { sender: entry.sender, text: words, msgid: entry.msgid }),
    kf_said: () => add(`kf|${entry.external_userid}`, { sender: entry.external_userid, text: words, msgid: entry.msgid }),
    kf_servicer_said: () => add(`kf|${entry.external_userid}`, { sender: entry.userid, text: entry.text ?? '', msgid: '' }),
    delivered: () => {
      const key = entry.chat_id || (entry.channel === 'kf' ? `kf|${entry.external_userid}` : `${entry.sender}|${entry.external_userid}`);
      add(key, { sender: entry.sender, text: entry.text || '[附件]', via: VIA[entry.channel] ?? entry.channel });
      log(`${VIA[entry.channel] ?? ''}送达 ${nameOf(entry.chat_id || entry.external_userid)}`, 'bot');
    },
    recalled: () => { state.recalled.add(entry.msgid); state.dirty = true; log(`${nameOf(entry.sender)} 撤回一条消息`); },
    group_joined: () => { add(entry.chat_id, { sys: `${names(entry.people)} 加入群聊` }); log(`${names(entry.people)} 入群`); },
    group_left: () => { add(entry.chat_id, { sys: `${names(entry.people)} 离开群聊` }); log(`${names(entry.people)} 退群`); },
    friend_added: () => { add(`${entry.userid}|${entry.external_userid}`, { sys: '已添加为好友' }); log(`${nameOf(entry.external_userid)} 加了 ${nameOf(entry.userid)}`); },
    friend_deleted: () => log(`${nameOf(entry.external_userid)} 与 ${nameOf(entry.userid)} 解除好友`),
    agree: () => log(`${nameOf(entry.external_userid)} ${where(entry.conversation)}同意会话存档`),
    disagree: () => log(`${nameOf(entry.external_userid)} ${where(entry.conversation)}不同意会话存档`),
    tag_created: () => log(`新标签「${entry.name}」`, 'bot'),
    tagged: () => log(`${nameOf(entry.external_userid)} 的标签 +${entry.add.length} -${entry.remove.length}`, 'bot'),
    mass_created: () => log(`群发任务:${entry.text.slice(0, 28)}`, 'bot'),
    mass_confirmed: () => log(`${nameOf(entry.userid)} 点了发送,${entry.recipients.length} 个对象`, 'staff'),
    mass_cancelled: () => log('一个群发任务被取消', 'bot'),
    robot_said: () => log(`群机器人在「${entry.group}」说:${entry.text.slice(0, 60)}`, 'bot'),
    moment_created: () => log(`朋友圈任务:${entry.text.slice(0, 28)}`, 'bot'),
    moment_published: () => log(`${nameOf(entry.userid)} 发表了朋友圈`, 'staff'),
    moment_cancelled: () => log('一个朋友圈任务被停止', 'bot'),
    app_message: () => log(`发给 ${names(entry.to)}:${entry.body?.main_title?.title ?? entry.body?.content?.slice(0, 24) ?? entry.msgtype}`, 'bot'),
    card_pressed: () => log(`${nameOf(entry.userid)} 按了卡片按钮`, 'staff'),
    staff_wrote: () => log(`${nameOf(entry.userid)} 写给应用`, 'staff'),
    passive_reply: () => { note(entry.userid, entry.text, '应用回复', entry.at); log(`应用回复 ${nameOf(entry.userid)}`, 'bot'); },
  }[entry.kind];
  said?.();
}

function mixed(body) {
  const parts = (body.item ?? []).map((one) => (one.type === 'text' ? JSON.parse(one.content).content : KINDS[one.type] ?? ''));
  return parts.join('') || '[图文]';
}

async function follow() {
  for (;;) {
    try {
      const { items } = await call(`history?since=${state.last}&limit=500&wait=${state.caughtUp ? 20 : 0}`);
      for (const entry of items) { take(entry); state.last = entry.id; }
      if (!items.length) state.caughtUp = true;
      while ($('log').children.length > 200) $('log').lastChild.remove();
      if (state.dirty) { state.dirty = false; showTalk(false); }
      state.stale ||= items.length > 0;
      if (state.caughtUp && state.stale && !state.pressing) await refresh();
    } catch {
      notice('演练场没有应答,正在重连…');
      await new Promise((done) => { setTimeout(done, 2000); });
    }
    await new Promise((done) => { setTimeout(done, state.caughtUp ? 700 : 0); });
  }
}

// ---- navigation -----------------------------------------------------------------------------
function go(view) {
  document.body.dataset.view = view;
  for (const button of document.querySelectorAll('[data-go]')) button.setAttribute('aria-current', String(button.dataset.go === view));
}

async function start() {
  for (const button of document.querySelectorAll('[data-go]')) button.onclick = () => go(button.dataset.go);
  for (const tab of document.querySelectorAll('[data-tab]')) tab.onclick = () => {
    state.tab = tab.dataset.tab;
    for (const one of document.querySelectorAll('[data-tab]')) one.setAttribute('aria-selected', String(one === tab));
    showDesk();
  };
  addEventListener('pointerdown', () => { state.pressing = true; });
  for (const end of ['pointerup', 'pointercancel']) addEventListener(end, () => { state.pressing = false; if (state.stale) refresh(); });
  $('search').oninput = showList;
  $('write').onsubmit = say;
  $('as').onchange = () => { showTalk(); if (!$('deeds').hidden) showDeeds(); };
  $('employee').onchange = showDesk;
  $('more').onclick = () => { if (!state.open) return; showDeeds(); $('deeds').hidden = !$('deeds').hidden; showTalk(); $('more').setAttribute('aria-expanded', String(!$('deeds').hidden)); };
  $('note').onsubmit = (event) => {
    event.preventDefault();
    const text = $('note-words').value.trim();
    if (!text) return;
    $('note-words').value = '';
    note($('employee').value, text, '我', time.now.toISOString());
    act('staff_text', { userid: $('employee').value, text }).then(showDesk);
  };
  await refresh();
  await startSwitches(refresh);
  if (state.groups.size) openTalk([...state.groups.keys()][0]);
  follow();
}

start();
