// On Locust's page: three lines before the first run, then a strip with the settings in force and the verdict.
// Mounted outside React's #root; it needs of Locust's page only its <header>, its <main> and role=tablist.

import { arrows, badge, element, fetchJson, figure, prefersDark } from './page.js';

const POLL_MS = { running: 1000, waiting: 3000 };

const link = (path, text) => element('a', { href: new URL(`../${path}`, import.meta.url) }, text);

function intro(live) {
  const connections = live.settings.find((one) => one.title === 'max connections');
  const pool = connections ? `${connections.value} pooled connections` : 'its pool of connections';
  const past = live.runs ? [' ', link('', `${live.runs} past ${live.runs === 1 ? 'run' : 'runs'}`)] : [];
  return element(
    'div',
    { class: 'intro' },
    silent(live),
    element(
      'ol',
      {},
      element('li', {}, `Users call a proxy, and the proxy calls a slow upstream through ${pool}. Where does the time go?`),
      element('li', {}, 'Press ', element('b', {}, 'START'), ' as it stands: after the run you read here what limited it and what to change.'),
      element('li', {}, 'Then change that one setting in .env, start again, run again: the two stand side by side.', ...past),
    ),
  );
}

/** In red: the parts that do not answer, a sentence each. */
function silent(live) {
  return live.silent.length ? element('p', { class: 'silent', role: 'status' }, ...live.silent.map((one) => element('span', {}, one))) : null;
}

/** One line, unfolded by a click: what the link's engine does otherwise than a real network. */
function caveats(live) {
  const count = live.caveats.length;
  return count
    ? element(
        'details',
        { class: 'caveats' },
        element('summary', {}, `The network is emulated: ${count} ${count === 1 ? 'thing is' : 'things are'} not as in reality`),
        element('ul', {}, ...live.caveats.map((one) => element('li', {}, one))),
      )
    : null;
}

function settings(live) {
  const when = live.run ? 'when the run began' : 'in the last run';
  return live.settings.map(({ title, variable, value, was }) =>
    element(
      'div',
      { title: variable, class: was === null ? null : 'changed' },
      element('dt', {}, title),
      element('dd', {}, value, was === null ? null : element('del', { title: when }, was)),
    ),
  );
}

function now(live, pool) {
  const words = [];
  if (live.run && live.run.of_seconds) words.push(`${Math.min(live.run.t_seconds, live.run.of_seconds).toFixed(0)} of ${live.run.of_seconds} s`);
  if (live.run && pool && pool.pool_active !== null) words.push(`${pool.pool_active} busy, ${pool.pool_waiting} waiting`);
  if (live.state === 'stopping') words.push('waiting for the last answers');
  return element('div', { class: 'now' }, words.join(' · '), words.length ? ' · ' : '', link('', 'Past runs'));
}

function verdict(last) {
  const note = last.status === 'finished' ? '' : ` (${last.status})`;
  const because = `${last.because}. `;
  // Failures are always in sight and red; where they are the verdict itself, its own sentence says how many and which.
  const red = last.bottleneck === 'failures' ? because : last.failed && `${last.failed}. `;
  const counts = `${last.requests} requests, ${figure(last.rps, 1)} a second, p50 ${figure(last.p50_ms)} ms, p99 ${figure(last.p99_ms)} ms: ${last.audit}.`;
  return element(
    'p',
    { class: 'verdict' },
    badge(last.bottleneck),
    element('b', { title: last.id }, `Last run here, ${last.name}${note}: `),
    red ? element('b', { class: 'failed' }, red) : null,
    red === because ? null : because,
    last.changed ? element('b', { class: 'during' }, `Changed during the run: ${arrows(last.changed)}. `) : null,
    last.struck && last.failed === '' ? `Struck on purpose, ${last.struck}. ` : null,
    element('span', { class: 'advice' }, last.advice),
    ' ',
    element('span', { class: 'counts' }, counts),
  );
}

function strip(live, pool) {
  return element(
    'div',
    { class: 'strip' },
    element('dl', { class: 'settings' }, ...settings(live), now(live, pool)),
    caveats(live),
    silent(live),
    live.run || live.state === 'stopping' || !live.last ? null : verdict(live.last),
  );
}

class Panel {
  constructor() {
    this.box = element('section', { id: 'sandbox', class: 'sandbox', hidden: true, 'aria-label': 'Pool Sandbox' });
    this.shown = '';
    this.since = { run: null, t: 0, point: null };
    this.alert = '';
    this.names = new Map();
    document.body.append(this.box);
    new ResizeObserver(() => this.place()).observe(this.box);
    addEventListener('resize', () => this.place());
    addEventListener('click', () => setTimeout(() => this.place(), 50), true);
    new MutationObserver(() => {
      this.place();
      this.reveal();
      this.title();
    }).observe(document.getElementById('root'), { childList: true, subtree: true, characterData: true });
    // A second refusal with the same words changes nothing on the page.
    addEventListener('submit', () => [300, 1000].forEach((ms) => setTimeout(() => this.reveal(true), ms)), true);
  }

  /** Lie right below Locust's header, in room made above its main part. */
  place() {
    this.box.classList.toggle('dark', prefersDark());
    const header = document.querySelector('#root header');
    if (!header) return;
    this.box.hidden = !this.shown;
    const top = `${header.getBoundingClientRect().bottom + scrollY}px`;
    if (this.box.style.top !== top) this.box.style.top = top;
    const root = document.documentElement.style;
    const height = `${this.box.offsetHeight}px`;
    if (root.getPropertyValue('--sandbox-height') !== height) root.setProperty('--sandbox-height', height);
  }

  /** Locust says what it refused beneath all fields of its form: bring that into sight. */
  reveal(again = false) {
    const alert = document.querySelector('#root form [role=alert], #root [role=presentation] [role=alert], #root main [role=alert]');
    const words = alert ? alert.textContent : '';
    if (words && (again || words !== this.alert)) alert.scrollIntoView({ block: 'center' });
    this.alert = words;
  }

  /** The full ids, as tooltips of the names in the Runs tab: Locust's tables hold plain text. */
  title() {
    for (const cell of document.querySelectorAll('#root main tbody td:first-child')) {
      const ids = this.names.get(cell.textContent.replace(/ \((interrupted|reset)\)$/, ''));
      if (ids && cell.title !== ids) cell.title = ids;
    }
  }

  show(live) {
    this.names = new Map();
    for (const [name, id] of live.names) this.names.set(name, [this.names.get(name), id].filter(Boolean).join(', '));
    this.title();
    const run = live.run ? live.run.id : null;
    if (this.since.run !== run) this.since = { run, t: 0, point: null };
    if (run && live.points.length) {
      const point = live.points[live.points.length - 1];
      this.since = { run, t: point.t_seconds, point };
    }
    const started = live.run || live.last || live.state !== 'ready';
    const content = started ? strip(live, this.since.point) : intro(live);
    if (content.outerHTML !== this.shown) {
      const unfolded = this.box.querySelector('details')?.open;
      this.shown = content.outerHTML;
      this.box.replaceChildren(content);
      const fold = this.box.querySelector('details');
      if (fold && unfolded) fold.open = true;
    }
    this.place();
  }

  async poll() {
    let wait = POLL_MS.waiting;
    try {
      if (!document.hidden) {
        const live = await fetchJson(`live.json?since=${this.since.t}`);
        this.show(live);
        if (live.run || live.state === 'stopping' || document.querySelector('#root [role=tablist]')) wait = POLL_MS.running;
      }
    } catch (error) {
      console.info('the sandbox does not answer', error);
    }
    setTimeout(() => this.poll(), wait);
  }
}

document.head.append(element('link', { rel: 'stylesheet', href: new URL('sandbox.css', import.meta.url) }));
new Panel().poll();
