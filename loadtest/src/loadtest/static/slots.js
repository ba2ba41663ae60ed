// @ts-check
// The pool as slots and the queue before them, as plain descriptions and as elements. Pure: no fetching, no placing.

import { element } from './page.js';

const WAITING_SHOWN = 40;
const SMALL_FROM = 100;

/**
 * @typedef {{state: string, title: string, held_ms: number | null, doing: string | null, colour: string | null}} Slot
 * @typedef {{pid: number, slots: Slot[], waiting: number, busy: number}} Worker
 * @typedef {{sentence: string, workers: Worker[]}} Pool
 */

/** Milliseconds in at most four characters. */
export function short(/** @type {number} */ ms) {
  if (ms < 1000) return `${Math.round(ms)}`;
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)}s` : `${Math.round(ms / 1000)}s`;
}

/** Words for the states that a slot may have; a busy one is called by what its request does. */
const STATES = { connecting: 'connecting', over: 'never given back', lost: 'lost by the client library', idle: 'idle', free: 'not open' };

/**
 * A row for each worker: its connections, and the requests that wait for one.
 *
 * @param {Pool} pool
 */
export function slots(pool) {
  const all = pool.workers.flatMap((worker) => worker.slots);
  const count = all.length;
  const several = pool.workers.length > 1;
  return element(
    'div',
    { class: `slots${count >= SMALL_FROM ? ' small' : ''}${several ? ' several' : ''}` },
    ...pool.workers.map((worker, number) => row(worker, several ? `worker ${number + 1}` : '')),
    legend(all, count < SMALL_FROM),
  );
}

function row(/** @type {Worker} */ worker, /** @type {string} */ name) {
  const words = `${name ? `${name}: ` : ''}${worker.busy} of ${worker.slots.length} connections in use, ${worker.waiting} waiting`;
  return element(
    'div',
    { class: 'worker', role: 'img', 'aria-label': words },
    name ? element('span', { class: 'name', title: `process ${worker.pid}` }, name) : null,
    element('div', { class: 'pool' }, ...worker.slots.map(cell)),
    queue(worker.waiting),
  );
}

function cell(/** @type {Slot} */ slot) {
  const colour = slot.colour && slot.state === 'busy' ? `background:${slot.colour}` : null;
  return element('span', { class: `slot ${slot.state}`, title: slot.title, style: colour }, slot.held_ms === null ? '' : short(slot.held_ms));
}

/** What the colours mean, of those that are there; hidden from screen readers, which have the rows' words. */
function legend(/** @type {Slot[]} */ all, /** @type {boolean} */ numbered) {
  const busy = new Map(all.filter((slot) => slot.state === 'busy').map((slot) => [slot.doing ?? 'busy', slot.colour]));
  const states = Object.entries(STATES).filter(([state]) => all.some((slot) => slot.state === state));
  const sample = (/** @type {string} */ kind, /** @type {string | null} */ colour, /** @type {string} */ words) =>
    element('span', {}, element('i', { class: `slot ${kind}`, style: colour && `background:${colour}` }), words);
  return element(
    'div',
    { class: 'key', 'aria-hidden': 'true' },
    ...[...busy].map(([doing, colour]) => sample('busy', colour, doing)),
    ...states.map(([state, words]) => sample(state, null, words)),
    element('span', {}, `As it was a moment ago${numbered && busy.size ? '; numbers: ms for which a request has held it' : ''}`),
  );
}

function queue(/** @type {number} */ waiting) {
  const marks = Array.from({ length: Math.min(waiting, WAITING_SHOWN) }, () => element('i', {}));
  const words = waiting ? `${waiting} waiting` : 'none waiting';
  return element('div', { class: `queue${waiting ? '' : ' none'}`, title: 'Requests that wait for a connection' }, element('b', {}, words), ...marks);
}
