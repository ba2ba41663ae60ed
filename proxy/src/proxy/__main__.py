"""Usage: python -m proxy [--check | --help]

Serves the proxy by its environment. --check only looks whether the environment is right: exit 0, or 2 and one line
for each mistake.
"""

import sys
from collections.abc import Sequence

from proxy.mistakes import mistakes
from proxy.settings import ServerSettings, Settings, own_variables

MODELS = (Settings, ServerSettings)


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code."""
    if list(arguments) in (["--help"], ["-h"]):
        print(_help())
        return 0
    if list(arguments) not in ([], ["--check"]):
        print(f"python -m proxy: unknown argument {arguments[0]!r}; allowed: --check, --help", file=sys.stderr)
        return 2
    wrong = mistakes(MODELS, own_variables())
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 2
    if arguments:
        return 0
    from proxy.ca_file import NotTrustworthy, await_ca_file
    from proxy.server import EXIT_SURROUNDINGS, PortTaken, serve  # --check must not wait for these imports

    try:
        await_ca_file(Settings())
        return serve(Settings(), ServerSettings())
    except (PortTaken, NotTrustworthy) as error:
        print(error, file=sys.stderr)
        return EXIT_SURROUNDINGS


def _help() -> str:
    lines = [(__doc__ or "").strip(), "", "Variables:"]
    for model in MODELS:
        prefix = model.model_config["env_prefix"]
        for name, field in model.model_fields.items():
            default = "unset" if field.default is None else field.default
            lines.append(f"  {prefix}{name.upper()} = {default}\n      {field.description}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
