// @ts-check
// The tab "Pool" in Locust's page. Locust offers a tab whose panel stays empty: the view is laid over that panel, outside
// of React's #root. It needs of Locust's page that the tab's key is in the address (?tab=), and role=tablist.

import { LiveView } from './live.js';
import { element } from './page.js';

const KEY = 'sandbox-pool';

class PoolTab {
  constructor() {
    this.box = element('section', { id: 'sandbox-pool', class: 'sandbox', hidden: true, 'aria-label': 'Pool, live' });
    document.body.append(this.box);
    this.view = new LiveView(this.box, { verdictElsewhere: true });
    this.sizes = new ResizeObserver(() => this.place());
    for (const one of [document.body, document.getElementById('sandbox')]) if (one) this.sizes.observe(one);
  }

  /** Show or hide it, as the address has it; React changes the address without an event, after a click or a key. */
  follow() {
    const tabs = document.querySelector('#root [role=tablist]');
    const shown = Boolean(tabs) && new URLSearchParams(location.search).get('tab') === KEY;
    if (shown !== this.box.hidden) return;
    this.box.hidden = !shown;
    if (!shown) return this.view.stop();
    this.place();
    this.view.start();
  }

  place() {
    if (this.box.hidden) return;
    const tabs = document.querySelector('#root [role=tablist]');
    const bottoms = [tabs, document.getElementById('sandbox')].map((one) => one?.getBoundingClientRect().bottom ?? 0);
    this.box.style.top = `${Math.max(...bottoms) + scrollY}px`;
  }
}

document.head.append(element('link', { rel: 'stylesheet', href: new URL('live.css', import.meta.url) }));
const tab = new PoolTab();
const soon = () => setTimeout(() => tab.follow(), 50);
for (const event of ['click', 'keyup', 'popstate']) addEventListener(event, soon, true);
setInterval(() => tab.follow(), 1000);
tab.follow();
