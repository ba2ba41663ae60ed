// @ts-check
// What limits the run now, in words, as elements made of the answer of pool.json. Pure.

import { badge, element } from './page.js';

/**
 * @typedef {object} LiveRun the run of pool.json
 * @property {string} id
 * @property {string} name
 * @property {string} state
 * @property {string} status
 * @property {number} t_seconds
 * @property {number | null} of_seconds
 * @property {{bottleneck: string, label: string, because: string, advice: string, also: string[], since_seconds?: number} | null} limit
 */

/**
 * @param {string} path
 * @param {string} text
 */
const link = (path, text) => element('a', { href: new URL(`../${path}`, import.meta.url) }, text);

/** @param {string} text */
const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** @param {LiveRun} run */
function when(run) {
  if (run.state === 'ended') return ` Last run, ${run.name}, has ended${run.status === 'interrupted' ? ' (interrupted)' : ''}. `;
  const of = run.of_seconds ? ` of ${run.of_seconds}` : '';
  return ` ${run.name}: ${run.state === 'stopping' ? 'waiting for the last answers' : `${run.t_seconds.toFixed(0)}${of} s`}. `;
}

/**
 * The limit with its reason; while a run is under way of the last seconds, then of all its steady part.
 *
 * @param {LiveRun} run
 */
function limit(run) {
  const found = run.limit;
  if (!found) return element('p', { class: 'limit' }, run.state === 'ended' ? '' : 'What limits it is known after a second or two.');
  const lasted = found.since_seconds === undefined ? 0 : run.t_seconds - found.since_seconds;
  const since = run.state === 'ended' ? '' : `for ${Math.round(lasted)} s `;
  return element(
    'p',
    { class: 'limit' },
    badge(found.bottleneck, found.label),
    element('span', { class: 'quiet' }, since),
    `${upper(found.because)}. `,
    ...(found.also.length ? [element('span', { class: 'quiet' }, `Also: ${found.also.join('; ')}. `)] : []),
    found.advice ? element('span', { class: 'advice' }, found.advice) : null,
  );
}

/**
 * One or two lines: the run and the pool in a sentence, then what limits it.
 *
 * @param {{run: LiveRun | null, pool: {sentence: string} | null}} answer
 * @param {{verdictElsewhere?: boolean}} options
 */
export function head(answer, options) {
  const run = answer.run;
  const pool = answer.pool ? `${upper(answer.pool.sentence)}.` : '';
  if (!run) return element('div', {}, element('p', {}, 'No run yet: press START in Locust. ', pool));
  const page = run.state === 'ended' ? link(`runs/${run.id}.html`, 'Its page') : null;
  return element('div', {}, element('p', {}, element('b', {}, pool), element('span', { class: 'quiet' }, when(run)), page), run.state === 'ended' && options.verdictElsewhere ? null : limit(run));
}
