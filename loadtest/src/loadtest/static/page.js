// @ts-check
// What both pages need: elements made of text (never of HTML), JSON from /lab, and Locust's colour scheme.

/**
 * @typedef {{title: string, variable: string, value: string, was: string | null}} Setting a setting in force
 * @typedef {{variable: string, value: string, was: string}} Difference a setting that is not that of .env
 * @typedef {{t_seconds: number, pool_active: number | null, pool_waiting: number | null}} Point one second of a run
 *
 * @typedef {object} Last the verdict of a run that has ended
 * @property {string} id
 * @property {string} name
 * @property {string} status
 * @property {string} bottleneck
 * @property {string} limit
 * @property {string} because
 * @property {string} advice
 * @property {number} requests
 * @property {string} failed
 * @property {number} rps
 * @property {number | null} p50_ms
 * @property {number | null} p99_ms
 * @property {string} changed
 * @property {string} injected
 * @property {string} audit
 * @property {string[]} notes
 *
 * @typedef {object} Live what live.json answers
 * @property {string} state
 * @property {{id: string, label: string, t_seconds: number, of_seconds: number | null} | null} run
 * @property {Setting[]} settings
 * @property {Difference[]} differing
 * @property {string[]} caveats
 * @property {string[]} silent
 * @property {string | null} other_run
 * @property {Last | null} last
 * @property {{lines: string[], restart: string[]} | null} advised what the advice of the last run sets
 * @property {number} runs
 */

/**
 * Make an element; children are strings or elements, attributes a plain object.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(string | Node | null | undefined)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, '');
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  for (const child of children) if (child !== null && child !== undefined) made.append(child);
  return made;
}

/** Whether Locust shows itself dark: its own switch, or else what the system prefers. */
export function prefersDark() {
  const theme = localStorage.getItem('theme');
  return theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

/**
 * Fetch JSON from under /lab; throws an Error with a line to show for anything but a 200 with JSON.
 *
 * @param {string} path
 * @returns {Promise<any>}
 */
export async function fetchJson(path) {
  const response = await fetch(new URL(`../${path}`, import.meta.url));
  if (response.redirected) throw new Error('you are logged out; reload the page to log in');
  const answer = await response.json().catch(() => ({ error: `${path.split('?')[0]} answered ${response.status} ${response.statusText}` }));
  if (!response.ok || answer.error) throw new Error(answer.error || response.statusText);
  return answer;
}

/**
 * The badge of a verdict: its kind, which has a colour, and the server's words.
 *
 * @param {string} bottleneck
 * @param {string} label
 */
export const badge = (bottleneck, label) => element('span', { class: `badge ${bottleneck}` }, label);

/**
 * Changes as `NET_RTT_MS 0 -> 80`, with an arrow that no line break parts.
 *
 * @param {string} text
 */
export const arrows = (text) => text.replaceAll('->', '\u2192');

/**
 * @param {number | null | undefined} value
 * @param {number} digits
 */
export const figure = (value, digits = 0) =>
  value === null || value === undefined
    ? '-'
    : Number(value).toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits });
