// The page's script: it sends the requests, reads from the headers where each answer came from, and shows it.
// Text from outside only ever becomes textContent. Only the chosen language is stored.
'use strict';

const ROW = 20; // requests of "one after another"
const BURST = 12; // requests of "all at once": twice the next line's limit
const HTTP1_CONNECTIONS = 6; // to one host at a time, in every browser
const MAX_BYTES = 1024; // the server's limit for `param`
const MAX_DRAWN = 400; // marks on the timeline, rows in the table
const KINDS = ['origin', 'cache', 'shared', 'stale', 'error'];
const DOWN = ['timeout', 'refused', 'closed', 'protocol']; // `detail` values for a failure of the cache itself

// ---- words: static English text is in index.html; here is only what the script composes ----

const WORDS = {};
WORDS.en = {
  from: { origin: 'From the origin', cache: 'From the cache', shared: 'Shared with another request', stale: 'From the cache, stale', error: 'Error' },
  why: {
    hit: 'Kept from before, so the origin did not have to work it out again.',
    cold: 'Nothing was kept yet, so the origin worked it out. It is kept now: ask again.',
    expired: 'What was kept had expired, so the origin worked it out again. It is kept now.',
    unkept: 'The origin worked it out. It was not kept.',
    collapsed: 'It was being worked out for another request already: this one waited for that answer and cost the origin nothing.',
    staleNow: 'Past its time, but served at once while another request renews it.',
    originError: 'The origin failed just now, so the last good answer is served instead.',
    disabled: 'The cache is switched off, so every request goes to the origin.',
    refreshFailed: 'Past its time, and renewing it has failed just now, so the last good answer is served at once.',
    passed: 'The last answer to this question could not be kept, so for a few seconds the origin answers directly.',
    name: 'Another function has this name, so this one is not cached.',
    key: 'No key can be made of this question, so it is not cached.',
    breaker: 'The cache has failed several times, so for a moment requests go straight to the origin.',
    decode: 'What was kept could not be read, so the origin worked it out again.',
    oversize: 'The origin worked it out. It is too large to be kept.',
    down: 'The origin answered instead: right, only slower.',
  },
  down: detail => `The cache is down (${detail}).`,
  saved: time => `${time} saved`,
  faster: ratio => `${ratio}× faster`,
  thisTime: 'This time',
  fresh: s => `Fresh for another ${s}`, expired: 'Its time is up: the next request renews it.', past: s => `${s} past its time`,
  flushed: 'Flushed since.',
  raw: 'Raw response',
  waiting: 'Waiting for the answer.', cancelled: 'Cancelled',
  unreachable: 'The server cannot be reached', unreachableWhy: 'There was no answer from this address. Is the server still running?',
  httpError: status => `The server answered ${status}`,
  throttled: 'Too many requests at once', throttledWhy: 'Nothing failed. Ask again in a moment.',
  unserved: 'No function answered', unservedWhy: 'No environment was free, or the function did not start: its log says more.',
  flushDone: 'Flushed', forgotten: what => `Forgotten: ${what}. The next request goes to the origin.`,
  tokenLabel: 'Flush token', tokenUse: 'Flush with this token', tokenMemory: 'Kept in the memory of this page only.',
  iam: 'With IAM, flush from a shell that has your credentials:',
  limit: n => `Over HTTP/1.1 your browser sends at most ${n} requests to one host at a time; the others queue.`,
  calls: (n, of) => `${n} origin ${n === 1 ? 'call' : 'calls'} for ${of} requests`,
  without: (n, cost, total) => `Without a cache: ${n} × ${cost} = ${total}.`,
  withoutWork: (n, cost, total) => `Without a lease the origin would have worked ${n} × ${cost} = ${total}.`,
  queued: n => `Waited for a free connection or instance: ${n}.`,
  counted: (n, of) => `Origin calls counted by the server itself: ${n} (X-Origin-Calls; instances seen: ${of}).`,
  idle: 'Ask something, and the way of its answer lights up here.',
  summaryIdle: 'Each request becomes a mark; each line is ten times slower than the one below.',
  summaryCold: time => `Heavy operation from the origin: ${time}. Ask for the same again.`,
  summaryBoth: (cold, warm, ratio) => `Heavy operation: ${cold} from the origin, ${warm} from the cache (medians), ${ratio} times faster.`,
  chartFlush: 'flush', cancel: 'Cancel',
};
WORDS.es = {
  title: 'larder: mira cómo trabaja una caché', skip: 'Ir a las operaciones',
  headline: 'Lento una vez.\nLuego, al instante.',
  lead: 'Hay respuestas que tardan segundos en calcularse. Una caché guarda cada una durante un rato, y volver a pedirla cuesta milisegundos. Ejecuta la operación de abajo; luego ejecútala otra vez.',
  heavyTitle: 'Operación pesada', heavyAbout: 'Lenta a propósito: trabajo real que la primera vez tarda segundos.',
  paramLabel: 'Parámetro: cualquier texto', paramHint: 'Intro la ejecuta, Mayús + Intro empieza otra línea.', samples: 'Prueba con estos', heavyRun: 'Ejecutar operación',
  userTitle: 'Datos de usuario', userAbout: 'Una fila de la base de datos, usuarios del 1 al 500.',
  userLabel: 'Id de usuario', userRun: 'Obtener usuario',
  flushTitle: 'Vaciar la caché', flushAbout: 'Olvida lo guardado: la siguiente petición vuelve al origen.', flushLegend: 'Qué olvidar',
  scopeAll: 'Todo', scopeHeavy: 'Operación pesada', scopeUser: 'Usuarios', flushRun: 'Limpiar la caché',
  trialsTitle: 'Experimentos', rowTitle: 'Una tras otra', rowAbout: 'Pide 20 veces la operación pesada con el texto de arriba. Como mucho, la primera es lenta.', rowRun: 'Ejecutar 20 seguidas',
  burstTitle: 'Todas a la vez, con una clave fría', burstRun: 'Pedir 12 a la vez',
  burstAbout: 'Pide 12 veces, en el mismo instante, un texto nuevo. Una caché sencilla las dejaría pasar todas al origen; aquí va una y las demás esperan su respuesta.',
  liveTitle: 'Qué está pasando', you: 'Tú', youDo: 'preguntas', cache: 'Caché', cacheDoes: 'recuerda', origin: 'Origen', originDoes: 'lo calcula',
  totalRequests: 'Peticiones', totalRatio: 'Aciertos', totalSaved: 'Tiempo ahorrado', totalOrigin: 'Llamadas al origen',
  logTitle: 'Todas las peticiones en una tabla', colNumber: 'N.º', colAsked: 'Petición', colFrom: 'De', colTime: 'Tiempo',
  footer: 'Cada respuesta dice de dónde viene en su cabecera Cache-Status (RFC 9211); de ahí lo lee esta página.',
  cancel: 'Cancelar', language: 'Idioma',
  from: { origin: 'Del origen', cache: 'De la caché', shared: 'Compartida con otra petición', stale: 'De la caché, caducada', error: 'Error' },
  why: {
    hit: 'Estaba guardada, así que el origen no ha tenido que calcularla otra vez.',
    cold: 'Aún no había nada guardado y el origen la ha calculado. Ya está guardada: pídela otra vez.',
    expired: 'Lo guardado había caducado y el origen la ha calculado de nuevo. Ya está guardada.',
    unkept: 'El origen la ha calculado. No se ha guardado.',
    collapsed: 'Ya se estaba calculando para otra petición: esta esperó aquella respuesta y no le costó nada al origen.',
    staleNow: 'Ha caducado, pero se sirve al momento mientras otra petición la renueva.',
    originError: 'El origen acaba de fallar, así que se sirve la última respuesta buena.',
    disabled: 'La caché está apagada: todas las peticiones van al origen.',
    refreshFailed: 'Ha caducado y acaba de fallar su renovación, así que se sirve al momento la última respuesta buena.',
    passed: 'La última respuesta a esta pregunta no se pudo guardar, así que durante unos segundos responde el origen directamente.',
    name: 'Otra función tiene este nombre, así que esta no usa la caché.',
    key: 'No se puede formar una clave con esta pregunta, así que no usa la caché.',
    breaker: 'La caché ha fallado varias veces, así que por un momento las peticiones van directas al origen.',
    decode: 'Lo guardado no se pudo leer, así que el origen la ha calculado de nuevo.',
    oversize: 'El origen la ha calculado. Es demasiado grande para guardarla.',
    down: 'Ha respondido el origen: bien, solo que más despacio.',
  },
  down: detail => `La caché no funciona (${detail}).`,
  saved: time => `${time} de ahorro`, faster: ratio => `${ratio}× más rápido`, thisTime: 'Esta vez',
  fresh: s => `Fresca durante ${s} más`, expired: 'Ha caducado: la siguiente petición la renueva.', past: s => `Caducó hace ${s}`,
  flushed: 'Vaciada después.',
  raw: 'Respuesta sin procesar',
  waiting: 'Esperando la respuesta.', cancelled: 'Cancelada',
  unreachable: 'No se puede contactar con el servidor', unreachableWhy: 'Nadie responde en esta dirección. ¿Sigue en marcha el servidor?',
  httpError: status => `El servidor respondió ${status}`,
  throttled: 'Demasiadas peticiones a la vez', throttledWhy: 'Nada ha fallado. Pídela otra vez en un momento.',
  unserved: 'Ninguna función respondió', unservedWhy: 'No había un entorno libre, o la función no arrancó: su registro dice más.',
  flushDone: 'Vaciada', forgotten: what => `Olvidado: ${what}. La siguiente petición va al origen.`,
  tokenLabel: 'Token para vaciar', tokenUse: 'Vaciar con este token', tokenMemory: 'Solo se guarda en la memoria de esta página.',
  iam: 'Con IAM, vacía desde una terminal que tenga tus credenciales:',
  limit: n => `Por HTTP/1.1 tu navegador envía como mucho ${n} peticiones a la vez a un servidor; las demás hacen cola.`,
  calls: (n, of) => `${n} ${n === 1 ? 'llamada' : 'llamadas'} al origen para ${of} peticiones`,
  without: (n, cost, total) => `Sin caché: ${n} × ${cost} = ${total}.`,
  withoutWork: (n, cost, total) => `Sin coordinación, el origen habría trabajado ${n} × ${cost} = ${total}.`,
  queued: n => `Esperaron una conexión o instancia libre: ${n}.`,
  counted: (n, of) => `Llamadas al origen según el propio servidor: ${n} (X-Origin-Calls; instancias vistas: ${of}).`,
  idle: 'Pide algo, y aquí se ilumina el camino de su respuesta.',
  summaryIdle: 'Cada petición será una marca; cada línea es diez veces más lenta que la de abajo.',
  summaryCold: time => `Operación pesada desde el origen: ${time}. Pide lo mismo otra vez.`,
  summaryBoth: (cold, warm, ratio) => `Operación pesada: ${cold} desde el origen, ${warm} desde la caché (medianas), ${ratio} veces más rápido.`,
  chartFlush: 'vaciado',
  fields: { param: 'parámetro', characters: 'caracteres', words: 'palabras', entropy_bits: 'entropía (bits)', digest: 'resumen', rounds: 'rondas', name: 'nombre', email: 'correo', city: 'ciudad' },
};

let language = 'en';
const word = key => WORDS[language][key] ?? WORDS.en[key];

/** The page's language: the one chosen here before, else the first of the browser's that the page has. */
function preferredLanguage() {
  let chosen = null;
  try { chosen = localStorage.getItem('language'); } catch { /* storage may be forbidden: then ask the browser */ }
  const wanted = [chosen, ...navigator.languages].map(tag => String(tag).slice(0, 2).toLowerCase());
  return wanted.find(tag => Object.hasOwn(WORDS, tag)) ?? 'en';
}

function speak(chosen) {
  language = chosen;
  document.documentElement.lang = chosen;
  for (const node of document.querySelectorAll('[data-t]')) node.textContent = word(node.dataset.t);
  for (const node of document.querySelectorAll('[data-label]')) node.setAttribute('aria-label', word(node.dataset.label));
  for (const button of document.querySelectorAll('.languages button')) button.setAttribute('aria-pressed', String(button.lang === chosen));
  showLimit();
  countBytes();
  panels.forEach(panel => panel.redraw());
  showLive();
}

// ---- numbers ----

const digits = (value, places = 0) => new Intl.NumberFormat(language, { minimumFractionDigits: places, maximumFractionDigits: places }).format(value);

const measure = (value, unit, places) => `${digits(value, places)}\u00a0${unit}`;

/** A duration of `ms` milliseconds in its usual unit. */
function span(ms) {
  if (ms < 999.5) return measure(ms, 'ms', ms < 10 ? 1 : 0);
  if (ms < 60_000) return measure(ms / 1000, 's', ms < 10_000 ? 2 : 1);
  const seconds = Math.round(ms / 1000);
  return `${measure(Math.floor(seconds / 60), 'min')} ${measure(seconds % 60, 's')}`;
}

const times = ratio => digits(ratio, ratio < 10 ? 1 : 0);
const count = (list, test) => list.filter(test).length;
const median = list => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

// ---- building elements ----

const byId = id => document.getElementById(id);
const say = (id, text) => { byId(id).textContent = text; };

function put(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, value);
  node.append(...children.flat().filter(child => child !== null));
  return node;
}
const h = (tag, attributes = {}, ...children) => put(document.createElement(tag), attributes, children);
const s = (tag, attributes = {}, ...children) => put(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
const line = (name, kind, x1, x2, y1, y2) => s('line', { class: name, 'data-kind': kind, x1, x2, y1, y2 });
const icon = name => s('svg', { class: 'icon', 'aria-hidden': 'true' }, s('use', { href: `#icon-${name}` }));

/** An element whose width follows `share` (0…1); set through the CSSOM, since the CSP allows no style attributes. */
function sized(share, attributes = {}) {
  const node = h('i', attributes);
  node.style.setProperty('--share', String(Math.max(0, Math.min(1, share))));
  return node;
}

/** Runs `update` now and ten times a second for as long as the node is part of the page. */
function ticking(node, update) {
  node.dataset.ticks = '';
  node.tick = update;
  update();
  return node;
}
setInterval(() => {
  document.querySelectorAll('[data-ticks]').forEach(node => node.tick());
  if (pending.size > 0) drawTimeline();
}, 100);

// ---- requests ----

let token = ''; // of the flush; in memory only
const pending = new Set(); // the start times of the requests in progress

const heavyOp = param => ({ op: 'heavy-op', label: param, path: `heavy-op?${new URLSearchParams({ param })}` });
const user = id => ({ op: 'user', label: id, path: `user/${encodeURIComponent(id).replaceAll("'", '%27')}` });
const flush = scope => ({ op: 'flush', label: scope, path: 'flush', method: 'POST', body: JSON.stringify({ scope }) });

/** Sends a request and resolves to its answer. Never rejects: a failure is an answer of kind `error`. */
async function ask(question, signal) {
  // `no-store` bypasses the browser's own cache, which would also make equal requests wait for each other.
  // It adds `Cache-Control: no-cache`, which the server may take as "refresh", unless the request has its own.
  const headers = { 'Cache-Control': 'max-stale' };
  if (question.body) headers['Content-Type'] = 'application/json';
  if (question.op === 'flush' && token) headers.Authorization = `Bearer ${String.fromCharCode(...new TextEncoder().encode(token))}`; // as UTF-8
  const asked = { sent: performance.now() }, taken = () => performance.now() - asked.sent;
  pending.add(asked);
  byId('path').classList.add('asking');
  try {
    const { method = 'GET', body } = question;
    const response = await fetch(question.path, { method, body, headers, signal, cache: 'no-store', redirect: 'error' });
    const text = await response.text();
    return read({ ...question, ms: taken(), status: response.status, headers: response.headers, text });
  } catch {
    return { ...question, at: performance.now(), ms: taken(), kind: 'error', failure: signal.aborted ? 'cancelled' : 'unreachable' };
  } finally {
    pending.delete(asked);
  }
}

function read(answer) {
  const json = parse(answer.text);
  const status = cacheStatus(answer.headers.get('Cache-Status') ?? '');
  const known = answer.status === 200 || (answer.status === 404 && status !== null);
  return {
    ...answer, json, at: performance.now(), took: json?.took_ms ?? null, age: json?.age_s ?? null,
    kind: !known ? 'error' : answer.op === 'flush' ? 'flush' : kindOf(status, json?.source),
    why: status && whyOf(status), detail: status?.detail, down: DOWN.includes(status?.detail),
    originCall: status ? Boolean(status.fwd && !status.collapsed) : json?.source === 'origin',
    ttl: status?.ttl ? Number(status.ttl) : null,
  };
}

/** Parses JSON, with integers beyond 2^53 as exact text where the browser gives their source; null if it is invalid. */
function parse(text) {
  const exact = (_, value, context) => Number.isInteger(value) && !Number.isSafeInteger(value) ? context?.source ?? value : value;
  try { return JSON.parse(text, exact); } catch { return null; }
}

/** The parameters of the member `larder` of a Cache-Status field (RFC 9211, a structured list), or null. */
function cacheStatus(field) {
  const split = (text, mark) => (text.match(new RegExp(`(?:"(?:\\\\.|[^"\\\\])*"|[^"${mark}])+`, 'g')) ?? []).map(part => part.trim());
  for (const member of split(field, ',')) {
    const [name, ...parameters] = split(member, ';');
    if (name === 'larder') return Object.fromEntries(parameters.map(one => { const [key, value = 'true'] = split(one, '='); return [key, value]; }));
  }
  return null;
}

function kindOf(status, source) {
  if (!status) return ['origin', 'cache', 'stale'].includes(source) ? source : 'error';
  if (status.collapsed) return 'shared';
  if (status.hit) return Number(status.ttl) < 0 ? 'stale' : 'cache';
  return status.detail === 'origin-error' ? 'stale' : 'origin';
}

function whyOf(status) {
  if (status.hit && status.detail === 'refresh-failed') return 'refreshFailed';
  if (status.hit) return Number(status.ttl) < 0 ? 'staleNow' : 'hit';
  if (status.collapsed) return 'collapsed';
  if (DOWN.includes(status.detail)) return 'down';
  if (status.detail === 'origin-error') return 'originError';
  if (status.detail in WORDS.en.why) return status.detail;
  if (!status.stored) return 'unkept';
  return status.fwd === 'stale' ? 'expired' : 'cold';
}

// ---- the visit so far ----

const visit = []; // every request of this visit, in the order of their answers
const costs = new Map(); // what an answer cost at its origin, in ms, by question and (as a guess) by operation
const instances = new Map(); // the server's own counters: X-Instance → { first, last }

/** Adds an answer to the visit. In a `crowd` that competes for connections, time in the browser's queue does not count. */
function record(answer, crowd = null) {
  if (crowd && answer.took > 0) {
    const way = answer.ms - answer.took;
    crowd.way = Math.min(crowd.way, way);
    crowd.longest = Math.max(crowd.longest, answer.took);
    answer.ms = answer.took + crowd.way;
    answer.queued = way > crowd.way + crowd.longest / 2; // it waited for another request to end
  }
  if (answer.op !== 'flush') {
    if (answer.kind === 'origin') [answer.path, answer.op].forEach(key => costs.set(key, answer.ms));
    answer.cost = costs.get(answer.path) ?? costs.get(answer.op) ?? null;
    answer.saved = ['cache', 'stale'].includes(answer.kind) && answer.cost !== null ? Math.max(0, answer.cost - answer.ms) : null;
  }
  countOnServer(answer);
  answer.number = visit.push(answer);
  showLive();
  return answer;
}

function countOnServer({ headers, originCall }) {
  const id = headers?.get('X-Instance'), calls = Number(headers?.get('X-Origin-Calls') ?? NaN);
  if (!id || Number.isNaN(calls)) return;
  const seen = instances.get(id) ?? { first: Infinity, last: 0 };
  // The first answer of an instance already counts its own origin call.
  instances.set(id, { first: Math.min(seen.first, calls - (originCall ? 1 : 0)), last: Math.max(seen.last, calls) });
}

const sum = list => list.reduce((total, one) => total + one, 0);
const countedCalls = () => sum([...instances.values()].map(({ first, last }) => last - first));

/** Marks the cards that a flush has made obsolete. */
function forget(scope) {
  for (const answer of visit) if (answer.op !== 'flush' && (scope === 'all' || scope === answer.op)) answer.flushed = true;
  panels.forEach(panel => panel.redraw());
}

// ---- panels: a form, its waiting line, and the card under it ----

const panels = [];

/** Ties a form to `start(signal, progress)`, which resolves to a function that draws the card. One run at a time. */
function panel(id, start) {
  const form = byId(id), slot = form.nextElementSibling, button = form.querySelector('[type="submit"]');
  let draw = null, busy = false;
  const redraw = () => { if (draw) slot.replaceChildren(draw()); };
  const run = async () => {
    if (busy) return;
    busy = true;
    const abort = new AbortController(), line = waitingLine(abort);
    button.setAttribute('aria-disabled', 'true');
    form.classList.add('busy');
    button.after(line.node);
    draw = await start(abort.signal, line.progress);
    busy = false;
    if (line.node.contains(document.activeElement)) button.focus();
    line.node.remove();
    form.classList.remove('busy');
    button.removeAttribute('aria-disabled');
    redraw();
    // On a phone the card begins below the screen.
    (slot.querySelector('.races') ?? slot.querySelector('header + *'))?.scrollIntoView({ block: 'nearest' });
  };
  form.addEventListener('submit', event => { event.preventDefault(); run(); });
  panels.push({ redraw });
  return run;
}

function waitingLine(abort) {
  const began = performance.now();
  let progress = '';
  const elapsed = h('span', { class: 'elapsed', role: 'timer' });
  ticking(elapsed, () => { elapsed.textContent = [measure((performance.now() - began) / 1000, 's', 1), progress].filter(Boolean).join(' · '); });
  const cancel = h('button', { type: 'button', class: 'cancel', 'data-t': 'cancel' }, word('cancel'));
  cancel.addEventListener('click', () => abort.abort());
  const node = h('div', { class: 'waiting' }, h('span', { class: 'spinner', 'aria-hidden': 'true' }), elapsed, cancel);
  setTimeout(() => { if (node.isConnected) say('live', word('waiting')); }, 500);
  return { node, progress: text => { progress = text; elapsed.tick(); } };
}

async function single(question, signal) {
  const answer = record(await ask(question, signal));
  say('live', answer.kind === 'error' ? problemOf(answer).title : `${word('from')[answer.kind]}, ${span(answer.ms)}`);
  return () => answerCard(answer);
}

async function empty(scope, signal) {
  const answer = record(await ask(flush(scope), signal));
  if (answer.status !== 200) {
    say('live', problemOf(answer).title);
    return () => errorCard(answer, keys(answer));
  }
  forget(scope);
  const said = () => word('forgotten')(word({ all: 'scopeAll', 'heavy-op': 'scopeHeavy', user: 'scopeUser' }[scope]));
  say('live', said());
  return () => h('article', { class: 'card', 'data-kind': 'cache' },
    head('flush', word('flushDone'), span(answer.ms)), h('p', { class: 'detail' }, said()), raw(answer));
}

async function inARow(question, signal, progress) {
  const began = performance.now(), answers = [];
  while (answers.length < ROW && !signal.aborted) {
    progress(`${answers.length + 1} / ${ROW}`);
    answers.push(record(await ask(question, signal)));
    if (answers.at(-1).kind === 'error') break;
  }
  return trial(answers, performance.now() - began, () => {
    const { cost } = answers.at(-1);
    return [cost ? word('without')(answers.length, span(cost), span(answers.length * cost)) : null];
  });
}

async function atOnce(signal) {
  const question = heavyOp(`${BURST}× ${Math.random().toString(36).slice(2, 10)}`);
  const began = performance.now();
  const before = countedCalls(), crowd = { way: Infinity, longest: 0 };
  const answers = await Promise.all(Array.from({ length: BURST }, async () => record(await ask(question, signal), crowd)));
  const counted = countedCalls() - before, seen = new Set(answers.map(answer => answer.headers?.get('X-Instance')).filter(Boolean)).size;
  return trial(answers, performance.now() - began, () => {
    const cost = costs.get(question.path), queued = count(answers, answer => answer.queued);
    return [
      cost ? word('withoutWork')(BURST, span(cost), span(BURST * cost)) : null,
      queued ? word('queued')(queued) : null,
      seen ? word('counted')(counted, seen) : null,
    ];
  });
}

/** The card of an experiment: how many answers came from which source, and what that means. */
function trial(answers, wall, facts) {
  const stopped = answers.find(answer => answer.kind === 'error');
  const calls = count(answers, answer => answer.originCall);
  say('live', word('calls')(calls, answers.length));
  return () => {
    const parts = KINDS.map(kind => [kind, count(answers, answer => answer.kind === kind)]).filter(([, n]) => n > 0);
    return h('article', { class: 'card', 'data-kind': stopped ? 'error' : 'cache' },
      head(stopped ? 'error' : 'cache', word('calls')(calls, answers.length), span(wall)),
      h('div', { class: 'split', 'aria-hidden': 'true' }, parts.map(([kind, n]) => sized(n / answers.length, { 'data-kind': kind }))),
      h('ul', { class: 'parts' }, parts.map(([kind, n]) => h('li', { 'data-kind': kind }, icon(kind), word('from')[kind], h('b', {}, digits(n))))),
      stopped ? note(`${problemOf(stopped).title}. ${problemOf(stopped).detail}`)
        : h('ul', { class: 'facts' }, facts().filter(Boolean).map(fact => h('li', {}, fact))));
  };
}

// ---- cards ----

const head = (mark, title, right) => h('header', {}, h('span', { class: 'from' }, icon(mark), title), h('span', { class: 'time' }, right));
const note = text => h('div', { class: 'note' }, icon('error'), h('p', {}, text));

function answerCard(answer) {
  if (answer.kind === 'error') return errorCard(answer);
  return h('article', { class: 'card', 'data-kind': answer.kind },
    head(answer.kind, word('from')[answer.kind], span(answer.ms)),
    answer.down ? note(word('down')(answer.detail)) : null,
    answer.why ? h('p', { class: 'why' }, word('why')[answer.why]) : null,
    races(answer),
    answer.status === 404 ? h('p', { class: 'detail strong', lang: 'en' }, problemOf(answer).detail || problemOf(answer).title) : fields(answer.json?.result),
    shelf(answer), truth(answer), raw(answer));
}

/** This answer's time beside its origin's, to scale: the point of a cache in two bars. */
function races({ kind, ms, cost, saved }) {
  if (saved === null || cost === null || cost <= ms) return null;
  return h('div', { class: 'races' },
    h('b', {}, `${word('saved')(span(saved))}, ${word('faster')(times(cost / ms))}`),
    h('span', {}, word('origin')), sized(1, { 'data-kind': 'origin' }), h('span', { class: 'number' }, span(cost)),
    h('span', {}, word('thisTime')), sized(ms / cost, { 'data-kind': kind }), h('span', { class: 'number' }, span(ms)));
}

function fields(result) {
  const pairs = result !== null && typeof result === 'object' && !Array.isArray(result) ? Object.entries(result) : [['', result]];
  return h('dl', { class: 'result' }, pairs.flatMap(([name, value]) => [
    h('dt', {}, WORDS[language].fields?.[name] ?? name.replaceAll('_', ' ')),
    h('dd', { dir: 'auto' }, typeof value === 'string' ? value : JSON.stringify(value)),
  ]));
}

function shelf(answer) {
  if (answer.ttl === null) return null;
  const text = h('p'), bar = sized(1), whole = Math.max(1, answer.ttl + (answer.age ?? 0));
  return ticking(h('div', { class: 'shelf' }, text, h('div', { class: 'bar', 'aria-hidden': 'true' }, bar)), () => {
    const left = answer.flushed ? 0 : answer.ttl - (performance.now() - answer.at) / 1000;
    text.textContent = answer.flushed ? word('flushed')
      : answer.ttl < 0 ? word('past')(measure(-Math.floor(left), 's'))
        : left > 0 ? word('fresh')(measure(Math.ceil(left), 's')) : word('expired');
    bar.style.setProperty('--share', String(Math.max(0, left / whole)));
  });
}

function truth({ headers }) {
  const lines = ['Cache-Status', 'Server-Timing'].filter(name => headers.get(name));
  return lines.length === 0 ? null : h('div', { class: 'truth mono' }, lines.map(name => h('p', {}, `${name}: ${headers.get(name)}`)));
}

function raw(answer) {
  if (!answer.headers) return null;
  const method = answer.method ?? 'GET', url = new URL(answer.path, location.href);
  const curl = `curl -i ${answer.body ? `-H 'Content-Type: application/json' -d '${answer.body}' ` : ''}'${url}'`;
  const lines = [`$ ${curl}`, '', `${method} ${url.pathname}${url.search}`, `${answer.status}`, ...[...answer.headers].map(pair => pair.join(': ')), '', answer.text];
  return h('details', {}, h('summary', {}, word('raw')), h('pre', { dir: 'ltr' }, lines.join('\n')));
}

/** Answered by API Gateway itself: no function had the request. */
const turnedAway = ({ status, headers }) => [429, 500, 503].includes(status) && !headers.get('Content-Type')?.includes('problem');

/** What went wrong, in the server's own words where it has some (RFC 9457). */
function problemOf(answer) {
  if (answer.failure === 'cancelled') return { title: word('cancelled'), detail: '' };
  if (answer.failure) return { title: word('unreachable'), detail: word('unreachableWhy') };
  if (turnedAway(answer)) {
    const what = answer.status === 500 ? 'unserved' : 'throttled';
    return { title: word(what), detail: word(`${what}Why`) };
  }
  const title = answer.json?.title ?? word('httpError')(answer.status);
  const detail = [answer.json?.detail ?? answer.json?.message, ...(answer.json?.servers ?? [])].filter(Boolean).join('\n');
  return { title, detail, foreign: true };
}

function errorCard(answer, ...more) {
  const { title, detail, foreign } = problemOf(answer);
  const ownWords = foreign ? { lang: 'en', dir: 'auto' } : {};
  return h('article', { class: 'card', 'data-kind': 'error' },
    head('error', h('span', ownWords, title), answer.status ?? span(answer.ms)),
    detail ? h('p', { class: 'detail', ...ownWords }, detail) : null,
    more, raw(answer));
}

/** What a refused flush needs: a token where the server asks for one, else the command for IAM callers. */
function keys({ status, headers, json, label }) {
  if ((status === 429 && json?.title) || (status === 401 && /bearer/i.test(headers.get('WWW-Authenticate')))) return tokenForm();
  // A refusal in other words comes from the gateway in front of the function, which checks signatures.
  if (![401, 403].includes(status) || !/\bIAM\b/.test(json?.detail ?? 'IAM')) return null;
  const region = /\.([a-z]{2}(?:-[a-z]+)+-\d)\./.exec(location.hostname)?.[1] ?? 'REGION';
  const service = location.hostname.includes('lambda-url') ? 'lambda' : 'execute-api';
  const command = `curl --aws-sigv4 'aws:amz:${region}:${service}' --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H "x-amz-security-token: $AWS_SESSION_TOKEN" -H 'Content-Type: application/json' -d '${JSON.stringify({ scope: label })}' '${new URL('flush', location.href)}'`;
  return h('div', { class: 'more' }, h('p', {}, word('iam')), h('pre', { dir: 'ltr' }, command));
}

function tokenForm() {
  const input = h('input', { id: 'token', type: 'password', autocomplete: 'off', 'aria-describedby': 'token-hint' });
  const form = h('form', { class: 'more' },
    h('div', { class: 'field' }, h('label', { for: 'token' }, word('tokenLabel')), input, h('p', { class: 'hint', id: 'token-hint' }, word('tokenMemory'))),
    h('div', { class: 'actions' }, h('button', { type: 'submit' }, word('tokenUse'))));
  form.addEventListener('submit', event => { event.preventDefault(); token = input.value; runFlush(); });
  return form;
}

// ---- the live part: path, totals, timeline, table ----

let shown = 0; // how many answers the table already shows

function showLive() {
  if (visit.length > 0) showPath(visit.at(-1));
  else say('said', word('idle'));
  showTotals();
  showSummary();
  showRows();
  drawSoon();
}

function showPath(answer) {
  const path = byId('path');
  path.className = 'path';
  path.removeAttribute('data-kind');
  void path.offsetWidth; // restarts the animation of the lines
  if (answer.kind === 'flush' || answer.kind === 'error') {
    say('said', answer.kind === 'flush' ? word('flushDone') : problemOf(answer).title);
    return;
  }
  path.dataset.kind = answer.kind;
  path.classList.toggle('through', answer.originCall);
  path.classList.toggle('without', answer.down || ['disabled', 'breaker'].includes(answer.why));
  say('said', `${span(answer.ms)}. ${answer.down ? `${word('down')(answer.detail)} ` : ''}${word('why')[answer.why] ?? ''}`);
}

function showTotals() {
  const answered = visit.filter(answer => !['error', 'flush'].includes(answer.kind));
  const hits = count(answered, answer => ['cache', 'stale'].includes(answer.kind));
  const saved = sum(visit.map(answer => answer.saved ?? 0));
  say('total-requests', digits(count(visit, answer => answer.op !== 'flush')));
  say('total-ratio', answered.length === 0 ? '–' : measure(100 * hits / answered.length, '%'));
  say('total-saved', saved === 0 ? '–' : span(saved));
  say('total-origin', digits(count(visit, answer => answer.originCall)));
  say('ground', instances.size === 0 ? '' : word('counted')(countedCalls(), instances.size));
}

/** Of the heavy operation alone: users would blur them. */
function medians() {
  const heavy = kind => visit.filter(answer => answer.op === 'heavy-op' && answer.kind === kind).map(answer => answer.ms);
  return { origin: median(heavy('origin')), cache: median(heavy('cache')) };
}

function showSummary() {
  const { origin, cache } = medians();
  say('summary', origin === undefined ? word('summaryIdle')
    : cache === undefined ? word('summaryCold')(span(origin))
      : word('summaryBoth')(span(origin), span(cache), times(origin / cache)));
  const present = KINDS.filter(kind => kind === 'origin' || kind === 'cache' || visit.some(answer => answer.kind === kind));
  byId('legend').replaceChildren(...present.map(kind => h('li', { 'data-kind': kind }, s('svg', { 'aria-hidden': 'true' }, sign(kind, 7, 7, 5)), word('from')[kind])));
}

function showRows() {
  const rows = byId('rows');
  if (rows.dataset.language !== language) { rows.replaceChildren(); shown = 0; }
  rows.dataset.language = language;
  for (const answer of visit.slice(Math.max(shown, visit.length - MAX_DRAWN))) rows.prepend(row(answer));
  while (rows.children.length > MAX_DRAWN) rows.lastChild.remove();
  shown = visit.length;
}

function row(answer) {
  return h('tr', {},
    h('td', {}, digits(answer.number)),
    h('td', {}, `${answer.op} `, h('bdi', {}, answer.label.length > 60 ? `${[...answer.label].slice(0, 60).join('')}…` : answer.label)),
    h('td', { class: 'kind', 'data-kind': answer.kind }, word('from')[answer.kind] ?? ''),
    h('td', { class: 'number' }, span(answer.ms)),
    h('td', { class: 'mono' }, answer.headers?.get('Cache-Status') ?? '–'));
}

/** The mark of a kind. Shapes differ, so that colour is not needed to distinguish them. */
const SIGNS = {
  origin: 'M0-1.25 1.25 0 0 1.25-1.25 0z', cache: 'M-1 0a1 1 0 1 0 2 0 1 1 0 1 0-2 0z', shared: 'M-.9-.9H.9V.9H-.9z',
  stale: 'M0-1.15 1.15.9H-1.15z', error: 'M-1-1 1 1M1-1-1 1',
};
const sign = (kind, x, y, r, ...inside) => s('path', { class: 'sign', d: SIGNS[kind], transform: `translate(${x} ${y}) scale(${r})` }, ...inside);

let scale = null; // of the timeline as drawn
let frame = 0;

function drawSoon() {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(drawTimeline);
}

function drawTimeline() {
  const chart = byId('chart'), width = chart.clientWidth, height = chart.clientHeight;
  const drawn = visit.slice(-MAX_DRAWN), all = drawn.map(answer => Math.max(answer.ms, .1));
  const low = Math.min(0, Math.floor(Math.log10(Math.min(1, ...all)))), high = Math.max(4, Math.ceil(Math.log10(Math.max(1, ...all))));
  const left = 52, right = width - 58, top = 14, bottom = height - 12, step = (right - left) / Math.max(24, drawn.length + pending.size);
  scale = {
    top, bottom, left, right, step,
    x: index => left + step * (index + .5),
    y: ms => bottom - (bottom - top) * (Math.log10(Math.max(ms, 10 ** low)) - low) / (high - low),
  };
  const powers = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  chart.setAttribute('viewBox', `0 0 ${width} ${height}`);
  chart.replaceChildren(
    ...powers.map(ms => line('grid', null, left, right, scale.y(ms), scale.y(ms))),
    ...powers.map(ms => s('text', { x: left - 8, y: scale.y(ms) + 4, 'text-anchor': 'end' }, ms < 1000 ? measure(ms, 'ms', ms < 1 ? 1 : 0) : measure(ms / 1000, 's'))),
    ...drawn.map((answer, index) => plotted(answer, scale.x(index))),
    // a request in progress: its stem grows until its answer adds the mark
    ...[...pending].map(({ sent }, index) => [scale.x(drawn.length + index), scale.y(performance.now() - sent)]).map(([x, y]) => line('stem rising', null, x, x, y, bottom)),
    ...Object.entries(medians()).filter(([, ms]) => ms !== undefined).flatMap(([kind, ms]) => medianLine(kind, ms)));
}

function plotted(answer, x) {
  const { y, top, bottom, step } = scale;
  if (answer.kind === 'flush') {
    return s('g', {}, line('flushed', null, x, x, top, bottom), s('text', { x, y: top - 3, 'text-anchor': 'middle' }, word('chartFlush')));
  }
  const r = Math.max(1.5, Math.min(5, step * .42));
  return s('g', { 'data-kind': answer.kind },
    line('stem', null, x, x, y(answer.ms), bottom),
    sign(answer.kind, x, y(answer.ms), r, s('title', {}, `${word('from')[answer.kind]}, ${span(answer.ms)}: ${answer.op} ${answer.label}`)));
}

function medianLine(kind, ms) {
  const y = scale.y(ms);
  return [
    line('median', kind, scale.left, scale.right, y, y),
    s('text', { class: 'median-label', 'data-kind': kind, x: scale.right + 6, y: y + 4 }, span(ms)),
  ];
}

// ---- the forms ----

function countBytes() {
  const bytes = new TextEncoder().encode(byId('param').value).length, count = byId('bytes');
  count.textContent = `${digits(bytes)} / ${digits(MAX_BYTES)} bytes`;
  count.classList.toggle('over', bytes > MAX_BYTES);
}

function showLimit() {
  const protocol = performance.getEntriesByType('navigation')[0]?.nextHopProtocol ?? '';
  say('limit', /^h[23]/.test(protocol) ? '' : word('limit')(HTTP1_CONNECTIONS));
}

const param = byId('param');
panel('heavy', signal => single(heavyOp(param.value), signal));
panel('user', signal => single(user(byId('id').value.trim()), signal));
const runFlush = panel('flush', signal => empty(new FormData(byId('flush')).get('scope'), signal));
panel('row', (signal, progress) => inARow(heavyOp(param.value), signal, progress));
panel('burst', signal => atOnce(signal));

param.addEventListener('input', countBytes);
param.addEventListener('keydown', event => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId('heavy').requestSubmit();
});
for (const sample of document.querySelectorAll('.samples button')) {
  sample.addEventListener('click', () => { param.value = sample.textContent; countBytes(); param.focus(); });
}
for (const button of document.querySelectorAll('.languages button')) {
  button.addEventListener('click', () => {
    try { localStorage.setItem('language', button.lang); } catch { /* then it lasts until the next reload */ }
    speak(button.lang);
  });
}
new ResizeObserver(drawSoon).observe(byId('chart'));

// Static English text comes from index.html alone.
for (const node of document.querySelectorAll('[data-t]')) WORDS.en[node.dataset.t] = node.textContent;
for (const node of document.querySelectorAll('[data-label]')) WORDS.en[node.dataset.label] = node.getAttribute('aria-label');
speak(preferredLanguage());
