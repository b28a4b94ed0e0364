"""Where the daemon tells how it is doing, over HTTP."""

import re
from ipaddress import ip_address

from pydantic import Field, field_validator, model_validator

from monitor.config.fields import Names, Strict

_LONGEST_PATH = 100  # bytes, of a unix socket
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:]+)\]|([^:\[\]]+)):(\d{1,5})")


class WebConfig(Strict):
    """Where health and metrics are told. There is no password: who can reach it may ask."""

    listen: str = Field("127.0.0.1:9469", description="address:port, or unix:/path of a socket")
    hosts: Names = Field((), description="names under which it is asked; needed where others than this machine may ask")

    @property
    def unix(self) -> str:
        """The path of the unix socket, "" where it is a port."""
        return self.listen.removeprefix("unix:") if self.listen.startswith("unix:") else ""

    @property
    def address(self) -> tuple[str, int]:
        """Where its port is."""
        return _address(self.listen)

    @field_validator("listen")
    @classmethod
    def _usable(cls, value: str) -> str:
        path = value.removeprefix("unix:")
        if path == value:
            _address(value)
        elif not path.startswith("/") or len(path.encode()) > _LONGEST_PATH:
            raise ValueError(f'"{path}" has to begin with / and to be no longer than {_LONGEST_PATH} bytes')
        return value

    # A page in somebody's browser can reach any port of his network, by a name that it makes mean this address: only
    # requests that ask for a known name are answered. Naming those is how a user says that others may ask.
    @model_validator(mode="after")
    def _only_on_purpose(self) -> "WebConfig":
        if not self.unix and not ip_address(self.address[0]).is_loopback and not self.hosts:
            raise ValueError(
                f"{self.listen} can be reached from other machines; if that is meant, "
                "write the names by which they ask for this one: hosts: [monitor.example.org]"
            )
        return self


def _address(text: str) -> tuple[str, int]:
    found = _ADDRESS.fullmatch(text)
    host = (found[1] or found[2].replace("localhost", "127.0.0.1")) if found else ""
    try:
        ip_address(host)
    except ValueError:
        found = None
    if not found or int(found[3]) > 65_535:
        raise ValueError(f'"{text}" is no place to listen; write 127.0.0.1:9469, [::1]:9469 or unix:/path')
    return host, int(found[3])
