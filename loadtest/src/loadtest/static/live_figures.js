// @ts-check
// The live page's figures as data: new points appended to what is there, and a layout in the page's colours. Pure.

/**
 * @typedef {{name: string, legendrank: number, x: number[], y: (number|null)[]}} Trace
 * @typedef {{data: Trace[], layout: Record<string, any>}} Figure
 * @typedef {{text: string, line: string}} Colours
 */

/**
 * Append the points of `more` to a figure, by the names of its lines; a line without points there has gaps.
 *
 * @param {Figure | undefined} figure
 * @param {Figure} more
 * @param {number} most so many points are kept
 * @returns {Figure}
 */
export function appended(figure, more, most) {
  const before = figure?.data ?? [];
  const length = before[0]?.x.length ?? 0;
  const added = more.data[0]?.x ?? [];
  const x = [...(before[0]?.x ?? []), ...added].slice(-most);
  const names = new Map([...more.data, ...before].map((trace) => [trace.name, trace]));
  const data = [...names.values()].sort((one, other) => one.legendrank - other.legendrank);
  const of = (/** @type {Trace[]} */ traces, /** @type {string} */ name, /** @type {number} */ count) =>
    traces.find((trace) => trace.name === name)?.y ?? Array(count).fill(null);
  return {
    layout: more.layout,
    data: data.map((trace) => ({
      ...trace,
      x,
      y: [...of(before, trace.name, length), ...of(more.data, trace.name, added.length)].slice(-most),
    })),
  };
}

/**
 * The layout of a small figure.
 *
 * @param {Record<string, any>} layout
 * @param {Colours} colours
 * @param {string} run its zoom is kept as long as it is the same run
 */
export function small(layout, colours, run) {
  const axes = Object.entries(layout)
    .filter(([name]) => /^[xy]axis/.test(name))
    .map(([name, axis]) => [name, { ...axis, automargin: false, gridcolor: colours.line, linecolor: colours.line, zerolinecolor: colours.line }]);
  return {
    ...layout,
    ...Object.fromEntries(axes),
    height: 270,
    margin: { t: 8, r: layout.yaxis2 ? 46 : 12, b: 30, l: 50 },
    legend: { orientation: 'h', y: -0.12, traceorder: 'normal' },
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    font: { color: colours.text, size: 12 },
    showlegend: true,
    hovermode: 'closest',
    hoverdistance: -1,
    uirevision: run,
  };
}
