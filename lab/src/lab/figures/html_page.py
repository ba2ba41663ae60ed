"""Figures on one page that needs nothing else: Plotly's own script, from its installed package, is in it."""

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab.figures.chart import Figure
from lab.figures.plotly_script import plotly_script

LIGHT = {"ink": "#1f2328", "paper": "#ffffff", "grid": "#d8dee4"}
DARK = {"ink": "#e6edf3", "paper": "#0d1117", "grid": "#30363d"}

_STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 960px; margin: 2rem auto; padding: 0 1rem;
       color: light-dark(INK_L, INK_D); background: light-dark(PAPER_L, PAPER_D) }
h1 { font-size: 1.3rem } h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem } .figure { min-height: 420px }
.paste { display: flex; align-items: start; gap: 1rem } .paste pre { margin: 0; overflow-x: auto; font-weight: 600 }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid light-dark(GRID_L, GRID_D) }
th:first-child, td:first-child { text-align: left }
"""

_SCRIPT = """
const read = id => JSON.parse(document.getElementById(id).textContent);
const figures = read("figures"), themes = read("themes"), dark = matchMedia("(prefers-color-scheme: dark)");
function layout(figure) {
  const theme = themes[dark.matches ? 1 : 0], merged = structuredClone(figure.layout);
  Object.assign(merged, {paper_bgcolor: theme.paper, plot_bgcolor: theme.paper, font: {color: theme.ink}});
  for (const name of Object.keys(merged).filter(name => /^[xy]axis/.test(name)))
    Object.assign(merged[name], {gridcolor: theme.grid, linecolor: theme.grid, zerolinecolor: theme.grid});
  return merged;
}
function draw() {
  figures.forEach((figure, number) =>
    Plotly.react("figure-" + number, figure.data, layout(figure), {responsive: true, displaylogo: false}));
}
for (const button of document.querySelectorAll(".paste button"))
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    button.textContent = "copied";
  });
dark.addEventListener("change", draw);
draw();
"""


@dataclass(frozen=True)
class Section:
    """A part of a page. `rows` are a table, its heads first, shown on demand if `folded`; `lines` are to be copied."""

    heading: str = ""
    paragraphs: Sequence[str] = ()
    lines: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    rows: Sequence[Sequence[str]] = ()
    folded: bool = False


def html_page(title: str, sections: Sequence[Section]) -> str:
    """Return the page; texts are escaped here."""
    style = _STYLE
    for theme, letter in ((LIGHT, "L"), (DARK, "D")):
        for name, colour in theme.items():
            style = style.replace(f"{name.upper()}_{letter}", colour)
    figures = [figure for section in sections for figure in section.figures]
    places = iter(range(len(figures)))
    body = "".join(_section(section, [next(places) for _ in section.figures]) for section in sections)
    policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><style>{style}</style></head>'
        f"<body><h1>{html.escape(title)}</h1>{body}{_data('figures', figures)}{_data('themes', [LIGHT, DARK])}"
        f"<script>{plotly_script().decode()}</script><script>{_SCRIPT}</script></body></html>\n"
    )


def _section(section: Section, numbers: Sequence[int]) -> str:
    heading = f"<h2>{html.escape(section.heading)}</h2>" if section.heading else ""
    texts = "".join(f"<p>{html.escape(text)}</p>" for text in section.paragraphs)
    lines = html.escape("\n".join(section.lines))
    paste = f'<div class="paste"><pre>{lines}</pre><button>copy</button></div>' if lines else ""
    table = _table(section.rows)
    table = f"<details><summary>show</summary>{table}</details>" if section.folded else table
    places = "".join(f'<div class="figure" id="figure-{number}"></div>' for number in numbers)
    return f"<section>{heading}{texts}{paste}{places}{table}</section>"


def _table(rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    heads = "".join(f"<th>{html.escape(cell)}</th>" for cell in rows[0])
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows[1:])
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def _data(name: str, value: Any) -> str:
    text = json.dumps(value).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>'
