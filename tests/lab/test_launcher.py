"""The launcher, in a copy of its own with a lock of one tiny package that needs no network."""

import ast
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.servers import uncovered

pytestmark = pytest.mark.slow

LAUNCHER = Path(__file__).parents[2] / "sandbox"
PACKAGES = {
    "proxy": "proxy",
    "poolwatch": "poolwatch",
    "upstream-mock": "upstream_mock",
    "link": "link",
    "loadtest": "loadtest",
    "lab": "lab",
    "service-kit": "service_kit",
}
"""The source folders and the package in each."""


class Copy:
    """A checkout with the launcher, a fake `lab`, and locks of wheels that lie beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.wheels = root / "wheels"
        self.wheels.mkdir()
        shutil.copy(LAUNCHER, root / "sandbox")
        for part, package in PACKAGES.items():
            (root / part / "src" / package).mkdir(parents=True)
            (root / part / "src" / package / "__init__.py").touch()
        lab = root / "lab" / "src" / "lab"
        (lab / "__main__.py").write_text(
            "import importlib.util as u, sys\nprint(sys.argv[1:], [n for n in ('tiny', 'more') if u.find_spec(n)])\n"
        )
        (root / "requirements").mkdir()
        self.lock("sandbox", tiny="1.0")
        self.lock("dev", tiny="1.0", more="1.0")

    def lock(self, name: str, **packages: str) -> None:
        """Write a lock, and the wheels that it pins."""
        lines = []
        for package, version in packages.items():
            wheel = self.wheels / f"{package}-{version}-py3-none-any.whl"
            if not wheel.exists():
                _write_wheel(wheel, package, version)
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            lines.append(f"{package}=={version} \\\n    --hash=sha256:{digest}\n    # via nothing\n")
        (self.root / "requirements" / f"{name}.txt").write_text("".join(lines))

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start the launcher."""
        environment = {name: value for name, value in uncovered().items() if not name.startswith("PIP_")}
        environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        command = [sys.executable, str(self.root / "sandbox"), *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the launcher."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def _write_wheel(path: Path, package: str, version: str) -> None:
    info = f"{package}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{package}.py", f"VERSION = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in wheel.namelist()))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """Give a copy whose .venv is ready; a test that spoils it puts it right again."""
    copy = Copy(tmp_path_factory.mktemp("launcher"))
    first = copy.run("runs", "--json")
    assert first.returncode == 0, first.stderr
    # Nothing of the launcher's own is on standard output, and progress is plain lines without a terminal.
    assert first.stdout == "['runs', '--json'] ['tiny']\n"
    assert first.stderr.splitlines()[:2] == [
        "sandbox: making .venv (this once)",
        "sandbox: installing 1 packages from requirements/sandbox.txt",
    ]
    assert "\x1b" not in first.stderr
    return copy


def test_ready_is_silent_and_quick(made: Copy) -> None:
    """A ready .venv costs next to nothing: no output, no pip, and little more than two starts of Python."""
    again = made.run("up")
    assert (again.stdout, again.stderr) == ("['up'] ['tiny']\n", "")
    code = (
        "import os, runpy, sys; os.execv = lambda *_: print(len(sys.modules)); before = len(sys.modules);"
        f"sys.argv = ['sandbox']; print(before); runpy.run_path({str(made.root / 'sandbox')!r}, run_name='__main__')"
    )
    before, after = map(
        int, subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split()
    )
    assert after - before < 25


def test_packages_are_importable_by_relative_links(made: Copy) -> None:
    """No folder of ours is on sys.path, a clone that is moved keeps its packages, and an older clone's .pth goes."""
    (site_packages,) = made.root.glob(".venv/lib/python3*/site-packages")
    links = {path.name: path for path in site_packages.iterdir() if path.is_symlink()}
    assert {name: path.resolve() for name, path in links.items()} == {
        package: made.root / part / "src" / package for part, package in PACKAGES.items()
    }
    assert not any(path.readlink().is_absolute() for path in links.values())
    (site_packages / "pool-sandbox.pth").write_text("../../../../proxy/src\n")
    (site_packages / "gone").symlink_to("../../../../gone")
    (made.root / ".venv" / ".sandbox.stamp").unlink()
    assert made.run().returncode == 0
    assert not (site_packages / "pool-sandbox.pth").exists()
    assert not (site_packages / "gone").is_symlink()
    code = "import sys, proxy, service_kit; print(sum('src' in entry.split('/') for entry in sys.path))"
    found = subprocess.run(
        [made.root / ".venv" / "bin" / "python", "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout == "0\n"


def test_a_changed_lock_is_installed(made: Copy) -> None:
    """A lock that changed is installed at the next start, once."""
    made.lock("sandbox", tiny="2.0")
    changed = made.run()
    assert "installing 1 packages" in changed.stderr
    assert "making .venv" not in changed.stderr
    assert list(made.root.glob(".venv/lib/python3*/site-packages/tiny-2.0.dist-info"))
    assert made.run().stderr == ""


def test_only_test_needs_the_test_tools(made: Copy) -> None:
    """`test` completes .venv by the dev lock; other commands neither wait for it nor lose it."""
    made.lock("sandbox", tiny="1.0")
    made.lock("dev", tiny="1.0", more="1.0")
    first = made.run("test", "-x")
    assert first.stdout == "['test', '-x'] ['tiny', 'more']\n"
    assert "requirements/dev.txt" in first.stderr
    assert made.run("test").stderr == ""
    assert made.run("up").stderr == ""


def test_a_wrong_hash_is_said_with_pips_last_lines(made: Copy) -> None:
    """A package that is not the pinned one stops everything, exit 3, and does not count as installed."""
    lock = made.root / "requirements" / "sandbox.txt"
    good = lock.read_text()
    lock.write_text(f"tiny==2.0 \\\n    --hash=sha256:{'0' * 64}\n")
    for _ in range(2):
        failed = made.run("up")
        assert (failed.returncode, failed.stdout) == (3, "")
        assert "pip could not install sandbox.txt (exit 1):" in failed.stderr
        assert "DO NOT MATCH THE HASHES" in failed.stderr
        assert "Traceback" not in failed.stderr
    lock.write_text(good)
    assert made.run("up").returncode == 0


def test_a_working_venv_is_completed_not_destroyed(made: Copy) -> None:
    """A developer's own .venv keeps what is in it, even without pip."""
    (packages,) = made.root.glob(".venv/lib/python3*/site-packages")
    (packages / "mine.py").touch()
    for pip in packages.glob("pip*"):
        shutil.rmtree(pip)
    for stamp in (made.root / ".venv").glob(".*.stamp"):
        stamp.unlink()
    completed = made.run()
    assert completed.returncode == 0, completed.stderr
    assert "making" not in completed.stderr
    assert (packages / "mine.py").exists()


def test_a_broken_venv_is_made_anew(made: Copy) -> None:
    """A .venv whose Python is gone does not count as ready, whatever its stamps are."""
    python = made.root / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    mended = made.run()
    assert mended.returncode == 0, mended.stderr
    assert "sandbox: .venv is broken; making it anew" in mended.stderr


def test_an_interrupted_install_does_not_count(made: Copy) -> None:
    """Ctrl-C during the install: exit 130, no trace, and the next start finishes it."""
    for stamp in (made.root / ".venv").glob(".*.stamp"):
        stamp.unlink()
    with made.start() as launcher:
        assert launcher.stderr is not None
        assert "installing" in launcher.stderr.readline()
        os.killpg(launcher.pid, signal.SIGINT)
        out, err = launcher.communicate(timeout=30)
    assert (launcher.returncode, out) == (130, "")
    assert "interrupted" in err
    assert "Traceback" not in err.partition("interrupted")[2]
    assert made.run().stdout.startswith("[] ['tiny'")


def test_two_at_once_wait_for_each_other(made: Copy) -> None:
    """A launcher that finds another one installing prints that, waits, and does not install again."""
    stamp = made.root / ".venv" / ".sandbox.stamp"
    said = stamp.read_text()
    stamp.unlink()
    with (made.root / ".sandbox" / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with made.start() as waiting:
            assert waiting.stderr is not None
            assert "another ./sandbox is installing" in waiting.stderr.readline()
            stamp.write_text(said)
            fcntl.flock(lock, fcntl.LOCK_UN)
            out, err = waiting.communicate(timeout=30)
    assert out.startswith("[] ['tiny'")
    assert err == ""


def test_the_count_is_one_line_on_a_terminal(made: Copy) -> None:
    """On a terminal one line counts the packages."""
    (made.root / ".venv" / ".sandbox.stamp").unlink()
    terminal, end = os.openpty()
    with subprocess.Popen(
        [sys.executable, str(made.root / "sandbox")],
        env={**uncovered(), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(made.wheels)},
        stdout=subprocess.DEVNULL,
        stderr=end,
        start_new_session=True,
    ) as launcher:
        os.close(end)
        said = b""
        while b"is ready" not in said:
            said += os.read(terminal, 4096)
        launcher.wait(timeout=30)
    os.close(terminal)
    assert b"\r\x1b[Ksandbox: installing 1/1 tiny ..." in said


def test_an_old_python_is_refused(made: Copy, tmp_path: Path) -> None:
    """A Python that is too old gets one line and exit 3, not a syntax error."""
    code = (
        f"import sys, runpy; sys.version_info = (3, 8, 1); sys.argv = ['sandbox'];"
        f"runpy.run_path({str(made.root / 'sandbox')!r}, run_name='__main__')"
    )
    old = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert old.returncode == 3
    assert "needs Python 3.11 or newer with venv; this is 3.8.1" in old.stderr
    assert len(old.stderr.splitlines()) == 1


def test_a_python_without_venv_is_refused(tmp_path: Path) -> None:
    """Debian without python3-venv: one line with what to install, exit 3, no half .venv."""
    copy = Copy(tmp_path)
    code = (
        "import sys, importlib.util, runpy; find = importlib.util.find_spec;"
        "importlib.util.find_spec = lambda name, *more: None if name == 'ensurepip' else find(name, *more);"
        f"sys.argv = ['sandbox']; runpy.run_path({str(copy.root / 'sandbox')!r}, run_name='__main__')"
    )
    bare = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert bare.returncode == 3
    assert "apt install python3-venv" in bare.stderr
    assert not (tmp_path / ".venv").exists()


def test_it_is_parsed_by_an_older_python() -> None:
    """The launcher's syntax is old enough to be read by the Pythons that it turns away."""
    ast.parse(LAUNCHER.read_text(), feature_version=(3, 7))
    assert LAUNCHER.stat().st_mode & 0o111
