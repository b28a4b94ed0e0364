"""Which addresses may be connected to: public unicast only, and the networks that a user has opened."""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# What `is_global` lets through although nothing public lives there, or although it leads elsewhere.
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments; 192.0.0.192 is a cloud's metadata service
        "168.63.129.16/32",  # another cloud's metadata service
        "100.64.0.0/10",  # carrier-grade NAT
        "192.88.99.0/24",  # 6to4 relays
        "::/96",  # IPv4-compatible
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # local NAT64
        "2001::/23",  # protocol assignments, Teredo among them
        "2002::/16",  # 6to4
        "fec0::/10",  # site-local
    )
)


def is_allowed(address: Address, opened: Iterable[Network] = ()) -> bool:
    """Tell whether an address may be connected to; `opened` are networks that may though they are not public."""
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return is_allowed(mapped, opened)
    if any(address in network for network in opened):
        return True
    return address.is_global and not address.is_multicast and not any(address in network for network in _REFUSED)
