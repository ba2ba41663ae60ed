"""What pyreqwest raised, as a code. Its classes alone are wrong often; the texts of the causes tell them apart.

The texts are hyper's and the kernel's, seen with pyreqwest 0.15.1: the lock pins it and the tests hold them.
"""

from pyreqwest.exceptions import PoolTimeoutError, PyreqwestError

from proxy.errors import ProxyError


def proxy_error(error: PyreqwestError) -> ProxyError:
    """Map what pyreqwest raised to a code."""
    if isinstance(error, PoolTimeoutError):
        return ProxyError("pool_exhausted")
    causes = _causes(error)
    connecting = "client error (Connect)" in causes
    if isinstance(error, TimeoutError):
        return ProxyError("upstream_connect_timeout" if connecting else "upstream_read_timeout")
    text = " ".join(causes)
    if connecting:
        return ProxyError("upstream_dns_error" if "dns error" in causes else "upstream_connect_error")
    if "os error 104" in text or "os error 32" in text:
        return ProxyError("upstream_reset")
    if "connection closed before message completed" in text:
        return ProxyError("upstream_closed")
    if "end of file before message length reached" in text or "unexpected EOF during chunk" in text:
        return ProxyError("upstream_closed")
    return ProxyError("upstream_protocol_error")


def _causes(error: PyreqwestError) -> list[str]:
    details = getattr(error, "details", None) or {}
    return [cause["message"] for cause in details.get("causes") or []]
