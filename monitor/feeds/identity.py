"""Which entry is which: the key by which a feed's entry is known again at the next poll."""

from hashlib import blake2b


def key_of(guid: str, url: str, title: str, text: str) -> str:
    """The guid, or else the link, or else a digest of title and text."""
    return guid or url or digest(title, text)


def digest(*parts: str) -> str:
    """A short fingerprint (24 hex digits) of texts, the same in every process and on every machine."""
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
