"""The values that flow: feed -> page -> entry -> article -> match -> alert -> notification.

Times are aware datetimes in UTC. Offsets count Unicode code points.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

Level = Literal["info", "low", "medium", "high", "critical"]
Field = Literal["title", "lead", "body"]
FullText = Literal["auto", "always", "never"]
Extract = Literal["lazy", "always"]
Only = Literal["poll", "deliver"]  # the half of the work that a process does
TextFrom = Literal["page", "content", "summary", "none"]

LEVELS: tuple[Level, ...] = get_args(Level)  # from the least to the greatest

EDGE = "\x01"  # where parts of a text meet: a control character, which no phrase crosses
FIELD_BREAK = f" {EDGE} "  # between title and text


@dataclass(frozen=True, slots=True)
class Access:
    """How the user wants the pages of one feed to be asked for.

    Headers, cookies and `auth` (user, password) go to the origin of `url` and to no other; `proxy` is the URL of an
    HTTP proxy for all that the feed leads to.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    auth: tuple[str, str] | None = None
    proxy: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """What a web server answered: the body is decompressed, not decoded, and empty where nothing has changed.

    `headers` are the answer's, by lower-case name. `moved_to` is where the permanent redirects led that stood
    before any other; None where there were none.
    """

    url: str
    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    moved_to: str | None = None

    @property
    def unchanged(self) -> bool:
        return self.status == 304

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")

    @property
    def etag(self) -> str:
        return self.headers.get("etag", "")

    @property
    def last_modified(self) -> str:
        return self.headers.get("last-modified", "")


@dataclass(frozen=True, slots=True)
class Source:
    """The feed that an entry came from, as far as its articles need to know it."""

    name: str
    url: str = ""
    tags: tuple[str, ...] = ()
    language: str | None = None
    full_text: FullText = "auto"


@dataclass(frozen=True, slots=True)
class Identity:
    """What an entry is known again by, as digests; 0 where it has no such thing.

    `first` (40 bits) is of what identifies it best: its guid, or else its link, or else its words. `link` (32 bits) is
    of its canonical link, which identifies it too where `own_link` says that no other entry of its document has it.
    `words` (24 bits) is of its headline and lead.
    """

    first: int
    link: int
    words: int
    own_link: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a feed: the announcement of an article.

    `key` identifies it within its feed's document, `identity` from one document to the next (None where nobody has
    looked yet); `content` and `summary` are HTML as the feed had them.
    """

    key: str
    url: str = ""
    title: str = ""
    content: str = ""
    summary: str = ""
    author: str = ""
    published: datetime | None = None
    language: str | None = None
    guid: str = ""
    identity: Identity | None = None


@dataclass(frozen=True, slots=True)
class FeedDocument:
    """A feed as it was parsed; entries in the order of the document.

    `every` is how long its publisher asks to wait between two polls, None where the document does not say.
    """

    title: str
    language: str | None
    entries: tuple[Entry, ...]
    every: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a page says of itself; `text` is its article, a paragraph a line.

    `url` is its canonical address, `image` that of its picture, `site` the name of who publishes it; "" for unknown.
    """

    text: str
    title: str = ""
    author: str = ""
    language: str | None = None
    published: datetime | None = None
    site: str = ""
    url: str = ""
    image: str = ""


@dataclass(frozen=True, slots=True)
class Article:
    """The text that rules are matched over.

    `id` is its identity: the fixture's place in `replay`, the entry's key in the daemon. `text` is plain
    text, a paragraph a line; `lead_end` is where its first paragraph ends. `language` is a BCP 47 tag, or
    None where the text does not tell. `page_text` says whether its page held text, None where none was asked for;
    `text_from` says where the text is from. `url` is the entry's; `canonical` is the address that the page itself
    gives as its own.
    """

    id: str
    source: Source
    text: str
    title: str = ""
    url: str = ""
    author: str = ""
    published: datetime | None = None
    language: str | None = None
    page_text: bool | None = None
    text_from: TextFrom = "none"
    site: str = ""
    canonical: str = ""
    image: str = ""

    @property
    def lead_end(self) -> int:
        start = len(self.text) - len(self.text.lstrip())
        end = self.text.find("\n", start)
        return len(self.text) if end < 0 else end


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Evidence(_Value):
    """Words that decided a match: `text` stands at `start:end` of the title, or else of the article's text."""

    concept: str
    text: str
    field: Field
    start: int
    end: int
    sure: bool = True  # False: the text's language is not known, so that terms of every language were looked for


class Snippet(_Value):
    """The sentence that shows best why a rule matched; `marks` are the (start, end) of its matched words."""

    text: str
    marks: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """One rule that an article satisfies, and the words that made it so, in the order of the text."""

    rule_id: str
    evidence: tuple[Evidence, ...]


class Latest(_Value):
    """The article by which an alert grew last, as far as an update shows it."""

    document: str
    title: str
    url: str = ""
    source: str = ""
    language: str | None = None
    published: datetime | None = None
    snippet: Snippet


class When(_Value):
    """How much has to speak for an alert before it is raised: by how many `sources`, in how many `languages`.

    With `within` all of it has to come in so much time.
    """

    sources: int = 1
    languages: int = 1
    within: timedelta | None = None


class Alert(_Value):
    """What a person is told: one rule, one story. Its JSON is what webhooks and files receive.

    Title, snippet and evidence are of the story's first article that the rule matched, which is `document`; the lists
    are of all of them, in the order in which they came. In `replay` an article that nothing dates has no time of sight.
    `rule_version` is that of the rule as it stood when it raised the alert, "" for a built-in one.
    """

    id: str
    rule: str
    rule_version: str = ""
    level: Level
    rule_title: str = ""
    tags: tuple[str, ...] = ()
    document: str
    title: str
    url: str = ""
    source: str = ""
    language: str | None = None
    published: datetime | None = None
    receivers: tuple[str, ...] = ()  # whom the rule asks to be told, instead of the route's receivers
    snippet: Snippet
    evidence: tuple[Evidence, ...]
    text_from: TextFrom = "none"  # where the text was from that the rule matched
    story: str = ""
    documents: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    when: When | None = None
    latest: Latest | None = None  # None as long as it has one article


class Notification(_Value):
    """What one receiver is sent. `key` stays the same however often it is sent again.

    An `alert` is told of for the first time, an `update` is of alerts that this receiver knows and that have grown, a
    `digest` is of what was gathered until its hour, a `notice` tells in `text` of the delivery itself. `receipts` are,
    by alert, what the notifier returned when it sent that alert first: whatever it needs to answer its own message.
    """

    key: str
    receiver: str
    alerts: tuple[Alert, ...]
    kind: Literal["alert", "update", "digest", "notice"] = "alert"
    text: str = ""
    receipts: dict[str, str] = {}
