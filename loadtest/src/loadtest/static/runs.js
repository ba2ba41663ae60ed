// @ts-check
// The page of past runs: a table, and two or more of them side by side.

import { arrows, badge, element, fetchJson, figure, prefersDark } from './page.js';

const body = document.body;
const rows = document.getElementById('runs');
const button = document.getElementById('compare');
const comparison = document.getElementById('comparison');
const chosen = new Set(new URLSearchParams(location.search).getAll('run'));

const number = (value, digits) => element('td', { class: 'number' }, figure(value, digits));

function when(started) {
  return `${new Date(started).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

function row(run) {
  const box = element('input', { type: 'checkbox', checked: chosen.has(run.id), 'aria-label': `choose ${run.name}` });
  const line = element(
    'tr',
    { class: chosen.has(run.id) ? 'chosen' : null },
    element('td', {}, box),
    element('td', {}, element('a', { href: `./runs/${run.id}.json`, title: run.id, target: '_blank', rel: 'noopener' }, run.name), run.status === 'finished' ? '' : ` (${run.status})`, run.group_words ? element('span', { class: 'conditions' }, run.group_words) : null),
    element('td', { class: 'when' }, when(run.started_at)),
    number(run.users),
    number(run.max_connections),
    number(run.rps, 1),
    number(run.p50_ms),
    number(run.p99_ms),
    number(run.failures),
    element('td', { class: 'because' }, badge(run.bottleneck, run.limit), run.because, run.changed ? element('b', {}, `; changed during the run: ${arrows(run.changed)}`) : null, run.network ? element('span', { class: 'conditions' }, `Network: ${run.network}`) : null),
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
  button.disabled = chosen.size < 2;
  button.textContent = chosen.size < 2 ? 'Compare' : `Compare ${chosen.size} runs`;
}

function showError(words) {
  comparison.hidden = false;
  comparison.replaceChildren(element('p', { class: 'sentence missing' }, words));
}

async function showRuns() {
  const runs = await fetchJson('runs.json');
  const missing = [...chosen].filter((id) => !runs.some((run) => run.id === id));
  for (const id of missing) chosen.delete(id);
  if (missing.length) showError(`No such run: ${missing.join(', ')}`);
  const none = element('tr', {}, element('td', { colspan: 10, class: 'empty' }, 'No run yet: start one in Locust.'));
  rows.replaceChildren(...(runs.length ? runs.map(row) : [none]));
  refresh();
}

const shown = (value) => (value === null || value === undefined ? 'unset' : String(value));

/** Ratio and noise to the first run; grey where they differ by no more than that, or nobody can tell. */
function change(ratio, change, first) {
  if (ratio === null) return null;
  const half = !change || !first ? '' : change.low === null ? ' ±?' : ` ±${figure((change.high - change.low) / 2 / Math.abs(first), 2)}`;
  const differs = !change ? '' : change.differs ? 'differs' : 'noise';
  return element('span', { class: `ratio ${differs}`, title: change && !change.differs ? 'no more than noise' : null }, `${figure(ratio, 2)} ×${half}`);
}

function outcome({ name, unit, values, ratios, changes }) {
  const digits = unit === 'cores' ? 2 : values.every((value) => Number.isInteger(value)) ? 0 : 1;
  const cells = values.map((value, index) =>
    element('td', { class: 'number' }, figure(value, digits), index === 0 ? null : change(ratios[index], changes[index], values[0])),
  );
  return element('tr', {}, element('th', {}, unit ? `${name}, ${unit}` : name), ...cells);
}

function setting({ name, values }, derived) {
  const cells = values.map((value) => element('td', { class: 'number setting' }, shown(value)));
  return element('tr', { class: derived ? 'derived' : null }, element('th', {}, name, derived ? ' (follows)' : ''), ...cells);
}

function place({ name, values }) {
  return element('tr', {}, element('th', {}, name), ...values.map((value) => element('td', { class: 'number' }, figure(value, 1))));
}

function group(title, columns) {
  return element('tr', { class: 'group' }, element('th', { colspan: columns }, title));
}

/** The table of a comparison: settings, outcomes, and where the users' time went instead. */
function table(answer) {
  const columns = answer.runs.length + 1;
  const same = element('tr', {}, element('td', { colspan: columns }, 'No setting differs.'));
  const head = answer.runs.map((run, index) => element('th', { class: 'number', title: answer.ids[index].join(' ') }, run));
  return element(
    'table',
    {},
    element('thead', {}, element('tr', {}, element('th', {}), ...head)),
    element(
      'tbody',
      {},
      group('Settings that differ', columns),
      ...(answer.settings.length ? answer.settings.map((one) => setting(one, false)) : [same]),
      ...answer.derived.map((one) => setting(one, true)),
      group('What became of it', columns),
      element('tr', {}, element('th', {}, 'limit'), ...answer.limits.map(({ bottleneck, label }) => element('td', { class: 'number' }, badge(bottleneck, label)))),
      ...answer.outcomes.map(outcome),
      ...(answer.moved.length ? [group("Where the users' time changed, ms of the mean request", columns), ...answer.moved.map(place)] : []),
    ),
  );
}

async function showComparison() {
  // Oldest first: what a change led to is read from left to right.
  const query = [...chosen].sort().map((id) => `run=${encodeURIComponent(id)}`).join('&');
  comparison.hidden = false;
  try {
    const answer = await fetchJson(`compare.json?${query}`);
    comparison.replaceChildren(
      element('h2', {}, 'Comparison'),
      answer.concerns.length ? element('ul', { class: 'concerns' }, ...answer.concerns.map((one) => element('li', {}, one))) : '',
      element('p', { class: 'sentence' }, arrows(answer.sentence)),
      element('div', { class: 'scroll' }, table(answer)),
      element('p', { class: 'source' }, answer.noise),
    );
    history.replaceState(null, '', `?${query}`);
    comparison.scrollIntoView({ behavior: 'smooth', block: 'nearest' });
  } catch (error) {
    showError(error.message);
  }
}

body.classList.toggle('dark', prefersDark());
button.addEventListener('click', showComparison);
try {
  await showRuns();
  if (chosen.size >= 2) await showComparison();
} catch (error) {
  showError(`The runs could not be fetched: ${error.message}`);
}
