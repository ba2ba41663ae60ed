// @ts-check
// The settings that the start form has changed: one line with a button that takes them back to those of .env.

import { element } from './page.js';

/**
 * The line, null if nothing differs.
 *
 * @param {import('./page.js').Live} live
 */
export function differing(live) {
  if (!live.differing.length) return null;
  const button = element('button', { type: 'button' }, 'Reset');
  const note = element('span', { class: 'failed', role: 'status' });
  button.addEventListener('click', () => reset(button, note));
  const settings = live.differing.map(({ variable, value, was }) => element('span', {}, `${variable} ${value} `, element('del', {}, was)));
  return element('p', { class: 'differing' }, element('b', {}, 'Differs from .env: '), ...settings, button, note);
}

/**
 * @param {HTMLButtonElement} button
 * @param {HTMLElement} note
 */
async function reset(button, note) {
  button.disabled = true;
  const response = await fetch(new URL('../services/reset', import.meta.url), { method: 'POST' });
  const answer = await response.json().catch(() => ({ mistakes: [`the server answered ${response.status}`] }));
  if (response.ok) location.reload(); // the start form begins with what is in force
  else note.textContent = ` ${answer.mistakes.join('; ')}`;
}
