// @ts-check
// The page of the services: their settings, and every two seconds what mock and link know.

import { fetchJson, prefersDark } from './page.js';
import { SettingsForm } from './services_settings.js';
import { link, upstream } from './services_view.js';

const POLL_MS = 2000;
const CONNECTIONS_KEPT = 50;

/** @param {string} id */
const place = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** The newest connections, asked for from where the last answer ended. */
class Connections {
  constructor() {
    this.next = 0;
    /** @type {Record<string, any>[]} */
    this.newest = [];
  }

  async read() {
    // Those that were open are asked for again: they may have been closed.
    const open = this.newest.filter((one) => !one.closed).map((one) => one.id);
    let page = await fetchJson(`services/upstream/connections.json?since=${open.length ? Math.min(...open) - 1 : this.next}`);
    for (;;) {
      const known = new Set(page.connections.map((/** @type {{id: number}} */ one) => one.id));
      this.newest = [...this.newest.filter((one) => !known.has(one.id)), ...page.connections].slice(-CONNECTIONS_KEPT);
      this.next = page.next;
      if (!page.more) return this.newest;
      page = await fetchJson(`services/upstream/connections.json?since=${page.next}`);
    }
  }
}

/**
 * Show a service, or that it does not answer.
 *
 * @param {string} id
 * @param {() => Promise<HTMLElement[]>} read
 */
async function show(id, read) {
  try {
    place(id).replaceChildren(...(await read()));
  } catch (error) {
    place(id).replaceChildren(error instanceof Error ? error.message : String(error));
  }
}

async function poll() {
  const connections = new Connections();
  for (;;) {
    if (!document.hidden) {
      await show('upstream', async () => {
        const names = ['stats', 'faults', 'executions'];
        const [stats, faults, executions] = await Promise.all(names.map((name) => fetchJson(`services/upstream/${name}.json`)));
        return upstream(stats, faults, executions, await connections.read());
      });
      await show('link', async () => link(await fetchJson('services/link/config.json'), await fetchJson('services/link/stats.json')));
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

document.body.classList.toggle('dark', prefersDark());
const form = new SettingsForm(/** @type {HTMLFormElement} */ (place('settings')));
form.show().catch((error) => {
  place('error').hidden = false;
  place('error').textContent = `The settings could not be fetched: ${error.message}`;
});
poll();
