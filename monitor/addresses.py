"""Which addresses may be connected to: public unicast only, and the networks that a user has opened."""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")  # all that is given out; NAT64 and IPv4 in disguise lie outside it

# What `is_global` lets through, in some version of Python, although nothing public lives there or it leads elsewhere.
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments; 192.0.0.192 is a cloud's metadata service
        "168.63.129.16/32",  # another cloud's metadata service
        "100.64.0.0/10",  # carrier-grade NAT
        "192.88.99.0/24",  # 6to4 relays
        "2001::/23",  # protocol assignments, Teredo among them
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)


def is_allowed(address: Address, opened: Iterable[Network] = ()) -> bool:
    """Tell whether an address may be connected to; `opened` are networks that may though they are not public."""
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return is_allowed(mapped, opened)
    if any(address in network for network in opened):
        return True
    if address.version == 6 and address not in _GLOBAL_IPV6:
        return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _REFUSED)
