// @ts-check
// The page of past runs: a table whose names lead to a page of each run, and boxes that choose what is compared.

import { arrows, badge, element, fetchJson, figure, prefersDark } from './page.js';

/**
 * @typedef {object} Run one line of runs.json
 * @property {string} id
 * @property {string} name
 * @property {string} group_words
 * @property {string} status
 * @property {string} started_at
 * @property {string} client
 * @property {string} pattern
 * @property {number} users
 * @property {string} kinds
 * @property {number | null} max_connections
 * @property {number | null} keepalive
 * @property {string} upstream
 * @property {string} network
 * @property {number} rps
 * @property {number | null} p50_ms
 * @property {number | null} p99_ms
 * @property {number} failures
 * @property {string} bottleneck
 * @property {string} limit
 * @property {string} because
 * @property {string} changed
 */

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

const MOST = 8;
const HINT = byId('hint').textContent;
const table = byId('runs');
const button = /** @type {HTMLButtonElement} */ (byId('compare'));
const filter = /** @type {HTMLInputElement} */ (byId('filter'));
const chosen = new Set(new URLSearchParams(location.search).getAll('run'));

/** @param {string} started */
const when = (started) => `${new Date(started).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

/**
 * A cell; its title is shown before it where the table is a list of cards.
 *
 * @param {string} title
 * @param {string} kind
 * @param {...(string | Node | null)} children
 */
const cell = (title, kind, ...children) => element('td', { class: kind, 'data-title': title }, ...children);

/** @param {string} words */
const quiet = (words) => (words ? element('span', { class: 'conditions', title: words }, words) : null);

/**
 * @param {Run} run
 * @returns {HTMLTableRowElement}
 */
function row(run) {
  const ended = run.status === 'finished' ? '' : ` (${run.status})`;
  const box = element('input', { type: 'checkbox', checked: chosen.has(run.id), 'aria-label': `choose ${run.name}` });
  const line = element(
    'tr',
    { class: chosen.has(run.id) ? 'chosen' : null },
    cell('', 'box', element('label', {}, box)),
    cell('', 'name', element('a', { href: `./runs/${run.id}.html`, title: run.id }, run.name), ended, quiet(run.group_words), quiet(when(run.started_at))),
    cell('client', 'client', run.client || '-', quiet(run.pattern && `pattern ${run.pattern}`)),
    cell('users', 'number users', figure(run.users), quiet(run.kinds)),
    cell('pool max', 'number', figure(run.max_connections)),
    cell('keep-alive', 'number', figure(run.keepalive)),
    cell('upstream', 'upstream', run.upstream || '-', quiet(run.network && `network ${run.network}`)),
    cell('requests/s', 'number', figure(run.rps, 1)),
    cell('p50 ms', 'number', figure(run.p50_ms)),
    cell('p99 ms', 'number', figure(run.p99_ms)),
    cell('failures', 'number', figure(run.failures)),
    cell('', 'because', badge(run.bottleneck, run.limit), element('span', { class: 'reason', title: run.because }, run.because), run.changed ? element('b', {}, `Changed during the run: ${arrows(run.changed)}`) : null),
  );
  box.addEventListener('change', () => {
    if (box.checked) chosen.add(run.id);
    else chosen.delete(run.id);
    line.classList.toggle('chosen', box.checked);
    refresh();
  });
  return line;
}

function refresh() {
  button.disabled = chosen.size < 2 || chosen.size > MOST;
  button.textContent = chosen.size < 2 ? 'Compare' : `Compare ${chosen.size} runs`;
  byId('hint').textContent = chosen.size > MOST ? `At most ${MOST} runs can be compared.` : HINT;
}

/** @param {string} words */
function showError(words) {
  byId('error').hidden = false;
  byId('error').textContent = words;
}

/** Hide the rows without all of the words. */
function narrow() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const line of table.children) {
    const text = line.textContent?.toLowerCase() ?? '';
    /** @type {HTMLElement} */ (line).hidden = !words.every((word) => text.includes(word));
  }
}

async function showRuns() {
  /** @type {Run[]} */
  const runs = await fetchJson('runs.json');
  const missing = [...chosen].filter((id) => !runs.some((run) => run.id === id));
  for (const id of missing) chosen.delete(id);
  if (missing.length) showError(`No such run: ${missing.join(', ')}`);
  const none = element('tr', {}, element('td', { colspan: 12, class: 'empty' }, 'No run yet: start one in Locust.'));
  table.replaceChildren(...(runs.length ? runs.map(row) : [none]));
  refresh();
}

document.body.classList.toggle('dark', prefersDark());
filter.addEventListener('input', narrow);
// Oldest first: what a change led to is read from left to right.
button.addEventListener('click', () => location.assign(`./compare.html?${[...chosen].sort().map((id) => `run=${encodeURIComponent(id)}`).join('&')}`));
try {
  await showRuns();
} catch (error) {
  showError(`The runs could not be fetched: ${error instanceof Error ? error.message : error}`);
}
