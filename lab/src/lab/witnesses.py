"""The parts of a run document that count one run three times over: Locust, the proxy, the upstream."""

from pydantic import Field

from lab.document_part import DocumentPart


class ProxyWitness(DocumentPart):
    """The proxy's count of the run's requests: received = answered + failed + aborted.

    tries = received - untried + retried: `untried` were refused before the client library was asked. The head of `sent`
    tries went out, or may have with a library that does not tell; `responded` of them got a byte at least of an answer.
    Null: not counted.
    """

    received: int
    answered: int
    failed: int
    aborted: int
    untried: int | None = None
    tries: int | None = None
    retried: int | None = None
    sent: int | None = None
    responded: int | None = None


class UpstreamWitness(DocumentPart):
    """The mock's count of the run's requests: started = completed + abandoned."""

    started: int
    completed: int
    abandoned: int


class ConnectionWitness(DocumentPart):
    """Connections between proxy and upstream, as one end counted them during the run."""

    opened: int
    closed: int
    open_at_start: int
    open_at_end: int


class Arrivals(DocumentPart):
    """What became of the requests of an open load that were due: scheduled = started + dropped.

    `late` of the started ones started more than 10 ms after their time.
    """

    scheduled: int
    started: int
    dropped: int
    late: int


class Executions(DocumentPart):
    """How often the upstream executed the run's POSTs, by idempotency key: of so many `keys` some more than once."""

    keys: int
    executions: int
    more_than_once: int


class Witnesses(DocumentPart):
    """Three counts of the same run; null for a witness that did not answer."""

    locust_requests: int
    locust_failures: int
    proxy: ProxyWitness | None = None
    upstream: UpstreamWitness | None = None
    proxy_connections: ConnectionWitness | None = None
    upstream_connections: ConnectionWitness | None = None
    arrivals: Arrivals | None = None
    executions: Executions | None = None


class AuditCheck(DocumentPart):
    """One equation that must hold between the witnesses; `difference` is left minus right."""

    name: str
    left: int
    right: int
    difference: int
    message: str = Field(validation_alias="says")


class Audit(DocumentPart):
    """Whether every request and connection is accounted for. `missing` names witnesses that gave no figures."""

    agreed: bool
    checks: list[AuditCheck]
    missing: list[str] = Field(default_factory=list, validation_alias="unheard")
