"""Every part's own check of its environment, before anything starts or restarts."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.backends.errors import USAGE, SurroundingsFailed, UsageMistake
from lab.backends.service_spec import ServiceSpec, Wires, port_numbers, process_environment

_CHECK_SECONDS = 30.0


@dataclass(frozen=True)
class Check:
    """A part to ask: its command without `--check`, and the variables that it would get."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]


def service_checks(services: Sequence[ServiceSpec], variables: Mapping[str, str], runs: Path) -> list[Check]:
    """Return the checks of all services, with what each would get as far as that is known before they run."""
    wires = Wires(port_numbers(services, variables), runs)
    return [Check(spec.name, spec.argv, spec.environment(variables, wires)) for spec in services]


async def check_all(checks: Iterable[Check], root: Path) -> None:
    """Ask all parts at once. Raise UsageMistake with all their lines, SurroundingsFailed if one cannot be asked."""
    answers = await asyncio.gather(*(_ask(check, root) for check in checks))
    broken = [said for code, said in answers if code not in (0, USAGE)]
    if broken:
        raise SurroundingsFailed("\n".join(broken))
    mistakes = [said for code, said in answers if code == USAGE]
    if mistakes:
        raise UsageMistake("\n".join(dict.fromkeys("\n".join(mistakes).splitlines())))


async def _ask(check: Check, root: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *check.argv,
        "--check",
        env=process_environment(check.environment),
        cwd=root,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            _, stderr = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return -1, f"{check.name} --check did not end within {_CHECK_SECONDS:.0f} s"
    said = stderr.decode(errors="replace").strip()
    code = process.returncode or 0
    if code in (0, USAGE):
        return code, said
    return code, f"{check.name} --check failed (exit {code}): {said.splitlines()[-1] if said else 'it said nothing'}"
