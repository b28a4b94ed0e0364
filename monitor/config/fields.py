"""What the values of settings may be: durations, sizes, networks, addresses, headers."""

import ipaddress
import re
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(kB|MB|GB|TB)", re.IGNORECASE)
MEGABYTE = 10**6
_BYTES = {"kb": 10**3, "mb": MEGABYTE, "gb": 10**9, "tb": 10**12}


def parse_duration(value: Any) -> timedelta:
    """Read `90s`, `2m`, `1h30m`, `7d`; raises ValueError."""
    if isinstance(value, timedelta):
        return value
    text = str(value).replace(" ", "")
    if not text or _NUMBER.sub("", text):
        raise ValueError(f'"{value}" is no duration; write a number and a unit, such as 30s, 5m, 12h or 2d')
    try:
        return sum((timedelta(**{_UNITS[unit]: float(number)}) for number, unit in _NUMBER.findall(text)), timedelta())
    except OverflowError:
        raise ValueError(f'"{value}" is longer than anybody will live') from None


def _parse_size(value: Any) -> int:
    """Read `500MB`, `10GB`, or a plain number of bytes; raises ValueError."""
    text = str(value).strip()
    if re.fullmatch(r"[0-9]{1,18}", text):
        return int(text)
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError(f'"{value}" is no size; write a number and a unit, such as 500MB or 10GB')
    return int(float(found[1]) * _BYTES[found[2].lower()])


def _parse_network(value: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(str(value), strict=False)
    except ValueError:
        raise ValueError(f'"{value}" is no network; write one such as 10.0.0.0/8 or ::1/128') from None


def _parse_http_url(value: str) -> str:
    if not isinstance(value, str):
        raise ValueError("a URL is expected, such as https://example.org/feed.xml")
    try:
        parts = urlsplit(value.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\\]", value.strip()):
        raise ValueError(f'"{value}" is no URL that can be fetched; it has to begin with http:// or https://')
    return value.strip()


def _one_line(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not (name + text).isascii() or not (name + text).isprintable():
            raise ValueError(f'the header "{name}" may hold only plain ASCII characters, on one line')
    return value


def _one_word(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not re.fullmatch(r"[!-:<-~]*", name + text):
            raise ValueError(f'the cookie "{name}" may hold only plain ASCII characters, and no space or semicolon')
    return value


def one_or_many(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


SECRET = Field(json_schema_extra={"writeOnly": True})  # of a setting, or of each value of a mapping: never shown
SECRET_URL = Field(json_schema_extra={"format": "uri"})  # a URL that may have a secret in it
ONE_OR_MANY = BeforeValidator(one_or_many)  # of what can be many, one may be written without a list
Names = Annotated[tuple[str, ...], ONE_OR_MANY]
Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(_parse_size)]
Network = Annotated[ipaddress.IPv4Network | ipaddress.IPv6Network, BeforeValidator(_parse_network)]
HttpUrl = Annotated[str, BeforeValidator(_parse_http_url)]
Headers = Annotated[dict[str, str], AfterValidator(_one_line), SECRET]
Cookies = Annotated[dict[str, str], AfterValidator(_one_word), SECRET]


class Strict(BaseModel):
    """A mapping that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)
