"""The `Host` header: a host and perhaps a port, and nothing else (RFC 9110, section 7.2; RFC 3986, section 3.2)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

HIGHEST_PORT = 65_535
LONGEST = 300
"""Characters. Names have at most 253."""

_HOST_AND_PORT = re.compile(
    r"(?:\[(?P<literal>[0-9A-Fa-f:.]+)\]|(?P<name>(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+))(?::(?P<port>[0-9]*))?"
)


@dataclass(frozen=True, slots=True)
class Authority:
    """`host` is in lower case and, if it is an IPv6 address, without brackets. `port` is None if it is not given."""

    host: str
    port: int | None

    @property
    def loopback(self) -> bool:
        """Whether it names this machine: localhost, 127.0.0.0/8 or ::1."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parsed(host: str) -> Authority | None:
    """Parse the value of a `Host` header. Return None for any other form, also for one with userinfo.

    IPv6 addresses have neither a zone nor a future version, which RFC 3986 permits and no client uses.
    """
    found = _HOST_AND_PORT.fullmatch(host) if len(host) <= LONGEST else None
    if found is None:
        return None
    if (literal := found["literal"]) is not None:
        try:
            ipaddress.IPv6Address(literal)
        except ValueError:
            return None
    port = int(found["port"]) if found["port"] else None
    if port is not None and port > HIGHEST_PORT:
        return None
    return Authority((literal or found["name"]).lower(), port)
