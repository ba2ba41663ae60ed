"""What was decided for each behaviour. The numbers are those of a merged list of what trusted proxies test."""

from typing import Final

from support.behaviours import Decision

DECISIONS: Final[dict[int, Decision]] = {
    1: Decision(
        "hop-by-hop headers", "removed both ways; TE too, as trailers are not passed on", "RFC 9110 7.6.1; Go, nginx"
    ),
    2: Decision(
        "headers named in Connection",
        "removed both ways, on however many lines; never Host, Content-Length, Via, X-Forwarded-*",
        "RFC 9110 7.6.1; Go, Caddy",
    ),
    3: Decision("Proxy-Authorization", "removed: it is for this proxy", "RFC 9110 11.7.2; Go"),
    4: Decision(
        "trailers",
        "dropped both ways, never headers; the body is whole. No client library can send those named in Trailer on",
        "RFC 9110 6.5.1; Go, nginx",
    ),
    5: Decision(
        "Expect: 100-continue",
        "100 when the body is read: before a connection is asked for, or with PROXY_REQUEST_BUFFER_BYTES=0 when it is "
        "there; not forwarded; ignored in HTTP/1.0; another expectation: 417",
        "RFC 9110 10.1.1; nginx",
    ),
    6: Decision(
        "HEAD, 204, 304", "no body; Content-Length kept for HEAD, dropped with 204 and 304", "RFC 9110 8.6; HAProxy"
    ),
    7: Decision(
        "ambiguous framing of an answer",
        "502: length and chunked, differing or invalid lengths, a coding that is not chunked",
        "RFC 9112 6.3; nginx, HAProxy",
    ),
    8: Decision(
        "ambiguous framing of a request",
        "400 and close, and the upstream gets no whole request; 501 for a coding before chunked",
        "RFC 9112 6.1, 6.3, 5.2; HAProxy",
    ),
    9: Decision("duplicate headers", "kept, in order, both ways", "RFC 9110 5.3; Go, nginx"),
    10: Decision(
        "cookies, redirects, credentials, environment proxies",
        "none: nothing is kept, followed, added or looked up",
        "requests and httpx issues; Go",
    ),
    11: Decision("default headers", "none invented", "Go UserAgentHeader"),
    12: Decision(
        "X-Forwarded-For, -Proto, -Host; Forwarded",
        "set by the proxy; what a caller says of it is dropped, as no caller is trusted",
        "HAProxy, Envoy",
    ),
    13: Decision("Via", "added once to a request; a request that comes round again: 508", "RFC 9110 7.6.3; RFC 5842"),
    14: Decision(
        "Host",
        "missing, double or malformed: 400; replaced by the upstream's; never where a request goes to",
        "RFC 9112 3.2; nginx",
    ),
    15: Decision("path and query", "byte for byte", "Go, RFC 9112 3.2"),
    16: Decision(
        "forms of the target",
        "absolute becomes origin form, its host X-Forwarded-Host; OPTIONS * goes on as *; CONNECT, a fragment, another "
        "scheme: 400",
        "RFC 9112 3.2; HAProxy",
    ),
    17: Decision("methods", "any: a token, as it is written", "RFC 9110 9"),
    18: Decision(
        "Upgrade",
        "ignored: the request goes on without it, its body too; a WebSocket handshake (GET, with key and Connection) "
        "is refused by 501; a 101 that was not asked for is 502",
        "RFC 9110 7.8, RFC 6455 4.1; Go, nginx",
    ),
    19: Decision("Content-Encoding, Range, ETag", "bytes untouched", "RFC 9110 8.4, 14"),
    20: Decision("size of a head", "request beyond 64 KiB: 414, 431; answer beyond 64 KiB: 502", "RFC 6585 5; nginx"),
    21: Decision("large bodies", "stream both ways; a slow reader stops the sender", "Envoy, nginx"),
    22: Decision("answer before its end", "head and chunks are passed on as they come", "Go FlushInterval, Caddy"),
    23: Decision(
        "request body before its end",
        "up to PROXY_REQUEST_BUFFER_BYTES it is read whole before a connection is asked for; a longer one, from its "
        "first bytes on, is passed on as it comes",
        "nginx proxy_request_buffering",
    ),
    24: Decision(
        "1xx of the upstream",
        "swallowed, 102 and 103 too, for no client library reports them; without a final answer 502",
        "RFC 9110 15.2; nginx",
    ),
    25: Decision(
        "refusal during an upload",
        "reaches the caller; the upload is stopped; neither connection is used again",
        "RFC 9112 9.5; Envoy",
    ),
    26: Decision("caller leaves before the head", "upstream request cancelled within 1 s, slot free", "Go, HAProxy"),
    27: Decision("caller leaves in the answer", "the same", "Caddy"),
    28: Decision("caller leaves in its upload", "the same; the upstream never sees a clean end", "Go, Caddy"),
    29: Decision(
        "upstream dies in the answer", "the caller's connection is cut: never a clean end", "Go, nginx, HAProxy"
    ),
    30: Decision("bytes behind an answer", "dropped; the connection is not used again", "nginx proxy_extra_data"),
    31: Decision("close-delimited and HTTP/1.0 answers", "passed on with a framing of our own", "nginx proxy_noclose"),
    32: Decision("reuse of connections", "after every complete answer: 200, HEAD, 304, chunked", "nginx, HAProxy"),
    33: Decision(
        "kept connection that was closed",
        "one more try if idempotent, without body, and nothing was received, not even a 1xx; POST never twice",
        "RFC 9110 9.2.2; nginx, Caddy",
    ),
    34: Decision(
        "time-outs",
        "connect, read, write, total: 504; pool: 503; each with a code of its own; none for what the caller is late "
        "with (row 43)",
        "Envoy, HAProxy",
    ),
    35: Decision("control bytes in headers", "400 from a caller, 502 from an upstream", "RFC 9110 5.5"),
    36: Decision(
        "underscores in names",
        "names stay; one that spells a framing, hop-by-hop or forwarding header is dropped",
        "Envoy, nginx",
    ),
    37: Decision("shutdown", "what is in flight is finished; new connections are refused", "Envoy, nginx"),
    38: Decision(
        "overload", "a bounded queue in order of arrival; beyond it 503 and Retry-After at once", "Envoy, nginx"
    ),
    39: Decision(
        "HTTP/1.0 callers",
        "an answer of unknown length is read whole, to 1 MiB, and gets a Content-Length; longer: 505. One request a "
        "connection, whatever its Connection is: a proxy must not keep it open",
        "RFC 9112 6.1, 9.3",
    ),
    40: Decision(
        "caller closes its side only",
        "its whole requests are answered; after 0.1 s a 100 Continue asks whether it still reads (HTTP/1.0: it is "
        "taken for one that left); within an answer it has to go on taking it; a request cut short is none",
        "HAProxy abortonclose; RFC 9110 15.2",
    ),
    41: Decision(
        "what goes wrong beside an answer",
        "answered after it, or the connection is closed; a broken body whose answer has begun: a cut",
        "RFC 9112 9.3.2; nginx",
    ),
    42: Decision(
        "Date", "the upstream's; where it sent none, and in the proxy's own answers, the proxy's", "RFC 9110 6.6.1"
    ),
    43: Decision(
        "callers that are slow",
        "a head late as a whole, a body that stops or trickles: 408 and close, a cut if an answer has begun; an answer "
        "that is not read, or trickles: a reset; the upstream's time is not counted",
        "nginx client_header_timeout, client_body_timeout, send_timeout; Apache mod_reqtimeout",
    ),
    44: Decision(
        "grammar of a request",
        "what is odd and valid goes on: spaces around values and in chunk extensions, an empty line in front, HTTP/1.2 "
        "as 1.1, any method; what is not valid is 400, HTTP/2 and HTTP/3 505, a line beyond 64 KiB 414, a head or "
        "trailers beyond 64 KiB or 500 fields 431",
        "RFC 9112 2 to 7, RFC 9110 2.5; llhttp, h11, Go, HTTP Garden",
    ),
}

LIMITS: Final = (
    "A target that ends in a bare `?` arrives without it: the ASGI scope does not have it.",
    "A caller who leaves while more than 64 KiB of its upload wait to be taken, or a request behind the one that is "
    "answered: the server reads no more then, so the kernel is asked each 0.4 s (Linux). It knows of a reset, and of a "
    "FIN if there was room for all that was sent before it (then row 40 holds); else the caller is found gone when "
    "there is, at the write time-out at the latest.",
    "How slowly a caller reads is what its kernel acknowledges (Linux): an answer that fits into the buffers on the "
    "way (2 to 6 MiB on the loopback) is given away at once. A longer one holds its connection to the upstream for as "
    "long as the caller reads at the least rate, or until the cut.",
    "A body beyond PROXY_REQUEST_BUFFER_BYTES holds a connection from its first bytes on: for as long as it comes at "
    "the least rate, or until the 408.",
    "An upstream that answers within an upload and closes with bytes unread resets the connection. Its answer may be "
    "lost on the way (RFC 9112 9.6), and is `502 upstream_reset` then: with httpx mostly, with aiohttp now and then.",
    "`Max-Forwards` of TRACE and OPTIONS goes on as it is; nginx and HAProxy do not count it down either.",
    "`Proxy-Connection: close`, which no RFC knows, ends the connection by httptools and is ignored by h11.",
    "After `Connection: close` the kernel alone gives the rest of an answer to a slow reader.",
)
