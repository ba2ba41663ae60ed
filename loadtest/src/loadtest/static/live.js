// @ts-check
// The live page: asks for new points once a second, and draws what has changed, where it is in sight.

import { appended, small } from './live_figures.js';
import { element, fetchJson, prefersDark } from './page.js';
import { head } from './live_head.js';
import { slots } from './slots.js';

const POLL_MS = { running: 1000, ended: 3000 };
const CONFIG = { displayModeBar: false, responsive: true };

/** Plotly's script is fetched when it is first needed. */
const plotly = () =>
  new Promise((resolve, reject) => {
    // @ts-ignore: Plotly's script is not a module
    if (window.Plotly) return resolve(window.Plotly);
    const script = element('script', { src: new URL('../plotly.js', import.meta.url).href });
    // @ts-ignore
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error('plotly.js could not be fetched'));
    document.head.append(script);
  });

/** One figure with its title; drawn only while it is in sight. */
class Chart {
  /** @param {{name: string, title: string, reading: string}} figure */
  constructor(figure) {
    this.place = element('div', { class: 'chart' });
    this.box = element('figure', { id: `live-${figure.name}` }, element('figcaption', {}, element('b', {}, figure.title), ` ${figure.reading}`), this.place);
    /** @type {any} what Plotly draws */
    this.figure = undefined;
    this.changed = false;
    this.inSight = false;
  }

  /**
   * @param {any} library Plotly
   * @param {string} run
   * @param {import('./live_figures.js').Colours} colours
   */
  draw(library, run, colours) {
    this.box.hidden = !this.figure?.data.length;
    if (!this.changed || !this.inSight || this.box.hidden) return;
    if (this.place.matches(':hover')) return; // its words would go with each drawing
    this.changed = false;
    library.react(this.place, this.figure.data, small(this.figure.layout, colours, run), CONFIG);
  }
}

/** The whole view, in a box; `start` and `stop` as it is shown and hidden. */
export class LiveView {
  /**
   * @param {HTMLElement} box
   * @param {{verdictElsewhere?: boolean}} options the verdict of a run that has ended is on the page already
   */
  constructor(box, options = {}) {
    this.options = options;
    this.head = element('div', { class: 'live-head' });
    this.slots = element('div', { class: 'live-slots' });
    this.grid = element('div', { class: 'live-grid' });
    this.box = box;
    box.classList.add('live');
    box.append(this.head, this.slots, this.grid);
    this.charts = new Map();
    this.run = '';
    this.next = 0;
    /** @type {boolean | undefined} as it was last drawn */
    this.dark = undefined;
    this.colours = { text: '', line: '' };
    this.timer = 0;
    this.running = false;
    /** @type {any} Plotly, once it is there */
    this.library = null;
    this.sight = new IntersectionObserver((entries) => this.seen(entries));
  }

  start() {
    if (this.running) return;
    this.running = true;
    this.poll();
  }

  stop() {
    this.running = false;
    clearTimeout(this.timer);
  }

  async poll() {
    let wait = POLL_MS.ended;
    try {
      if (!document.hidden) {
        const answer = await fetchJson(`pool.json?run=${encodeURIComponent(this.run)}&since=${this.next}`);
        if (answer.run) this.library ??= await plotly();
        this.take(answer);
        if (answer.run?.state === 'running') wait = POLL_MS.running;
      }
    } catch (error) {
      this.head.replaceChildren(element('p', { class: 'silent', role: 'status' }, `The sandbox does not answer: ${error instanceof Error ? error.message : error}`));
    }
    if (this.running) this.timer = setTimeout(() => this.poll(), wait);
  }

  /** @param {any} answer of pool.json */
  take(answer) {
    this.follow(prefersDark());
    const id = answer.run?.id ?? '';
    const again = id !== this.run || answer.from !== this.next || !this.charts.size;
    this.head.replaceChildren(head(answer, this.options));
    this.box.classList.toggle('running', answer.run?.state === 'running');
    this.slots.replaceChildren(answer.pool ? slots(answer.pool) : element('p', { class: 'silent' }, 'The proxy does not answer.'));
    for (const one of answer.figures) {
      const chart = this.chart(one);
      if (again) chart.figure = undefined;
      if (again || answer.next > answer.from) {
        chart.figure = appended(chart.figure, one.figure, answer.most);
        chart.changed = true;
      }
    }
    this.run = id;
    this.next = answer.next;
    this.draw();
  }

  /** Take over Locust's colours when its switch has been used. */
  follow(/** @type {boolean} */ dark) {
    if (this.dark === dark) return;
    this.dark = dark;
    (this.box.closest('.sandbox') ?? this.box).classList.toggle('dark', dark);
    const style = getComputedStyle(this.box);
    this.colours = { text: style.getPropertyValue('--text'), line: style.getPropertyValue('--line') };
    for (const chart of this.charts.values()) chart.changed = true;
  }

  /** @param {{name: string, title: string, reading: string}} one */
  chart(one) {
    if (!this.charts.has(one.name)) {
      const made = new Chart(one);
      this.charts.set(one.name, made);
      this.grid.append(made.box);
      this.sight.observe(made.box);
    }
    return this.charts.get(one.name);
  }

  /** @param {IntersectionObserverEntry[]} entries */
  seen(entries) {
    for (const entry of entries) {
      const chart = [...this.charts.values()].find((one) => one.box === entry.target);
      if (chart) chart.inSight = entry.isIntersecting;
    }
    this.draw();
  }

  draw() {
    if (this.library) for (const chart of this.charts.values()) chart.draw(this.library, this.run, this.colours);
  }
}
