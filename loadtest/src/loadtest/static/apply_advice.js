// @ts-check
// The button that runs the same load once more with the advice of the last run, and then opens the comparison.

import { element, fetchJson } from './page.js';

const COMPARE_WITH = 'sandbox.compare-with';

/**
 * @typedef {{lines: string[], restart: string[]}} Advised what an advice sets, and what of it needs a restart
 */

/**
 * Button and what it does, null if the advice of the last run sets nothing.
 *
 * @param {import('./page.js').Live} live
 */
export function applyAdvice(live) {
  const { advised, last } = live;
  if (!last || !advised?.lines.length) return null;
  // Locust's page does not notice a run that it has not started itself.
  return adviceOf(last.id, advised, Boolean(live.other_run), () => location.reload());
}

/**
 * @param {string} id of the run
 * @param {Advised} advised
 * @param {boolean} disabled
 * @param {() => void} then
 */
export function adviceOf(id, advised, disabled, then) {
  const lines = element('code', {}, advised.lines.join(' '));
  if (advised.restart.length) return element('p', { class: 'apply' }, lines, ` needs a restart: put ${advised.restart.length > 1 ? 'these' : 'it'} into .env.`);
  const button = element('button', { type: 'button', disabled }, 'Apply and run again');
  const note = element('span', { class: 'failed', role: 'status' });
  button.addEventListener('click', async () => {
    button.disabled = true;
    try {
      await run(id);
      then();
    } catch (error) {
      note.textContent = ` ${error instanceof Error ? error.message : error}`;
      button.disabled = false;
    }
  });
  return element('p', { class: 'apply', 'data-run': id }, button, lines, note);
}

/**
 * @param {string} id of the run whose advice is applied
 */
async function run(id) {
  const now = await fetchJson('live.json');
  if (now.run || now.state === 'stopping') throw new Error('a run is under way; wait for its end');
  const form = await fetchJson(`runs/${id}/advised.json`);
  const response = await fetch(new URL('../../swarm', import.meta.url), { method: 'POST', body: new URLSearchParams(form) });
  const answer = await response.json();
  if (!answer.success) throw new Error(answer.message);
  sessionStorage.setItem(COMPARE_WITH, JSON.stringify({ id, last: now.last?.id ?? null }));
}

/**
 * Open the comparison once the run that the button has started is over.
 *
 * @param {import('./page.js').Live} live
 */
export function openComparison(live) {
  const { id, last } = JSON.parse(sessionStorage.getItem(COMPARE_WITH) ?? '{}');
  if (!id || live.run || live.state === 'stopping' || !live.last || live.last.id === last) return;
  sessionStorage.removeItem(COMPARE_WITH);
  location.assign(new URL(`../compare.html?run=${id}&run=${live.last.id}`, import.meta.url));
}
