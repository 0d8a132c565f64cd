"""Network addresses as text, "host:port", and what counts as one address under a cap."""

import ipaddress

PORT_MAX = 65_535


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of "host:port" or "[v6]:port", or raise `ValueError`."""
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > PORT_MAX:
        raise ValueError(f"not an address with a port: {address!r}")
    return host, int(port)


def join_address(host: str, port: int) -> str:
    """Return the text of an address: the reverse of `split_address`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def get_network(host: str) -> str:
    """Return what counts as one address under a cap: "" for loopback, an IPv6 /64."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            is_loopback = address.is_loopback
            return "" if is_loopback else str(ipaddress.ip_network((address, 64), strict=False))
        address = address.ipv4_mapped
    return "" if address.is_loopback else str(address)
