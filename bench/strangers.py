"""httpx's own test suite, unwatched and with every client watched; and the same with httpx2 in httpx's place.

    python bench/strangers.py [FOLDER]

Makes an environment in FOLDER (kept, so that a second run is quick; a temporary one without it), fetches httpx's source
distribution with pip, and prints how many cases passed. A case that passes unwatched and not watched is printed; then
the exit code is 1.
"""

import re
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).parents[1]
HTTPX = "httpx==0.28.1"
NEEDED = [
    *("httpx[http2,brotli,zstd,socks,cli]==0.28.1", "httpx2[http2]", "pytest<9", "anyio", "trio", "trustme"),
    *("uvicorn", "chardet", "cryptography", "sniffio"),
]

PLUGIN = """
import {library} as library
import poolwatch


def watched(kind):
    made = kind.__init__

    def __init__(self, *args, **options):
        made(self, *args, **options)
        try:
            poolwatch.observe(self)
        except ValueError:  # a mock transport, or one that is shared: no pool of its own
            pass

    kind.__init__ = __init__


watched(library.Client)
watched(library.AsyncClient)
"""


def main(folder: Path) -> int:
    python = environment(folder)
    source = fetched(folder, python)
    differences = 0
    for library in ("httpx", "httpx2"):
        tests = source / "tests" if library == "httpx" else renamed(source)
        (source / "watching.py").write_text(PLUGIN.format(library=library))
        plain, watched = (passed(python, source, tests, watch) for watch in (False, True))
        print(f"{library}: {len(plain)} cases pass unwatched, {len(watched)} watched")
        for case in sorted(plain - watched):
            print(f"  only unwatched: {case}")
        differences += len(plain - watched)
    return 1 if differences else 0


def environment(folder: Path) -> Path:
    python = folder / "venv/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *NEEDED], check=True)
    return python


def fetched(folder: Path, python: Path) -> Path:
    source = folder / "httpx-0.28.1"
    if not source.exists():
        download = [str(python), "-m", "pip", "download", "-q", "-d", str(folder)]
        subprocess.run([*download, "--no-binary", ":all:", "--no-deps", HTTPX], check=True)
        with tarfile.open(folder / "httpx-0.28.1.tar.gz") as archive:
            archive.extractall(folder, filter="data")
        # the installed package is to be tested, not the folder beside the tests
        (source / "httpx").rename(source / "httpx-source")
    return source


def renamed(source: Path) -> Path:
    """Return the tests with httpx2 and httpcore2 for httpx and httpcore."""
    target = source / "tests2"
    for path in (source / "tests").rglob("*"):
        copy = target / path.relative_to(source / "tests")
        if path.is_dir() or "__pycache__" in path.parts:
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".py":
            copy.write_text(re.sub(r"\b(httpx|httpcore)\b(?!2)", r"\g<1>2", path.read_text()))
        else:
            copy.write_bytes(path.read_bytes())
    return target


def passed(python: Path, source: Path, tests: Path, watch: bool) -> set[str]:
    """Return the names of the cases that passed."""
    report = source / "report.xml"
    command = [
        str(python),
        "-m",
        "pytest",
        "-q",
        str(tests),
        f"--junitxml={report}",
        "-o",
        "addopts=",
        "-p",
        "no:cacheprovider",
    ]
    command += ["-p", "watching"] if watch else []
    path = f"{source}:{ROOT / 'poolwatch/src'}"
    report.unlink(missing_ok=True)
    subprocess.run(
        command, cwd=source, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": path}, capture_output=True, timeout=600
    )
    cases = ElementTree.parse(report).getroot().iter("testcase")
    return {f"{case.get('classname')}::{case.get('name')}" for case in cases if not list(case)}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(main(Path(sys.argv[1]).resolve()))
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(main(Path(temporary)))
