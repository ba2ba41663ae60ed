"""docs/variables.md and .env.example, made from the Settings of the parts.

`python tests/support/settings_table.py` writes both.

A test holds the files to what this makes, so a default stands in one place only: in Settings.
"""

import sys
from pathlib import Path

from pydantic_settings import BaseSettings

import link.settings
import loadtest.settings
import proxy.settings
import upstream_mock.settings
from service_kit.variables import variables

ROOT = Path(__file__).parents[2]

PARTS: dict[str, list[type[BaseSettings]]] = {
    "The proxy and its pool": [proxy.settings.Settings],
    "uvicorn in front of the proxy": [proxy.settings.ServerSettings],
    "The mock upstream": [upstream_mock.settings.Settings],
    "The network between them": [link.settings.Settings],
    "The load": [loadtest.settings.LocustSettings],
    "The recorder": [loadtest.settings.Settings],
}

WIRING = {
    "PROXY_HOST",
    "PROXY_STATE_DIR",
    "UPSTREAM_HOST",
    "UPSTREAM_PORT",
    "UPSTREAM_CONTROL_PORT",
    "UPSTREAM_TLS_DIRECTORY",
    "NET_HOST",
    "NET_PORT",
    "NET_CONTROL_PORT",
    "NET_UPSTREAM_HOST",
    "NET_UPSTREAM_PORT",
    "LOCUST_HOST",
    "LOCUST_WEB_HOST",
    "LOCUST_HEADLESS",
    "LOCUST_MODE_MASTER",
    "LOCUST_MODE_WORKER",
    "LOCUST_MASTER_NODE_HOST",
    "LOCUST_MASTER_BIND_PORT",
    "LOCUST_EXPECT_WORKERS",
    "LOCUST_EXPECT_WORKERS_MAX_WAIT",
    "LAB_RUNS_DIR",
    "LAB_RUN_ID",
    "LAB_UPSTREAM_CONTROL_URL",
    "LAB_NET_CONTROL_URL",
    "LAB_PROGRESS",
}
"""Variables that connect the parts: Compose sets them itself, so it does not pass them through."""


def page() -> str:
    """Return docs/variables.md: one table a part, one row a variable."""
    lines = [
        "# All variables",
        "",
        "Made from the Settings of the parts by `python tests/support/settings_table.py`. Precedence: defaults <",
        "`.env` < the shell < `VAR=value` of `./sandbox run`. An empty value counts as unset.",
        "",
    ]
    for part, models in PARTS.items():
        lines += [f"## {part}", "", "| variable | default | meaning, and what happens at the limit |", "|---|---|---|"]
        for model in models:
            for variable in variables(model):
                default = f"`{variable.default}`" if variable.default else "unset"
                text = variable.description.replace("|", "\\|")
                lines.append(f"| `{variable.name}` | {default} | {text} |")
        lines.append("")
    return "\n".join(lines)


def env_example() -> str:
    """Return .env.example: every variable that Compose passes through, commented out, at its default."""
    lines = [
        "# Copy to .env and uncomment what you change; `docker compose up -d` then restarts only what it concerns.",
        "# An empty value counts as unset. Precedence: defaults < .env < the shell < VAR=value of ./sandbox run.",
        "# Made from the Settings of the parts by tests/support/settings_table.py: the values are the defaults.",
        "",
        "# Compose's own: locust becomes a master, `docker compose up --scale locust-worker=2` gives it workers.",
        "#COMPOSE_PROFILES=workers",
        "",
    ]
    for part, models in PARTS.items():
        shown = [variable for model in models for variable in variables(model) if variable.name not in WIRING]
        if shown:
            lines += [f"# {part}", ""]
        for variable in shown:
            lines += [f"# {variable.description}", f"#{variable.name}={variable.default}", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    (ROOT / "docs/variables.md").write_text(page())
    (ROOT / ".env.example").write_text(env_example())
    sys.exit(0)
