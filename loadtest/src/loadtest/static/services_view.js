// @ts-check
// What mock and link know, as elements made of their own documents. Pure: no fetching, no placing.

import { element, figure } from './page.js';

/** @typedef {Record<string, any>} Document */

const CONNECTIONS_SHOWN = 12;
const time = (/** @type {number} */ seconds) => new Date(seconds * 1000).toISOString().slice(11, 23);
const counts = (/** @type {Record<string, number>} */ found) =>
  Object.entries(found).filter(([, count]) => count).map(([name, count]) => `${name} ${figure(count)}`).join(', ') || 'none';

/** @param {[string, string][]} facts */
const list = (facts) => element('dl', {}, ...facts.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]));

/**
 * @param {string[]} heads
 * @param {string[][]} rows
 * @param {string} empty
 */
function table(heads, rows, empty) {
  if (!rows.length) return element('p', { class: 'raw' }, empty);
  const head = element('tr', {}, ...heads.map((one) => element('th', {}, one)));
  return element('table', {}, element('thead', {}, head), element('tbody', {}, ...rows.map((row) => element('tr', {}, ...row.map((cell) => element('td', {}, cell))))));
}

/**
 * @param {string} service
 * @param {string[]} documents
 */
const raw = (service, documents) =>
  element('p', { class: 'raw' }, 'As JSON: ', ...documents.map((name) => element('a', { href: new URL(`../services/${service}/${name}.json`, import.meta.url), target: '_blank', rel: 'noopener' }, name)));

/**
 * @param {Document} stats
 * @param {Document} faults
 * @param {Document} executions
 * @param {Document[]} connections the newest, oldest first
 */
export function upstream(stats, faults, executions, connections) {
  const { connections: sockets, requests, capacity } = stats;
  const runs = Object.entries(executions.runs);
  const repeated = runs.flatMap(([run, found]) => Object.entries(found.repeated).map(([id, times]) => [run, id, `${times} times`]));
  return [
    element('h2', {}, 'Mock upstream'),
    list([
      ['requests', `${figure(requests.started)} started, ${figure(requests.completed)} completed, ${figure(requests.abandoned)} abandoned, ${figure(requests.in_flight)} in flight`],
      ['servers', `${capacity.servers ?? 'any number'}: ${figure(capacity.busy)} busy, ${figure(capacity.waiting)} waiting, ${figure(capacity.refused)} refused`],
      ['connections', `${figure(sockets.accepted)} accepted, ${figure(sockets.open)} open; ${figure(sockets.requests_per_connection.mean, 1)} requests each`],
      ['closed by', counts(sockets.closed_by)],
      ['faults injected', counts(stats.faults)],
      ['POSTs', runs.length ? `${figure(runs.reduce((sum, [, found]) => sum + found.ids, 0))} ids, executed ${figure(runs.reduce((sum, [, found]) => sum + found.executions, 0))} times` : 'none'],
    ]),
    element('h3', {}, 'Fault rules in force'),
    table(['Rule', 'Requests in reach', 'Applied'], faults.in_force.map((/** @type {Document} */ one) => [one.rule, figure(one.seen), figure(one.applied)]), 'None: set UPSTREAM_FAULT above.'),
    element('h3', {}, 'Executed more than once'),
    table(['Run', 'Id', 'Executed'], repeated, 'No POST or PATCH was.'),
    element('h3', {}, 'Newest connections'),
    table(
      ['Id', 'Opened (UTC)', 'Requests', 'Closed by'],
      connections.slice(-CONNECTIONS_SHOWN).reverse().map((one) => [String(one.id), time(one.opened), figure(one.requests), one.closed ? `${one.closed_by}, after ${figure(one.closed - one.opened, 1)} s` : 'open']),
      'None yet.',
    ),
    raw('upstream', ['config', 'stats', 'faults', 'connections', 'requests', 'executions']),
  ];
}

/**
 * @param {Document} config
 * @param {Document} stats
 */
export function link(config, stats) {
  const measured = config.measured ? Object.entries(config.measured).filter(([, found]) => found.p50 !== null && found.p50 !== undefined) : [];
  const affected = stats.affected_by ?? stats.packets?.dropped_by ?? {};
  return [
    element('h2', {}, 'Network'),
    list([
      ['engine', `${config.engine} (${config.because})`],
      ['configured', Object.entries(config.configured).filter(([, value]) => value).map(([name, value]) => `${name} ${value}`).join(', ') || 'nothing'],
      ['measured, p50', measured.map(([name, found]) => `${name} ${figure(found.p50, 1)}`).join(', ') || 'not yet'],
      [stats.affected_by ? 'connections affected' : 'packets dropped', counts(affected)],
    ]),
    ...(config.caveats.length ? [element('h3', {}, 'Not as in reality'), element('ul', {}, ...config.caveats.map((/** @type {string} */ one) => element('li', {}, one)))] : []),
    raw('link', ['config', 'stats']),
  ];
}
