// @ts-check
// On a run's page: the button that runs it again with its advice. Locust's page opens the comparison when that is over.

import { adviceOf } from './apply_advice.js';
import { fetchJson } from './page.js';

const id = location.pathname.split('/').at(-1)?.replace(/\.html$/, '') ?? '';
const paste = document.querySelector('.paste');

if (paste) {
  const advised = await fetchJson(`runs/${id}/advice.json`);
  if (advised.lines.length) paste.after(adviceOf(id, advised, false, () => location.assign(new URL('../../', import.meta.url))));
}
