"""Real clients that ask for HTTP/2 by an Upgrade: `curl --http2` and Java's HttpClient, each posting a small body.

    .venv/bin/python bench/everyday_clients.py

To the proxy by both parsers, and to the mock. Each must be answered 200 with the body it sent. A client that is not
installed is left out and said; exit code 1 if one of the others fails.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from service_kit.listening import free_port

BODY = '{"a":1}'
JAVA = """
import java.net.URI;
import java.net.http.*;

public class Post {
    public static void main(String[] arguments) throws Exception {
        var body = arguments[1].equals("chunked")
            ? HttpRequest.BodyPublishers.ofInputStream(() -> new java.io.ByteArrayInputStream(arguments[2].getBytes()))
            : HttpRequest.BodyPublishers.ofString(arguments[2]);
        var request = HttpRequest.newBuilder(URI.create(arguments[0])).header("Content-Type", "application/json");
        var client = HttpClient.newHttpClient();
        var answer = client.send(request.POST(body).build(), HttpResponse.BodyHandlers.ofString());
        System.out.print(answer.body() + answer.statusCode());
    }
}
"""


def commands(folder: Path) -> dict[str, list[str]]:
    """Return the commands of the clients that are installed; the URL comes in the place of `URL`."""
    found = {}
    if shutil.which("curl"):
        curl = ["curl", "-s", "-w", "%{http_code}", "--http2", "-H", "Content-Type: application/json"]
        found["curl --http2"] = [*curl, "-d", BODY, "URL"]
    if shutil.which("java"):
        source = folder / "Post.java"
        source.write_text(JAVA)
        for framing in ("length", "chunked"):
            found[f"java, {framing}"] = ["java", str(source), "URL", framing, BODY]
    return found


@contextmanager
def started(module: str, ready: str, **variables: object) -> Iterator[None]:
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    process = subprocess.Popen([sys.executable, "-m", module], env=environment, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with suppress(OSError), urllib.request.urlopen(ready, timeout=1):
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


def main() -> int:
    mock, control = free_port(), free_port()
    failed = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        started(
            "upstream_mock",
            f"http://127.0.0.1:{control}/-/healthy",
            UPSTREAM_PORT=mock,
            UPSTREAM_CONTROL_PORT=control,
        ),
    ):
        clients = commands(Path(folder))
        print(f"clients: {', '.join(clients) or 'none is installed'}")
        failed += tried("the mock", mock, clients)
        for parser in ("httptools", "h11"):
            port = free_port()
            variables = {"PROXY_PORT": port, "PROXY_UPSTREAM_URL": f"http://127.0.0.1:{mock}", "UVICORN_HTTP": parser}
            with started("proxy", f"http://127.0.0.1:{port}/-/healthy", **variables):
                failed += tried(f"the proxy by {parser}", port, clients)
    return 1 if failed else 0


def tried(name: str, port: int, clients: dict[str, list[str]]) -> int:
    failed = 0
    for client, command in clients.items():
        url = f"http://127.0.0.1:{port}/post"
        words = [url if word == "URL" else word for word in command]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        passed = done.stdout.endswith("200") and '"a":1' in done.stdout.replace(" ", "")
        failed += not passed
        print(f"{name}, {client}: {'200 and its body' if passed else (done.stdout + done.stderr)[-200:]!r}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
