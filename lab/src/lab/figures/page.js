// @ts-check
// Draws the figures of a page in its theme, again when the theme changes, and copies the lines that are to be pasted.

/**
 * @typedef {Record<string, any>} Layout
 * @typedef {{data: object[], layout: Layout, narrow?: Layout}} Figure what Plotly draws; `narrow` is for a phone
 * @typedef {{ink: string, paper: string, grid: string}} Theme
 */

(() => {
  const NARROW = matchMedia('(max-width: 600px)');
  const UNUSED = ['select2d', 'lasso2d', 'autoScale2d'];
  const DARK = matchMedia('(prefers-color-scheme: dark)');

  /** @param {string} id */
  const read = (id) => JSON.parse(document.getElementById(id)?.textContent ?? 'null');

  /** @type {Figure[]} */
  const figures = read('figures');
  /** @type {Theme[]} */
  const themes = read('themes');

  /** Locust's own switch, where the page is one of Locust's, or else what the system prefers. */
  function prefersDark() {
    try {
      const theme = localStorage.getItem('theme');
      if (theme) return theme === 'dark';
    } catch {
      // A page from disk may have no storage.
    }
    return DARK.matches;
  }

  /**
   * @param {Figure} figure
   * @param {Theme} theme
   * @returns {Layout}
   */
  function layout(figure, theme) {
    const merged = structuredClone(figure.layout);
    for (const [name, value] of Object.entries((NARROW.matches && figure.narrow) || {}))
      merged[name] = typeof value === 'object' ? { ...merged[name], ...value } : value;
    Object.assign(merged, { paper_bgcolor: theme.paper, plot_bgcolor: theme.paper, font: { color: theme.ink } });
    for (const name of Object.keys(merged).filter((each) => /^[xy]axis/.test(each)))
      Object.assign(merged[name], { gridcolor: theme.grid, linecolor: theme.grid, zerolinecolor: theme.grid });
    return merged;
  }

  function draw() {
    const theme = themes[prefersDark() ? 1 : 0];
    document.documentElement.style.colorScheme = prefersDark() ? 'dark' : 'light';
    const options = { responsive: true, displaylogo: false, displayModeBar: NARROW.matches ? false : 'hover', modeBarButtonsToRemove: UNUSED };
    // @ts-ignore: Plotly's script is not a module
    figures.forEach((figure, number) => Plotly.react(`figure-${number}`, figure.data, layout(figure, theme), options));
  }

  /**
   * The clipboard is there on https, on this machine and from disk; elsewhere the text is at least selected.
   *
   * @param {Element} source
   */
  async function copy(source) {
    if (navigator.clipboard) return navigator.clipboard.writeText(source.textContent ?? '').then(() => 'Copied');
    getSelection()?.selectAllChildren(source);
    return document.execCommand('copy') ? 'Copied' : 'Selected';
  }

  for (const button of document.querySelectorAll('.paste button'))
    button.addEventListener('click', async () => {
      const source = button.previousElementSibling;
      if (source) button.textContent = await copy(source).catch(() => 'Not copied');
    });
  for (const query of [DARK, NARROW]) query.addEventListener('change', draw);
  addEventListener('storage', (event) => event.key === 'theme' && draw());
  draw();
})();
