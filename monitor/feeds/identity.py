"""Which entry is which: how an entry is known again at the next poll, and what is remembered of a feed for that."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from html import unescape
from itertools import islice
from typing import Literal
from urllib.parse import quote, unquote_to_bytes, urlsplit

from monitor.models import Entry, Identity

Verdict = Literal["new", "known", "edited"]

# What mailers, campaigns and social networks add to an address without changing what it names.
_TRACKING = re.compile(
    r"utm_.+|fbclid|gclid|gclsrc|dclid|gbraid|wbraid|msclkid|twclid|ttclid|yclid|igshid|igsh|li_fat_id|srsltid|"
    r"mc_[ce]id|_hs(enc|mi)|mkt_tok|oly_(anon|enc)_id|vero_id|wickedid|ref_src|ref_url|cmp|cmpid|ncid|sr_share|xtor|"
    r"at_(medium|campaign|link|format|ptr|bbc).*|(mtm|pk|piwik|matomo)_.+|ns_(campaign|mchannel|source|linkname|fee)|"
    r"_ga|_gl|spm|guce_.+",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PLAIN_ADDRESS = re.compile(r"https?://(?:www\.)?([a-z0-9][a-z0-9-]*\.[a-z0-9.-]*[a-z0-9](?:/[A-Za-z0-9._~-]+)*)/?")
_TAG = re.compile(r"<[^>]*>?")
_LEAD = 300  # characters without spaces
_LEAD_HTML = 1_200  # characters of HTML in which the lead's end is looked for


def key_of(guid: str, url: str, title: str, text: str) -> str:
    """The guid, or else the link, or else a digest of title and text."""
    return guid or url or digest(title, text)


def digest(*parts: str) -> str:
    """A short fingerprint (24 hex digits) of texts, the same in every process and on every machine."""
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def canonical(url: str) -> str:
    """One spelling for the addresses that lead to the same page; what is no web address comes back as it is.

    With https, and without `www.`, default port, user, fragment, tracking parameters and the path's last slash; the
    query sorted; the host in lower case; percent signs only where they are needed.
    """
    if plain := _PLAIN_ADDRESS.fullmatch(url):
        return f"https://{plain[1]}"
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").removeprefix("www.").rstrip("."), parts.port
    except ValueError:
        return url
    if parts.scheme not in _DEFAULT_PORTS or not host:
        return url
    host = f"[{host}]" if ":" in host else host
    place = host if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{host}:{port}"
    path = _percent(parts.path, "/~!$&'()*+,;=:@").rstrip("/")
    asked = sorted(_percent(pair.replace("+", " "), "/~!$'()*,;:@=") for pair in parts.query.split("&") if _names(pair))
    return f"https://{place}{path}{'?' if asked else ''}{'&'.join(asked)}"


def _names(pair: str) -> bool:
    """Whether a query's `name=value` helps to name a page, and does not only say by which way somebody came there."""
    name, _, value = pair.partition("=")
    return bool(pair) and value != "rss" and not _TRACKING.fullmatch(name)


def _percent(text: str, safe: str) -> str:
    return quote(unquote_to_bytes(text.encode("utf-8", "surrogatepass")), safe)


def identities(entries: Sequence[Entry]) -> list[Identity]:
    """The identities of a document's entries.

    A guid or a link that stands on several entries with different words identifies none of them (some feeds give all
    their entries the same guid, or link them all to the home page): then the next best does.
    """
    words = [_words(entry) for entry in entries]
    guids = [canonical(entry.guid) if entry.guid.startswith("http") else entry.guid for entry in entries]
    links = [canonical(entry.url) if entry.url else "" for entry in entries]
    guid_counts = Counter(guid for guid, _ in set(zip(guids, words, strict=True)))
    link_counts = Counter(link for link, _ in set(zip(links, words, strict=True)))
    found = []
    for guid, link, text in zip(guids, links, words, strict=True):
        own_guid, own_link = guid_counts[guid] == 1 and guid, link_counts[link] == 1 and link
        first = own_guid or own_link or f"words {text}"
        found.append(Identity(_hash(first, 5), _hash(link, 4), _hash(text, 3), bool(own_link)))
    return found


def _words(entry: Entry) -> str:
    """Headline and lead, without what may change while the words stay: case, spaces, entities and markup."""
    lead = unescape(_TAG.sub("", (entry.content or entry.summary)[:_LEAD_HTML])[: 2 * _LEAD])
    return f"{''.join(entry.title.split())}\0{''.join(lead.split())[:_LEAD]}".casefold()


def _hash(text: str, size: int) -> int:
    """A digest of `size` bytes, never 0 but for the empty text."""
    if not text:
        return 0
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).digest()) or 1


_FORMAT = 1
_FULL = 12  # bytes: 5 of `first`, 4 of `link`, 3 of `words`
_OLD = 5  # bytes: `first`
_LEAST, _MOST = 200, 1_000  # entries remembered
_USUAL = 50  # entries of a document


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of a feed's entries, newest knowledge first; a value: what changes it returns another.

    Of the last document's entries all of the identity is kept, 12 bytes each; of those that were in earlier documents
    only what identifies best, 5 bytes each. As many of these are kept as there is room for: twice as many entries as
    the document has, at least 200 and at most 1,000, altogether. A feed of 50 entries so takes 3 + 50 * 12 + 150 * 5 =
    1,353 bytes, however long it runs; what a document holds is always remembered, however much it is.

    That an unknown entry is taken for one of 200 remembered ones has a chance of 2 in ten thousand millions by `first`
    (200 / 2^40) and of 1 in a hundred millions by `link` (50 / 2^32), where it then counts as edited and is matched all
    the same; that an edit goes unnoticed one of 1 in 17 millions (1 / 2^24).
    """

    full: tuple[Identity, ...] = ()
    old: tuple[int, ...] = ()
    _firsts: dict[int, set[int]] = field(init=False, repr=False, compare=False)
    _links: dict[int, set[int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        firsts: dict[int, set[int]] = {first: set() for first in self.old}
        links: dict[int, set[int]] = {}
        for identity in self.full:
            firsts.setdefault(identity.first, set()).add(identity.words)
            if identity.link:
                links.setdefault(identity.link, set()).add(identity.words)
        object.__setattr__(self, "_firsts", firsts)
        object.__setattr__(self, "_links", links)

    def judge(self, entry: Entry) -> Verdict:
        """Whether an entry is new, known, or known with another headline or lead than when it was remembered."""
        identity = _identity(entry)
        words = self._firsts.get(identity.first)
        if words is None and identity.own_link:
            words = self._links.get(identity.link)
        if words is None:
            return "new"
        return "edited" if words and identity.words not in words else "known"

    def with_document(self, entries: Sequence[Entry]) -> "Memory":
        """The memory after a document all of whose entries were handled; an empty document changes nothing."""
        return self._with(entries, len(entries)) if entries else self

    def with_entries(self, handled: Sequence[Entry]) -> "Memory":
        """The memory after some entries of a document were handled and others have to be seen again."""
        return self._with(handled, max(_USUAL, len(handled), len(self.full)))

    def _with(self, entries: Sequence[Entry], room: int) -> "Memory":
        """These entries first, then earlier ones: `room` with all that is known of them, further ones by `first`."""
        known = {identity.first: identity for identity in map(_identity, entries)}
        links = {identity.link for identity in known.values() if identity.own_link}
        for identity in self.full:
            if identity.link not in links:
                known.setdefault(identity.first, identity)
        full = tuple(islice(known.values(), max(room, len(entries))))
        rest = dict.fromkeys((*(identity.first for identity in (*known.values(), *self.full)), *self.old))
        for identity in full:
            rest.pop(identity.first, None)
        limit = max(_LEAST, min(2 * len(full), _MOST)) - len(full)
        return Memory(full, tuple(islice(rest, max(limit, 0))))

    def encode(self) -> bytes:
        """The memory as bytes, for `decode`."""
        head = bytes([_FORMAT]) + min(len(self.full), 0xFFFF).to_bytes(2)
        full = b"".join(
            entry.first.to_bytes(5) + entry.link.to_bytes(4) + entry.words.to_bytes(3) for entry in self.full[:0xFFFF]
        )
        return head + full + b"".join(first.to_bytes(_OLD) for first in self.old)

    @classmethod
    def decode(cls, blob: bytes) -> "Memory":
        """The memory that was encoded; an empty one where the bytes are broken or of another format."""
        count = int.from_bytes(blob[1:3])
        full, old = blob[3 : 3 + count * _FULL], blob[3 + count * _FULL :]
        if blob[:1] != bytes([_FORMAT]) or len(blob) < 3 or len(full) != count * _FULL or len(old) % _OLD:
            return cls()
        return cls(
            tuple(
                Identity(int.from_bytes(one[:5]), int.from_bytes(one[5:9]), int.from_bytes(one[9:]))
                for one in _slices(full, _FULL)
            ),
            tuple(int.from_bytes(one) for one in _slices(old, _OLD)),
        )


def _identity(entry: Entry) -> Identity:
    return entry.identity or identities([entry])[0]


def _slices(blob: bytes, size: int) -> Iterable[bytes]:
    return (blob[start : start + size] for start in range(0, len(blob), size))
