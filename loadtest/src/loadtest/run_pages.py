"""The pages of past runs: the list, one of each run, the comparison, and both as a file to keep."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from flask import Response, redirect, request, send_from_directory
from flask.typing import ResponseReturnValue

from lab.figures.html_page import Link, Section, html_page
from lab.figures.report import comparison_sections, report_sections
from lab.figures.run_page import run_sections
from lab.run_document import RunDocument
from lab.store import RunNotFound, RunStore
from lab.wording import run_names

STATIC = Path(__file__).with_name("static")
COMPARED_AT_MOST = 8
WRONG_NUMBER = f"choose 2 to {COMPARED_AT_MOST} runs to compare"


class RunPages:
    """Reads runs and answers with HTML: the same sections as a report has. `under_way`: that run's id."""

    def __init__(self, store: RunStore, under_way: Callable[[], str | None]) -> None:
        self._store, self._under_way = store, under_way

    def routes(self) -> dict[str, Callable[..., ResponseReturnValue]]:
        return {
            "/": self.list_page,
            "/runs/<run_id>.html": self.run_page,
            "/compare.html": self.comparison_page,
            "/report.html": self.report_page,
        }

    def list_page(self) -> ResponseReturnValue:
        """Answer with the list; an address with several runs is an older one of their comparison."""
        if len(request.args.getlist("run")) > 1:
            return redirect(f"compare.html?{request.query_string.decode()}")
        return send_from_directory(STATIC, "runs.html", max_age=0)

    def run_page(self, run_id: str) -> ResponseReturnValue:
        """Answer with the page of one run; of one under way, that it is."""
        if run_id == self._under_way():
            text = "This run is under way. Load this page again when it is over."
            return html_page("Run", [Section(warnings=[text])], [Link("All runs", "../"), Link("Locust", "../../")])
        try:
            (run,) = read_runs(self._store, [run_id])
        except RunNotFound as error:
            return _missing(str(error), "../"), 404
        links = [
            Link("Report", f"../report.html?run={run.id}", download=True),
            Link("Document", f"{run.id}.json"),
            Link("All runs", "../"),
            Link("Locust", "../../"),
        ]
        return html_page(_title("Run", [run]), run_sections(run), links, "../plotly.js", "../static/run_page.js")

    def comparison_page(self) -> ResponseReturnValue:
        """Answer with several runs side by side: /lab/compare.html?run=...&run=..."""
        chosen = request.args.getlist("run")
        if not 2 <= len(chosen) <= COMPARED_AT_MOST:
            return _missing(WRONG_NUMBER, "./"), 400
        try:
            runs = read_runs(self._store, chosen)
        except RunNotFound as error:
            return _missing(str(error), "./"), 404
        links = [
            Link("Report", f"report.html?{_query(runs)}", download=True),
            Link("All runs", "./"),
            Link("Locust", "../"),
        ]
        each = [Link(name, f"runs/{run.id}.html") for name, run in zip(run_names(runs), runs, strict=True)]
        first, *more = comparison_sections(runs)
        return html_page(_title("Comparison", runs), [replace(first, links=each), *more], links, "plotly.js")

    def report_page(self) -> ResponseReturnValue:
        """Answer with a file that needs nothing else, of one run or of several."""
        chosen = request.args.getlist("run")
        if not 1 <= len(chosen) <= COMPARED_AT_MOST:
            return _missing(f"choose 1 to {COMPARED_AT_MOST} runs", "./"), 400
        try:
            runs = read_runs(self._store, chosen)
        except RunNotFound as error:
            return _missing(str(error), "./"), 404
        name = "+".join([runs[0].id, *(run.id[-4:] for run in runs[1:])])
        headers = {"Content-Disposition": f'attachment;filename="{name[:80]}.html"'}
        page = html_page(_title("Pool Sandbox", runs), report_sections(runs))
        return Response(page, mimetype="text/html", headers=headers)


def read_runs(store: RunStore, run_ids: Sequence[str]) -> list[RunDocument]:
    """Return the runs of these ids; raise RunNotFound with a line to show."""
    return [store.read(Path(run_id).name) for run_id in run_ids]


def _title(what: str, runs: Sequence[RunDocument]) -> str:
    names = run_names(runs)
    return f"{what}: {' and '.join(names) if len(names) < 3 else f'{len(names)} runs'}"


def _query(runs: Sequence[RunDocument]) -> str:
    return "&".join(f"run={run.id}" for run in runs)


def _missing(message: str, to_list: str) -> str:
    sentence = f"{message[:1].upper()}{message[1:]}."
    return html_page("Pool Sandbox", [Section(warnings=[sentence])], [Link("All runs", to_list)])
