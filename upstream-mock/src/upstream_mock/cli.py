"""The command line: --check and --help, and the table of variables in the latter."""

import argparse
import shutil
import textwrap

from upstream_mock.settings import Settings, variable

_INDENT = 4


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """`.check`: only look at the environment. Exits by itself after --help (0) and on an unknown option (2)."""
    parser = argparse.ArgumentParser(
        prog="python -m upstream_mock",
        description="A mock upstream: as slow, as busy and as faulty as the environment says.",
        epilog=variables_table(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="validate the environment and exit: 0 fine, 2 mistakes")
    return parser.parse_args(arguments)


def variables_table() -> str:
    """Every variable with its default and its description, wrapped to the terminal."""
    width = max(60, min(120, shutil.get_terminal_size().columns))
    rows = ["environment variables (an empty one counts as unset):"]
    for name, field in Settings.model_fields.items():
        default = "unset" if field.default is None else field.default
        rows.append(f"  {variable(name)} (default {default})")
        rows.append(textwrap.indent(textwrap.fill(field.description or "", width - _INDENT), " " * _INDENT))
    return "\n".join(rows)
