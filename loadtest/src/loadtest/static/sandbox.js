// @ts-check
// On Locust's page: three lines before the first run, then a status bar with the settings in force and the verdict.
// Mounted outside React's #root; it needs of Locust's page only its <header>, its <main> and role=tablist.

import { openComparison } from './apply_advice.js';
import { element, fetchJson, prefersDark } from './page.js';
import { intro, statusBar, unreachable } from './render.js';
import { watchStartForm } from './start_form.js';

const POLL_MS = { running: 1000, waiting: 3000 };
/** @param {number} milliseconds */
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The box below Locust's header, in room made above its main part; placed anew when one of the two changes its size. */
class Panel {
  constructor() {
    this.box = element('section', { id: 'sandbox', class: 'sandbox', hidden: true, 'aria-label': 'Pool Sandbox' });
    this.header = null;
    this.sizes = new ResizeObserver(() => this.place());
    document.body.append(this.box);
    this.sizes.observe(this.box);
    addEventListener('resize', () => this.place());
  }

  /** React makes the header some time after this script has run. */
  async ready() {
    while (!this.findHeader()) await new Promise(requestAnimationFrame);
  }

  /** React may replace the header. */
  findHeader() {
    if (this.header?.isConnected) return this.header;
    if (this.header) this.sizes.unobserve(this.header);
    this.header = document.querySelector('#root header');
    if (this.header) this.sizes.observe(this.header);
    return this.header;
  }

  place() {
    const header = this.findHeader();
    if (!header) return;
    this.box.style.top = `${header.getBoundingClientRect().bottom + scrollY}px`;
    document.documentElement.style.setProperty('--sandbox-height', `${this.box.offsetHeight}px`);
  }

  /**
   * Put an element into the box; a list that was unfolded stays so.
   *
   * @param {Element} content
   */
  show(content) {
    const unfolded = this.box.querySelector('details')?.open;
    this.replace(content);
    const fold = this.box.querySelector('details');
    if (fold && unfolded) fold.open = true;
    this.box.hidden = false;
    this.box.classList.toggle('dark', prefersDark());
    this.place();
  }

  /**
   * Replace the parts that are not as before: a button that stays keeps the focus, and a click that has begun.
   *
   * @param {Element} content
   */
  replace(content) {
    const old = this.box.firstElementChild;
    const [before, after] = [[...(old?.children ?? [])], [...content.children]];
    if (old?.className !== content.className || before.length !== after.length) return this.box.replaceChildren(content);
    after.forEach((one, index) => before[index]?.isEqualNode(one) || before[index]?.replaceWith(one));
  }
}

/**
 * Asks for live.json for as long as the page is open, and shows what has changed.
 *
 * @param {Panel} panel
 */
async function poll(panel) {
  let run = null;
  let point = null;
  let shown = '';
  await panel.ready();
  for (;;) {
    let wait = POLL_MS.waiting;
    try {
      if (!document.hidden) {
        const { points, ...live } = await fetchJson(`live.json?since=${point ? point.t_seconds : 0}`);
        openComparison(live);
        const id = live.run ? live.run.id : null;
        if (run !== id) [run, point] = [id, null];
        if (run) point = points.at(-1) ?? point;
        if (run || live.state === 'stopping' || document.querySelector('#root [role=tablist]')) wait = POLL_MS.running;
        const now = JSON.stringify([live, point, prefersDark()]);
        if (now !== shown) panel.show(run || live.last || live.state !== 'ready' ? statusBar(live, point) : intro(live));
        shown = now;
        panel.place();
      }
    } catch (error) {
      panel.show(unreachable(error));
      shown = '';
    }
    await pause(wait);
  }
}

document.head.append(...['sandbox.css', 'form.css'].map((name) => element('link', { rel: 'stylesheet', href: new URL(name, import.meta.url) })));
watchStartForm();
poll(new Panel());
