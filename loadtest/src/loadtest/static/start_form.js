// @ts-check
// Locust's start form: what was refused stands at its field, and a form that is opened anew shows what is in force.
// Locust offers neither. It needs of Locust's page that it posts to swarm by fetch, and that fields have their names.

import { element, fetchJson, prefersDark } from './page.js';

const ALERT = '#root form [role=alert], [role=presentation] form [role=alert]';
const ALERT_CHECKS = 20;

/** @typedef {HTMLInputElement | HTMLSelectElement} Field */

/** @param {number} milliseconds */
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
/** @param {string} name */
const camelCase = (name) => name.replace(/_(.)/g, (/** @type {string} */ _, /** @type {string} */ letter) => letter.toUpperCase());
/** @param {string} name */
const fieldOf = (name) => [.../** @type {NodeListOf<Field>} */ (document.querySelectorAll(`form [name="${camelCase(name)}"]`))].at(-1);

/**
 * Put a line at each field, unfold what hides it, and bring the first into sight. Returns how many there were.
 *
 * @param {Record<string, string>} lines by the name of the field
 */
function showMistakes(lines) {
  document.querySelectorAll('form .mistake').forEach((one) => one.remove());
  const shown = Object.entries(lines).map(([name, line]) => showMistake(fieldOf(name), line)).filter(Boolean);
  if (shown.length) setTimeout(() => shown[0]?.scrollIntoView({ block: 'center' }), 300); // once it is unfolded
  return shown.length;
}

/**
 * @param {Field | undefined} field
 * @param {string} words
 */
function showMistake(field, words) {
  if (!field) return null;
  const line = element('p', { class: prefersDark() ? 'mistake dark' : 'mistake', role: 'alert' }, words);
  const fold = field.closest('.MuiAccordion-root')?.querySelector('[aria-expanded=false]');
  if (fold instanceof HTMLElement) fold.click();
  field.setAttribute('aria-invalid', 'true');
  field.parentElement?.after(line);
  const corrected = () => {
    line.remove();
    field.setAttribute('aria-invalid', 'false');
  };
  field.addEventListener('input', corrected, { once: true });
  return line;
}

/** Locust shows what it refused beneath all fields of its form: bring that into sight once it is there. */
async function revealAlert() {
  for (let check = 0; check < ALERT_CHECKS; check += 1) {
    await pause(100);
    const alert = document.querySelector(ALERT);
    if (alert?.textContent) return alert.scrollIntoView({ block: 'center' });
  }
}

/** @param {{success: boolean, fields?: Record<string, string>}} answer */
function onAnswer(answer) {
  if (!answer.success && !showMistakes(answer.fields ?? {})) revealAlert();
}

/** Read what Locust's page gets back from swarm, and leave it as it is. */
function watchSwarm() {
  const fetched = window.fetch;
  window.fetch = async (...asked) => {
    const response = await fetched(...asked);
    const url = new URL(asked[0] instanceof Request ? asked[0].url : asked[0], location.href);
    if (url.pathname.endsWith('/swarm')) response.clone().json().then(onAnswer, revealAlert);
    return response;
  };
}

/**
 * Set a field as if it were typed. React has put a setter of its own on the element itself.
 *
 * @param {Field} field
 * @param {string} value
 */
function type(field, value) {
  const prototype = field instanceof HTMLSelectElement ? HTMLSelectElement.prototype : HTMLInputElement.prototype;
  Object.getOwnPropertyDescriptor(prototype, 'value')?.set?.call(field, value);
  field.dispatchEvent(new Event(field instanceof HTMLSelectElement ? 'change' : 'input', { bubbles: true }));
}

/**
 * Give the fields of a form that has just been opened the values in force; the page was made before a change.
 *
 * @param {Element} form
 */
async function refresh(form) {
  const fields = /** @type {NodeListOf<Field>} */ (form.querySelectorAll('[name]'));
  const before = new Map([...fields].map((field) => [field, field.value]));
  const values = await fetchJson('fields.json');
  for (const [name, value] of Object.entries(values)) {
    const field = [...fields].find((one) => one.name === camelCase(name));
    if (field && field.value === before.get(field) && field.value !== value) type(field, value);
  }
}

function watchDialogs() {
  const seen = new WeakSet();
  document.addEventListener('click', async () => {
    await pause(50); // React opens the dialog after the click
    const form = document.querySelector('[role=dialog] form, [role=presentation] form');
    if (!form || seen.has(form)) return;
    seen.add(form);
    refresh(form).catch(() => {});
  });
}

/** Watch the start form for as long as the page is open. */
export function watchStartForm() {
  watchSwarm();
  watchDialogs();
}
