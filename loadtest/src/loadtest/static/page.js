// @ts-check
// What both pages need: elements made of text (never of HTML), JSON from /lab, and Locust's colour scheme.

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

/** Fetch JSON from under /lab; throws an Error with a line to show for anything but a 200 with JSON. */
export async function fetchJson(path) {
  const response = await fetch(new URL(`../${path}`, import.meta.url));
  if (response.redirected) throw new Error('you are logged out; reload the page to log in');
  const answer = await response.json().catch(() => ({ error: `${path.split('?')[0]} answered ${response.status} ${response.statusText}` }));
  if (!response.ok || answer.error) throw new Error(answer.error || response.statusText);
  return answer;
}

/** The badge of a verdict: its kind, which has a colour, and the server's words. */
export const badge = (bottleneck, label) => element('span', { class: `badge ${bottleneck}` }, label);

/** Changes as `NET_RTT_MS 0 -> 80`, with an arrow that no line break parts. */
export const arrows = (text) => text.replaceAll('->', '\u2192');

export const figure = (value, digits = 0) =>
  value === null || value === undefined
    ? '-'
    : Number(value).toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits });
