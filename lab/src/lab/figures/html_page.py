"""Figures on one page: a file that needs nothing else, Plotly's script is in it, or one that links to that script."""

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from lab.figures.chart import Figure
from lab.figures.plotly_script import plotly_script

LIGHT = {"ink": "#1f2328", "quiet": "#59636e", "paper": "#ffffff", "raised": "#f6f8f7", "grid": "#d8dee4"}
DARK = {"ink": "#e6edf3", "quiet": "#9198a1", "paper": "#0d1117", "raised": "#161b22", "grid": "#30363d"}

_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
    "img-src data: blob:"
)

CellKind = Literal["", "quiet", "good", "bad", "group"]


@dataclass(frozen=True)
class Cell:
    """A cell of a table; the first of a row gives `group` to all of it."""

    text: str
    kind: CellKind = ""


@dataclass(frozen=True)
class Link:
    """A link, in a page's header or below a heading. `download`: it is answered with a file."""

    text: str
    href: str
    download: bool = False


@dataclass(frozen=True)
class Section:
    """A part of a page. `facts` are figures with what they are of; `warnings` come before all but the heading.

    `rows` are a table, its heads first, shown on demand if `folded`; `lines` are to be copied.
    """

    heading: str = ""
    links: Sequence[Link] = ()
    facts: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    paragraphs: Sequence[str] = ()
    lines: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    rows: Sequence[Sequence[str | Cell]] = ()
    folded: bool = False


def html_page(
    title: str, sections: Sequence[Section], links: Sequence[Link] = (), plotly_url: str = "", module_url: str = ""
) -> str:
    """Return the page; texts are escaped here. Without a URL of Plotly's script it is a part of the page.

    A module is one more script, of the server's.
    """
    figures = [figure for section in sections for figure in section.figures]
    places = iter(range(len(figures)))
    body = "".join(_section(section, [next(places) for _ in section.figures]) for section in sections)
    module = f'<script type="module" src="{html.escape(module_url)}"></script>' if module_url else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><style>{_style()}</style></head>'
        f"<body><header><h1>{html.escape(title)}</h1>{_nav(links)}</header><main>{body}</main>"
        f"{_data('figures', figures)}{_data('themes', [LIGHT, DARK])}"
        f"{_plotly(plotly_url) if figures else ''}<script>{_beside('page.js')}</script>{module}</body></html>\n"
    )


def _plotly(url: str) -> str:
    return f'<script src="{html.escape(url)}"></script>' if url else f"<script>{plotly_script().decode()}</script>"


def _nav(links: Sequence[Link]) -> str:
    return f"<nav>{''.join(map(_link, links))}</nav>" if links else ""


def _link(link: Link) -> str:
    return f'<a href="{html.escape(link.href)}"{" download" if link.download else ""}>{html.escape(link.text)}</a>'


def _section(section: Section, numbers: Sequence[int]) -> str:
    heading = f"<h2>{html.escape(section.heading)}</h2>" if section.heading else ""
    links = f'<p class="links">{"".join(map(_link, section.links))}</p>' if section.links else ""
    facts = "".join(f"<div><dt>{html.escape(a)}</dt><dd>{html.escape(b)}</dd></div>" for a, b in section.facts)
    facts = f"<dl>{facts}</dl>" if facts else ""
    warnings = "".join(f'<p class="warning">{html.escape(text)}</p>' for text in section.warnings)
    texts = "".join(f"<p>{html.escape(text)}</p>" for text in section.paragraphs)
    lines = html.escape("\n".join(section.lines))
    paste = f'<div class="paste"><pre>{lines}</pre><button type="button">Copy</button></div>' if lines else ""
    table = _table(section.rows)
    table = f"<details><summary>Show the table</summary>{table}</details>" if section.folded else table
    places = "".join(f'<div class="figure" id="figure-{number}"></div>' for number in numbers)
    return f"<section>{heading}{links}{warnings}{facts}{texts}{paste}{places}{table}</section>"


def _table(rows: Sequence[Sequence[str | Cell]]) -> str:
    if not rows:
        return ""
    heads = "".join(f"<th>{html.escape(_cell(cell).text)}</th>" for cell in rows[0])
    body = "".join(map(_row, rows[1:]))
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def _row(row: Sequence[str | Cell]) -> str:
    cells = [_cell(cell) for cell in row]
    if cells[0].kind == "group":
        text = " ".join(cell.text for cell in cells if cell.text)
        return f'<tr class="group"><td colspan="{len(cells)}">{html.escape(text)}</td></tr>'
    return f"<tr>{''.join(f'<td{_class(cell)}>{html.escape(cell.text)}</td>' for cell in cells)}</tr>"


def _cell(cell: str | Cell) -> Cell:
    return cell if isinstance(cell, Cell) else Cell(cell)


def _class(cell: Cell) -> str:
    return f' class="{cell.kind}"' if cell.kind in ("quiet", "good", "bad") else ""


def _data(name: str, value: Any) -> str:
    text = json.dumps(value).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>'


@cache
def _style() -> str:
    """Return the style sheet; the two themes' colours come before it, for figures have them too."""
    colours = "".join(f"--{name}: light-dark({LIGHT[name]}, {DARK[name]});" for name in LIGHT)
    return f":root {{{colours}}}\n{_beside('page.css')}"


@cache
def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
