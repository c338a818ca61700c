"""Which addresses a webhook may reach: public ones, and networks that settings open.

The tables are our own, because what a library calls global changes with its version, and because addresses that carry
another one inside them (mapped, compatible, 6to4, Teredo, NAT64) would lead anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network
_INSIDE_4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
            "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
            "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
            "168.63.129.16/32",  # the host agent of Azure's machines answers there
        ),
    )
)  # fmt: skip
_PUBLIC_6: Final = IPv6Network("2000::/3")
_INSIDE_6: Final = tuple(
    map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"))
)


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Raises ValueError for what is no network."""
    return tuple(ip_network(text) for text in texts)


def may_reach(address: str, opened: Iterable[Network] = ()) -> bool:
    """Whether a connection to this numeric address is allowed."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
        return any(found in network for network in opened if network.version == 4)
    if any(found in network for network in opened if network.version == found.version):
        return True
    if isinstance(found, IPv4Address):
        return not any(found in network for network in _INSIDE_4)
    return found in _PUBLIC_6 and not any(found in network for network in _INSIDE_6)
