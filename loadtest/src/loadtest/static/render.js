// @ts-check
// What the sandbox shows on Locust's page, as elements made of the answer of live.json. Pure: no fetching, no placing.

import { applyAdvice } from './apply_advice.js';
import { differing } from './differing.js';
import { arrows, badge, element, figure } from './page.js';

/**
 * @typedef {import('./page.js').Live} Live
 * @typedef {import('./page.js').Last} Last
 * @typedef {import('./page.js').Point} Point
 */

/**
 * @param {string} path
 * @param {string} text
 * @param {string} kind
 */
const link = (path, text, kind) => element('a', { href: new URL(`../${path}`, import.meta.url), class: kind }, text);

/**
 * Before the first run: three lines on what to do.
 *
 * @param {Live} live
 */
export function intro(live) {
  const connections = live.settings.find((one) => one.title === 'max connections');
  const pool = connections ? `${connections.value} pooled connections` : 'its pool of connections';
  const past = live.runs ? [' ', link('', `${live.runs} past ${live.runs === 1 ? 'run' : 'runs'}`, 'open')] : [];
  return element(
    'div',
    { class: 'intro' },
    silent(live),
    differing(live),
    element(
      'ol',
      {},
      element('li', {}, `Users call a proxy, and the proxy calls a slow upstream through ${pool}. Where does the time go?`),
      element('li', {}, 'Press ', element('b', {}, 'START'), ': after the run you read here what limited it and what to change.', ...past, ' ', link('pool', 'Pool', 'open'), ' ', link('services/', 'Services', 'open')),
      element('li', {}, 'Then change that one setting under Custom parameters and run again: the two are shown side by side.'),
    ),
  );
}

/**
 * In red: a run from the command line, and the services that do not answer, a sentence each.
 *
 * @param {Live} live
 */
function silent(live) {
  const other = live.other_run ? [`A run from the command line is on (${live.other_run}): START waits for its end.`] : [];
  const words = [...other, ...live.silent];
  return words.length ? element('p', { class: 'silent', role: 'status' }, ...words.map((one) => element('span', {}, one))) : null;
}

/**
 * One line, unfolded by a click: how the link's engine differs from a real network.
 *
 * @param {Live} live
 */
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

/** @param {Live} live */
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

/**
 * @param {Live} live
 * @param {Point | null} point
 */
function now(live, point) {
  const words = [];
  if (live.run && live.run.of_seconds) words.push(`${Math.min(live.run.t_seconds, live.run.of_seconds).toFixed(0)} of ${live.run.of_seconds} s`);
  if (live.run && point && point.pool_active !== null) words.push(`${point.pool_active} busy, ${point.pool_waiting} waiting`);
  if (live.state === 'stopping') words.push('waiting for the last answers');
  return element('div', { class: 'now' }, words.join(' · '), words.length ? ' · ' : '', link('', 'Past runs', 'open'), ' ', link('services/', 'Services', 'open'));
}

/** @param {Last} last */
function verdict(last) {
  const note = last.status === 'finished' ? '' : ` (${last.status})`;
  const because = `${last.because}. `;
  // Failures are always shown, in red; where they are the verdict itself, its own sentence has how many and which.
  const red = last.bottleneck === 'failures' ? because : last.failed && `${last.failed}. `;
  const counts = `${last.requests} requests, ${figure(last.rps, 1)} a second, p50 ${figure(last.p50_ms)} ms, p99 ${figure(last.p99_ms)} ms: ${last.audit}.`;
  return element(
    'p',
    { class: 'verdict' },
    badge(last.bottleneck, last.limit),
    element('b', { title: last.id }, 'Last run here, ', link(`runs/${last.id}.html`, `${last.name}${note}`, 'last'), ': '),
    red ? element('b', { class: 'failed' }, red) : null,
    red === because ? null : because,
    last.changed ? element('b', { class: 'during' }, `Changed during the run: ${arrows(last.changed)}. `) : null,
    last.injected && last.failed === '' ? `Injected on purpose, ${last.injected}. ` : null,
    element('span', { class: 'advice' }, last.advice),
    ' ',
    element('span', { class: 'counts' }, counts),
    ...last.notes.map((note) => element('b', { class: 'failed' }, ` ${note}.`)),
  );
}

/**
 * From the first run on: the settings in force, and the verdict of the last run. `point` is the newest second.
 *
 * @param {Live} live
 * @param {Point | null} point
 */
export function statusBar(live, point) {
  return element(
    'div',
    { class: 'status' },
    element('dl', { class: 'settings' }, ...settings(live), now(live, point)),
    differing(live),
    caveats(live),
    silent(live),
    ...(live.run || live.state === 'stopping' || !live.last ? [] : [verdict(live.last), applyAdvice(live)]),
  );
}

/**
 * When live.json cannot be fetched.
 *
 * @param {unknown} error
 */
export function unreachable(error) {
  return element('div', { class: 'status' }, element('p', { class: 'silent', role: 'status' }, `The sandbox does not answer: ${error instanceof Error ? error.message : error}`));
}
