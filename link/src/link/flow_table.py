"""The connections that a middlebox tracks for an engine of packets, found by the addresses of a segment."""

from link.middlebox import Flow, Middlebox, PacketVerdict, answers, begins
from link.tcp_segment import TcpSegment

LARGEST = 4096
"""Flows kept before finished ones are removed; there are more only while they are in use."""


class FlowTable:
    """Flows by the client's and the upstream's address. `both_ways`: the packets to the upstream are visible too.

    Where they are not, a handshake is recognised by its SYN-ACK and a request by the first bytes of its response.
    """

    def __init__(self, box: Middlebox, *, both_ways: bool, before: "FlowTable | None" = None):
        self.box = box
        self._both_ways = both_ways
        self._flows: dict[bytes, Flow] = before._flows if before else {}
        self._limit = LARGEST

    def judge(self, segment: TcpSegment, now: float, *, from_upstream: bool) -> tuple[PacketVerdict, float]:
        """Return the verdict on a segment, and by how many seconds it is delayed if it passes."""
        key = segment.target + segment.source if from_upstream else segment.source + segment.target
        flow = self._find(key, segment, now, from_upstream=from_upstream)
        verdict = self.box.unknown() if flow is None else self._meet(flow, segment, now, from_upstream=from_upstream)
        if verdict is PacketVerdict.REFUSE and segment.resets:
            return PacketVerdict.VANISH, 0.0  # a RST is never answered by one
        if flow is None or verdict is not PacketVerdict.PASS or not (segment.opens and from_upstream):
            return verdict, 0.0
        repeated = flow.accepted == segment.sequence
        flow.accepted = segment.sequence
        return verdict, 0.0 if repeated else self.box.conditions.accept_delay

    def _meet(self, flow: Flow, segment: TcpSegment, now: float, *, from_upstream: bool) -> PacketVerdict:
        first = False
        if segment.payload and self._both_ways:
            first = begins(flow, from_client=not from_upstream)
        elif segment.payload:
            first = answers(flow, segment.acknowledgement)
        return self.box.meet(flow, now, begins_request=first)

    def _find(self, key: bytes, segment: TcpSegment, now: float, *, from_upstream: bool) -> Flow | None:
        flow = self._flows.get(key)
        if flow and segment.opens and self._is_another(flow, segment, now, from_upstream=from_upstream):
            flow = None
        if flow is None and (segment.opens or self.box.adopts(now)):
            if len(self._flows) >= self._limit:
                self._purge(now)
            opened = None if from_upstream else segment.sequence
            flow = self._flows[key] = Flow(now, opened=opened)
        return flow

    def _is_another(self, flow: Flow, segment: TcpSegment, now: float, *, from_upstream: bool) -> bool:
        # The address is used again; a repeated handshake is not another connection.
        if flow.reset or not self.box.alive(flow, now):
            return True
        return not from_upstream and flow.opened != segment.sequence

    def _purge(self, now: float) -> None:
        # Without an idle time-out, the state of a live flow is made anew with its next packet.
        recent = now - 1.0
        self._flows = {
            key: flow
            for key, flow in self._flows.items()
            if not flow.reset and (self.box.alive(flow, now) if not self.box.adopts(now) else flow.seen > recent)
        }
        self._limit = max(LARGEST, 2 * len(self._flows))
