"""Which addresses may be called, and whom to trust there."""

from __future__ import annotations

import functools
import ipaddress
import ssl

import certifi


def is_public(address: str) -> bool:
    """False for loopback, private, link-local, shared (CGNAT), multicast and reserved addresses.

    IPv4 inside IPv6 (mapped, 6to4, Teredo, NAT64) is judged by the IPv4 address it reaches; other
    IPv6 must lie in the part that is in use as global unicast (IANA: 2000::/3).
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip not in _GLOBAL_UNICAST:
            return False
    return ip.is_global and not ip.is_multicast and not any(ip in net for net in _RESERVED)


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# What older versions of ``ipaddress`` call global: protocol assignments, 6to4 relays, documentation.
_RESERVED = [ipaddress.ip_network(net) for net in ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")]


@functools.cache
def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Certificates are checked against the system's roots, certifi's where the system has none."""
    context = ssl.create_default_context()
    if not context.get_ca_certs():
        context.load_verify_locations(certifi.where())
    if ca_file:
        context.load_verify_locations(ca_file)
    return context
