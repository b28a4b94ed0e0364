"""XML as feeds write it: which encoding a document has, what its elements are called, which accidents are usual."""

import re
from contextlib import suppress

_CORE = (
    "http://backend.userland.com/rss", "http://blogs.law.harvard.edu/tech/rss", "http://purl.org/rss/1.0/",
    "http://my.netscape.com/rdf/simple/0.9/", "http://purl.org/atom/ns#", "http://www.w3.org/2005/atom",
    "http://purl.org/rss/1.0/modules/rss091#",
)  # fmt: skip
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_PREFIXES = dict.fromkeys(_CORE, "") | {
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://purl.org/dc/terms/": "dcterms",
    "http://purl.org/rss/1.0/modules/content/": "content",
    "http://purl.org/rss/1.0/modules/syndication/": "sy",
    "http://search.yahoo.com/mrss": "media",
    "http://search.yahoo.com/mrss/": "media",
    "http://www.itunes.com/dtds/podcast-1.0.dtd": "itunes",
    "http://www.w3.org/1999/xhtml": "xhtml",
    RDF: "rdf",
}
_GUARDED = frozenset(_PREFIXES.values())
_XMLNS = re.compile(rb"""xmlns(?::([^\s=]+))?\s*=\s*["']([^"']*)""")

# Encodings in which ASCII bytes are ASCII: the only ones in which a declaration can be believed at once.
_ENCODING = re.compile(r"utf-?8|us-ascii|windows-125\d|iso-8859-\d\d?|koi8-[ru]|gb2312|gbk|gb18030|big5|euc-(jp|kr)")
_DECLARED = re.compile(rb"<\?xml[^>\n]*\sencoding=[\"']([^\"']*)[\"']")
_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([^\"';\s]+)", re.IGNORECASE)

_CP1252 = {code: bytes([code]).decode("cp1252") for code in range(128, 160) if code not in (129, 141, 143, 144, 157)}
_C1 = re.compile(rb"\xc2[\x80-\x9f]")  # in UTF-8, where they are looked for six times as fast


class DoubtError(Exception):
    """The document is not of a usual shape: feedparser has to say what it means."""


def utf8(body: bytes, content_type: str) -> bytes | None:
    """A document in UTF-8, where all that is said of its encoding agrees; otherwise, or where it is untrue, None.

    What is said to be UTF-8 comes back as it is: it is for the XML parser to find that it is not.
    """
    declared, header = _DECLARED.match(body), _CHARSET.search(content_type)
    labels = {
        label.lower().replace("utf8", "utf-8")
        for label in (declared and declared[1].decode("latin-1"), header and header[1])
        if label
    } or {"utf-8"}
    label = labels.pop()
    if labels or not _ENCODING.fullmatch(label):
        return None
    if label == "utf-8":
        return body.removeprefix(b"\xef\xbb\xbf")
    try:
        # What calls itself GB 2312 is of its superset, as every browser takes it.
        return body.decode({"gb2312": "gb18030"}.get(label, label)).encode()
    except (UnicodeError, LookupError):
        return None


class Names(dict[str, str]):
    """From a tag as ElementTree has it to a name in lower case, with its namespace's usual prefix: `dc:date`, `title`.

    A namespace that is not known has the prefix `?`. Raises DoubtError where a prefix means something unusual.
    """

    def __init__(self, document: bytes) -> None:
        super().__init__()
        self._doubtful: set[str] = set()
        for prefix, address in _namespaces(document):
            usual = _prefix_of(address)
            if not prefix and usual != "":
                self._doubtful.add(address)
            if prefix and prefix.lower() in _GUARDED and usual != prefix:
                raise DoubtError

    def __missing__(self, tag: str) -> str:
        address, _, local = tag[1:].rpartition("}") if tag.startswith("{") else ("", "", tag)
        prefix = _prefix_of(address) if address else ""
        if address in self._doubtful or (prefix == "" and "_" in local):
            raise DoubtError
        name = local.lower() if prefix == "" else f"{prefix or '?'}:{local.lower()}"
        self[tag] = name
        return name


def _namespaces(document: bytes) -> set[tuple[str, str]]:
    """The (prefix, address) of all declarations, and of what looks like one."""
    found = set()
    at = document.find(b"xmlns")
    while at >= 0:
        if declaration := _XMLNS.match(document, at):
            found.add(((declaration[1] or b"").decode(), declaration[2].decode()))
        at = document.find(b"xmlns", at + 5)
    return found


def _prefix_of(address: str) -> str | None:
    address = address.lower()
    return "" if "backend.userland.com/rss" in address else _PREFIXES.get(address)


def repaired(text: str) -> str:
    """Undo the two commonest accidents: UTF-8 taken for Latin-1, and Windows' characters numbered as in its table."""
    if text.isascii():
        return text
    with suppress(UnicodeError):
        text = text.encode("latin-1").decode("utf-8")
    return text.translate(_CP1252) if _C1.search(text.encode()) else text
