// What both pages need: elements out of text (never out of HTML), and Locust's colour scheme.

/** Make an element; children are strings or elements, attributes a plain object. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, '');
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Whether Locust shows itself dark: its own switch, or else what the system prefers. */
export function prefersDark() {
  const theme = localStorage.getItem('theme');
  return theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

/** Fetch JSON from under /lab; throws on anything but a 200. */
export async function fetchJson(path) {
  const response = await fetch(new URL(`../${path}`, import.meta.url));
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error || response.statusText);
  return answer;
}

export const LIMITS = {
  pool: 'Limit: the pool',
  cpu: 'Limit: CPU',
  loop: 'Limit: the event loop',
  failures: 'Requests failed',
  upstream: 'Limit: the upstream',
  link: 'Limit: the link',
  none: 'No limit reached',
};

export const badge = (bottleneck) => element('span', { class: `badge ${bottleneck}` }, LIMITS[bottleneck] || bottleneck);

/** Changes as `NET_RTT_MS 0 -> 80`, with an arrow that no line break parts. */
export const arrows = (text) => text.replaceAll('->', '\u2192');

export const figure = (value, digits = 0) =>
  value === null || value === undefined
    ? '-'
    : Number(value).toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits });
