// @ts-check
// The pool as slots and the queue before them, as plain descriptions and as elements. Pure: no fetching, no placing.

import { element } from './page.js';

const WAITING_SHOWN = 40;
const SMALL_FROM = 100;

/**
 * @typedef {{state: string, title: string, held_ms: number | null, colour: string | null}} Slot
 * @typedef {{pid: number, slots: Slot[], waiting: number, busy: number}} Worker
 * @typedef {{sentence: string, workers: Worker[]}} Pool
 */

/** Milliseconds in at most four characters. */
export function short(/** @type {number} */ ms) {
  if (ms < 1000) return `${Math.round(ms)}`;
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)}s` : `${Math.round(ms / 1000)}s`;
}

/**
 * A row for each worker: its connections, and the requests that wait for one.
 *
 * @param {Pool} pool
 */
export function slotRows(pool) {
  const count = pool.workers.reduce((sum, worker) => sum + worker.slots.length, 0);
  const several = pool.workers.length > 1;
  return element(
    'div',
    { class: `slots${count >= SMALL_FROM ? ' small' : ''}${several ? ' several' : ''}` },
    ...pool.workers.map((worker, number) => row(worker, several ? `worker ${number + 1}` : '')),
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

function queue(/** @type {number} */ waiting) {
  const marks = Array.from({ length: Math.min(waiting, WAITING_SHOWN) }, () => element('i', {}));
  const words = waiting ? `${waiting} waiting` : 'none waiting';
  return element('div', { class: `queue${waiting ? '' : ' none'}`, title: 'Requests that wait for a connection' }, element('b', {}, words), ...marks);
}
