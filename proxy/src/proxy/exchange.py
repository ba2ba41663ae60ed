"""One request on its way through the proxy and its pool, told moment by moment by whoever has a part in it."""

from collections.abc import Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from proxy.claim import Claim
from proxy.clock import (
    BODY,
    ENDED,
    PHASE_OF_STEP,
)
from proxy.counters import Cell
from proxy.phases import reported_ns, server_timing

if TYPE_CHECKING:
    from proxy.watch import PoolWatch

current: Final[ContextVar["Exchange | None"]] = ContextVar("exchange", default=None)
"""The exchange that the running task is part of."""


class Exchange(Claim):
    """One request on its way: arrived, admitted, waiting, holding a connection, done.

    Use as a context manager around everything from the request's arrival to the answer's close. Every method notes
    one moment and may be left out by who cannot tell; a step back (`retrying`) adds up.

    `kept`: the connection had served another request before. `granted`: a connection is held at this moment.
    `given_id`: its id, empty as long as it came without one and nobody asked.
    `status`, `outcome`, `code`: what became of it, set by the forwarder before the end.
    """

    __slots__ = (
        "_token",
        "_upstream_headers",
        "code",
        "given_id",
        "leak_logged",
        "method",
        "outcome",
        "path",
        "run",
        "status",
    )

    def __init__(self, watch: "PoolWatch", method: str, path: bytes, request_id: str, run: bytes) -> None:
        super().__init__(watch)
        self.given_id = request_id
        self.method = method
        self.path = path
        self.run = run
        self.status = 0
        self.outcome = Cell.ABORTED
        self.code = ""
        self.leak_logged = False
        self._upstream_headers: Sequence[tuple[bytes, bytes]] = ()

    def __enter__(self) -> "Exchange":
        self._token = current.set(self)
        return self

    @property
    def request_id(self) -> str:
        """The id under which logs, errors and the ledger name this request: its own, or one that it is given now."""
        if not self.given_id:
            self.given_id = self._watch.new_request_id()
        return self.given_id

    def answering(self, upstream_headers: Sequence[tuple[bytes, bytes]] = ()) -> bytes | None:
        """Note that the answer's head goes out now. Returns the value of its Server-Timing, None without a ledger.

        There the wait for the first byte is one: what the upstream says it took stands beside it, in the upstream's
        own Server-Timing. The two are told apart when the request is entered (`settle`). The upstream's headers are
        kept until then: what is appended to them must not be metrics of the same names.
        """
        if self._granted_ns:
            self.head_received()
        self._to(BODY, PHASE_OF_STEP[self._step])
        if self._watch.journal is None:
            return None
        self._upstream_headers = upstream_headers
        return server_timing(self.spent_ns)

    def __exit__(self, *_: object) -> None:
        current.reset(self._token)
        self.end()

    def leaking(self, slots: int) -> None:
        """Note that the request is over and still holds so many slots, or has given one of them back (-1)."""
        self._watch.cells[Cell.LEAKED] += slots

    def end(self) -> None:
        """Note that nothing more happens: give back what is held and tell the journal. Leaving the `with` does it."""
        if self._step == ENDED:
            return
        self.released()
        self._to(ENDED, PHASE_OF_STEP[self._step])
        watch = self._watch
        if watch.journal is not None:
            if watch.untold:
                self._untold += watch.untold  # now: by the time it is entered there may be another client
            watch.journal.add(self)

    def settle(self) -> None:
        """Work out what could wait until it is over: upstream and network told apart, what is unknown marked."""
        self.split(reported_ns(self._upstream_headers))
        self.own_up()
