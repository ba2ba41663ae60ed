"""A grammar of raw HTTP/1 requests, whole and broken: their lengths, framing, line ends, names, values and targets.

A `Case` is what one caller sends on one connection before it closes its side: one to three requests, cut into
segments anywhere. Every body holds a request of its own, for a reader that loses its place.
"""

from dataclasses import dataclass

from hypothesis import strategies as st

INNER = b"GET /inner HTTP/1.1\r\nHost: inner.test\r\n\r\n"


@dataclass(frozen=True)
class Variant:
    """One way to write a part of a request. `refused`: no reader may take it for a request (RFC 9112, RFC 9110)."""

    raw: bytes
    name: str = ""
    refused: bool = False

    @property
    def broken(self) -> bool:
        """Whether it is another way than the one everybody writes."""
        return bool(self.name)


@dataclass(frozen=True)
class RawRequest:
    """A request as it is sent, and which of its parts are unusual."""

    raw: bytes
    unusual: tuple[str, ...]
    refused: bool


@dataclass(frozen=True)
class Case:
    """What one connection carries: the requests one after the other, sent in pieces that end at `cuts`."""

    requests: tuple[RawRequest, ...]
    cuts: tuple[int, ...]

    @property
    def raw(self) -> bytes:
        return b"".join(request.raw for request in self.requests)

    @property
    def segments(self) -> list[bytes]:
        raw = self.raw
        ends = sorted({cut % (len(raw) + 1) for cut in self.cuts} | {len(raw)})
        starts = [0, *ends[:-1]]
        return [raw[start:end] for start, end in zip(starts, ends, strict=True) if start < end]


def _bad(raw: bytes, name: str, *, refused: bool = True) -> Variant:
    return Variant(raw, name, refused)


def _odd(raw: bytes, name: str) -> Variant:
    return Variant(raw, name)


METHODS = (
    *(Variant(name) for name in (b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH")),
    _odd(b"PURGE", "extension method"),
    _odd(b"get", "lower-case method"),
    _odd(b"FROB", "unknown method"),
    _odd(b"M" * 100_000, "long method"),
    _bad(b"", "no method"),
    _bad(b"GE T", "space in method"),
    _bad(b"G\x00T", "zero in method"),
    _bad(b"\tGET", "tab before method"),
    _bad(b"GET:", "colon in method"),
    _odd(b"\r\nGET", "empty line before"),
    _bad(b"\nGET", "LF before"),
    _bad(b"GET ", "two spaces"),
)
TARGETS = (
    Variant(b"/f"),
    Variant(b"/f?a=1&b=%20"),
    _odd(b"/f%zz?x=%", "bad escape"),
    _odd(b"/f#fragment", "fragment"),
    _odd(b"//f", "two slashes"),
    _odd(b"http://proxy.test/f", "absolute"),
    _odd(b"*", "asterisk"),
    _odd(b"/f/../f", "dots"),
    _odd(b"/" + b"f" * 100_000, "long target"),
    _odd(b"/f\xff", "target beyond ASCII"),
    _odd(b"http://", "no host"),
    _bad(b"", "no target"),
    _bad(b"/f f", "space in target"),
    _bad(b"/f\x00", "zero in target"),
    _bad(b"/f\x7f", "DEL in target"),
    _bad(b"/f\tf", "tab in target"),
    _bad(b"f", "relative target"),
)
VERSIONS = (
    Variant(b" HTTP/1.1"),
    _odd(b" HTTP/1.0", "HTTP/1.0"),
    _odd(b" HTTP/1.2", "HTTP/1.2"),
    _odd(b" HTTP/1.1 ", "space after version"),
    _bad(b" http/1.1", "lower-case version"),
    _bad(b" HTTP/11", "no dot"),
    _bad(b" RTSP/1.0", "RTSP"),
    _bad(b"  HTTP/1.1", "two spaces before version"),
    _bad(b" HTTP/1.1x", "letter after"),
    _bad(b" HTTP/9.9", "HTTP/9.9"),
    _odd(b"", "no version"),
    _bad(b" HTTP/1.\x001", "zero in version"),
)
LINE_ENDS = (
    Variant(b"\r\n"),
    _odd(b"\n", "bare LF"),
    _bad(b"\r", "bare CR"),
    _bad(b"\r\r\n", "two CR"),
    _bad(b"\n\r", "LF CR", refused=False),
)
HOSTS = (
    Variant(b"Host: proxy.test"),
    _bad(b"X-No: host", "no host header", refused=False),
    _bad(b"Host: a b", "space in host", refused=False),
    _odd(b"Host:", "empty host"),
    _bad(b"Host: a\r\nHost: b", "two hosts", refused=False),
)
FIELDS = (
    Variant(b"X-Usual: value"),
    Variant(b"Accept: */*"),
    _odd(b"X-Text: \xe4\xff", "obs-text"),
    _odd(b"X-Empty:", "empty value"),
    _odd(b"X-Tab:\tvalue\t", "tabs around"),
    _odd(b"Expect: 100-continue", "expect"),
    _odd(b"Expect: 100-continue \t", "spaces behind expect"),
    _odd(b"Expect: something", "unknown expectation"),
    _odd(b"Connection: close", "close"),
    _odd(b"Connection: keep-alive, x-usual", "named in connection"),
    _odd(b"Upgrade: h2c\r\nConnection: upgrade", "upgrade"),
    _odd(b"Trailer: X-Last", "trailer announced"),
    _odd(b"X-Long: " + b"v" * 100_000, "long value"),
    _odd(b"\r\n".join([b"X-Many: 1"] * 300), "many fields"),
    _bad(b"\r\n".join([b"X-Many: 1"] * 3000), "too many fields"),
    _bad(b"X Y: 1", "space in name"),
    _bad(b"X-Name : 1", "space before colon"),
    _bad(b": 1", "no name"),
    _bad(b"X-Name", "no colon"),
    _bad(b"X\x00Y: 1", "zero in name"),
    _bad(b"X-\xe4: 1", "name beyond ASCII"),
    _bad(b" X-Fold: 1", "space before name"),
    _bad(b"X-Fold: 1\r\n more", "folded line", refused=False),
    _bad(b"X-Value: a\x00b", "zero in value"),
    _bad(b"X-Value: a\x07b", "bell in value"),
    _bad(b"X-Value: a\x7fb", "DEL in value"),
    _bad(b"X-Value: a\rb", "CR in value"),
    _bad(b"(X): 1", "bracket"),
    _bad(b"Transfer-Encoding : chunked", "space before colon of TE"),
    _bad(b"Content-Length\t: 3", "tab before colon"),
)
_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
_CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(INNER), INNER)
_SIZE = str(len(INNER)).encode()


def _length(value: bytes, name: str, *, body: bytes = INNER, refused: bool = True) -> Variant:
    return Variant(b"Content-Length: " + value + b"\r\n\r\n" + body, name, refused)


def _chunks(raw: bytes, name: str, *, refused: bool = True) -> Variant:
    return Variant(_CHUNKED + raw, name, refused)


def _coding(value: bytes, name: str, *, refused: bool = True) -> Variant:
    return Variant(b"Transfer-Encoding: " + value + b"\r\n\r\n" + _CHUNKS, name, refused)


FRAMINGS = (
    Variant(b"\r\n"),
    Variant(b"Content-Length: " + _SIZE + b"\r\n\r\n" + INNER),
    Variant(_CHUNKED + _CHUNKS),
    Variant(b"Content-Length: 0\r\n\r\n"),
    _length(b"3", "length too short", refused=False),
    _length(b"99", "length too long", refused=False),
    _length(b"00" + _SIZE, "zeros before", refused=False),
    _length(b"-1", "negative length"),
    _length(b"", "no length"),
    _length(b"+" + _SIZE, "signed length"),
    _length(b"0x2a", "hex length"),
    _length(b"4 2", "space in length"),
    _length(b"9" * 30, "huge length", refused=False),
    _length(_SIZE + b";", "semicolon"),
    _length(b"4_2", "underscore"),
    _length(_SIZE + b", " + _SIZE, "list of lengths", refused=False),
    _length(b"1, 2", "list of two lengths"),
    _length(_SIZE + b"\r\nContent-Length: " + _SIZE, "same length twice", refused=False),
    _length(_SIZE + b"\r\nContent-Length: 1", "two lengths"),
    _length(b"\xb2", "superscript length"),
    _length(_SIZE + b"\r\nTransfer-Encoding: chunked", "length, then chunked", body=_CHUNKS),
    _coding(b"chunked\r\nContent-Length: 3", "chunked, then length"),
    _coding(b"identity", "identity"),
    _coding(b"gzip, chunked", "gzip and chunked"),
    _coding(b"chunked, gzip", "chunked and gzip"),
    _coding(b"chunked, chunked", "chunked twice"),
    _coding(b"xchunked", "xchunked"),
    _coding(b"", "no coding"),
    _coding(b"chunked\r\nTransfer-Encoding: chunked", "two codings"),
    _coding(b"\x0bchunked", "vertical tab"),
    _coding(b"Chunked", "upper-case", refused=False),
    _coding(b"chunked;q=1", "parameter"),
    _coding(b'"chunked"', "quoted"),
    _chunks(b"zz\r\nabc\r\n0\r\n\r\n", "size no number"),
    _chunks(b"-3\r\nabc\r\n0\r\n\r\n", "negative size"),
    _chunks(b"0x3\r\nabc\r\n0\r\n\r\n", "size with 0x"),
    _chunks(b"3 \r\nabc\r\n0\r\n\r\n", "space after size", refused=False),
    _chunks(b"3\r\nabcd\r\n0\r\n\r\n", "chunk too long"),
    _chunks(b"3\nabc\n0\n\n", "LF in chunks", refused=False),
    _chunks(b"3\r\nabc0\r\n\r\n", "no CRLF after chunk"),
    _chunks(b"f" * 17 + b"\r\nabc\r\n0\r\n\r\n", "huge size"),
    _chunks(b"f" * 16 + b"\r\nabc\r\n0\r\n\r\n", "size of 64 bits"),
    _chunks(b"3;a=b\r\nabc\r\n0\r\n\r\n", "extension", refused=False),
    _chunks(b'3 ; a = "b;"\r\nabc\r\n0\r\n\r\n', "spaces in extension", refused=False),
    _chunks(b"3;a\x01\r\nabc\r\n0\r\n\r\n", "control character in extension"),
    _chunks(b"3;a\rb\r\nabc\r\n0\r\n\r\n", "CR in extension"),
    _chunks(b"3\r\nabc\r\n", "no last chunk", refused=False),
    _chunks(b"3;\na\r\nabc\r\n0\r\n\r\n", "LF in extension"),
    _chunks(b"03\r\nabc\r\n000\r\n\r\n", "zeros", refused=False),
    _chunks(b"3\r\nabc\r\n0\r\nX-Last: 1\r\n\r\n", "trailer", refused=False),
    _chunks(b"3\r\nabc\r\n0\r\nHost: b\r\nContent-Length: 9\r\n\r\n", "trailers of the frame", refused=False),
    _chunks(b"3\r\nabc\r\n0\r\nX Y: 1\r\n\r\n", "bad trailer", refused=False),
    _chunks(b"", "no chunk", refused=False),
)
PARTS = (METHODS, TARGETS, VERSIONS, LINE_ENDS, HOSTS, FIELDS, FRAMINGS)


def _part(variants: tuple[Variant, ...]) -> st.SearchStrategy[Variant]:
    usual = st.sampled_from([variant for variant in variants if not variant.broken])
    return st.integers(0, 7).flatmap(lambda draw: usual if draw else st.sampled_from(variants))


def write(parts: tuple[Variant, ...], truncated: int | None = None) -> RawRequest:
    """Return the request of one variant for each of `PARTS`, its end left off from byte `truncated` on."""
    method, target, version, line_end, host, field, framing = parts
    line = method.raw + b" " + target.raw + version.raw
    raw = line_end.raw.join([line, host.raw, field.raw, framing.raw])
    unusual = [part.name for part in parts if part.broken]
    refused = any(part.refused for part in parts)
    if truncated is not None:
        raw, refused = raw[: truncated % len(raw)], False
        unusual.append("cut short")
    return RawRequest(raw, tuple(unusual), refused)


REQUESTS: st.SearchStrategy[RawRequest] = st.builds(
    write,
    st.tuples(*[_part(part) for part in PARTS]),
    st.sampled_from([None] * 9 + [1]).flatmap(lambda some: st.none() if some is None else st.integers(0, 300)),
)
CASES: st.SearchStrategy[Case] = st.builds(
    Case,
    st.lists(REQUESTS, min_size=1, max_size=3).map(tuple),
    st.lists(st.integers(0, 2_000), max_size=3).map(tuple),
)


def alone(part: int, variant: Variant) -> Case:
    """Return the case of one request, usual but for one variant of one part, between two usual ones."""
    usual = write(tuple(variants[0] for variants in PARTS))
    parts = tuple(variant if at == part else variants[0] for at, variants in enumerate(PARTS))
    return Case((usual, write(parts), usual), ())
