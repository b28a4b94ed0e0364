"""What every format's entries share: keys, addresses, and texts that can be stored."""

import re
from collections import Counter
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin

from monitor.feeds.identity import digest, identities, key_of
from monitor.models import Entry

_SURROGATES = re.compile("[\ud800-\udfff]")


def entry(guid: str, link: str, base: str, **fields: Any) -> Entry:
    """An entry of a feed at `base`; the other fields are those of Entry."""
    url = _web_address(link, base)
    key = key_of(guid, url, fields["title"], fields["content"] or fields["summary"])
    return Entry(key=key, guid=guid, url=url, **fields)


def text_of(value: Any) -> str:
    """A text without the halves of characters that no encoding can store; nothing where the value is no text."""
    text = value.strip() if isinstance(value, str) else ""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = _SURROGATES.sub("", text).strip()
    return text


def told_apart(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The entries of a document with their identities, and with keys of their own where several have the same guid."""
    counts = Counter(entry.key for entry in entries)
    return tuple(
        replace(entry, identity=identity, key=entry.key if counts[entry.key] == 1 else _own_key(entry))
        for entry, identity in zip(entries, identities(entries), strict=True)
    )


def _own_key(entry: Entry) -> str:
    return f"{entry.key}#{digest(entry.url, entry.title, entry.content or entry.summary)[:8]}"


def _web_address(link: str, base: str) -> str:
    """The address that an entry's link means; nothing where it is none of the web's (an Atom id, say)."""
    try:
        address = urljoin(base, link) if link else ""
    except ValueError:
        return ""
    return address if address.startswith(("http://", "https://")) else ""
