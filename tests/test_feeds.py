"""What a feed document says: every format, the same entries as feedparser's, dates, wishes, and what is no feed."""

import calendar
import io
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import feedparser
import pytest

from monitor.errors import UnreadableError
from monitor.feeds import sax, wellformed
from monitor.feeds.discover import feeds_in
from monitor.feeds.parse import parse
from monitor.models import FeedDocument
from tests.mutations import FORMATS, any_feed, mutated, usual_feed

URL = "https://p.example/feed"
SEEDS = Path(__file__).parent.parent / "seeds"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

DOCUMENTS = {
    "RSS 0.90": b"""<?xml version="1.0"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://my.netscape.com/rdf/simple/0.9/">
<channel><title>Wire</title><link>https://p.example/</link><description>d</description></channel>
<image><title>Logo</title><url>https://p.example/logo.png</url><link>https://p.example/</link></image>
<item><title>Ports closed</title><link>https://p.example/1</link></item>
<textinput><title>Find</title><description>d</description><name>q</name><link>https://p.example/find</link></textinput>
</rdf:RDF>""",
    "RSS 0.91": b"""<rss version="0.91"><channel><title>Wire</title><link>https://p.example/</link>
<language>en-gb</language><image><title>Logo</title><url>https://p.example/l.png</url><link>x</link></image>
<item><title>Ports closed</title><link>https://p.example/1</link><description>After the storm.</description></item>
</channel></rss>""",
    "RSS 0.92": b"""<rss version="0.92"><channel><title>Wire</title><language>en-gb</language><item>
<title>Ports closed</title><link>https://p.example/1</link><description>After &lt;b&gt;a&lt;/b&gt; storm.</description>
<source url="https://q.example/rss">Other</source><enclosure url="https://p.example/1.mp3" length="1" type="a/b"/>
<category>ports</category></item></channel></rss>""",
    "RSS 1.0": b"""<?xml version="1.0" encoding="utf-8"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:sy="http://purl.org/rss/1.0/modules/syndication/">
<channel rdf:about="https://p.example/rdf"><title>Wire</title><dc:language>en-gb</dc:language>
<sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>4</sy:updateFrequency>
<items><rdf:Seq><rdf:li rdf:resource="https://p.example/1"/></rdf:Seq></items></channel>
<item rdf:about="https://p.example/1"><title>Ports closed</title><link>https://p.example/1</link>
<description>After the storm.</description>
<dc:date>2026-11-23T13:00:00+01:00</dc:date><dc:creator>A. Writer</dc:creator>
</item></rdf:RDF>""",
    "RSS 2.0": b"""<?xml version="1.0"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
 xmlns:atom="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/"><channel><title>Wire</title>
<atom:link href="https://p.example/feed" rel="self"/><language>en-gb</language><ttl>360</ttl><item>
<title>Ports closed</title><link>https://p.example/1</link><guid isPermaLink="false">w-1</guid>
<description>After the storm.</description><content:encoded><![CDATA[<p>After the storm.</p>]]></content:encoded>
<pubDate>Mon, 23 Nov 2026 12:00:00 GMT</pubDate><author>a@p.example (A. Writer)</author>
<media:content url="https://p.example/1.jpg"><media:title>A port</media:title></media:content>
</item></channel></rss>""",
    "Atom 0.3": b"""<feed version="0.3" xmlns="http://purl.org/atom/ns#" xml:lang="en-gb"><title>Wire</title>
<entry><title>Ports closed</title><link rel="alternate" type="text/html" href="https://p.example/1"/><id>w-1</id>
<issued>2026-11-23T12:00:00Z</issued><modified>2026-11-23T12:30:00Z</modified><author><name>A. Writer</name></author>
<summary>After the storm.</summary>
<content type="text/html" mode="escaped">&lt;p&gt;After the storm.&lt;/p&gt;</content>
</entry></feed>""",
    "Atom 1.0": b"""<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en-gb"><title type="text">Wire</title><id>w</id>
<entry><title type="html">Ports &lt;em&gt;closed&lt;/em&gt;</title><link href="/1"/><id>w-1</id>
<published>2026-11-23T12:00:00Z</published><updated>2026-11-23T12:30:00Z</updated>
<author><name>A. Writer</name></author>
<summary>After the storm.</summary>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>After the storm.</p></div></content>
</entry></feed>""",
    "JSON Feed 1.0": b"""{"version": "https://jsonfeed.org/version/1", "title": "Wire", "items": [{"id": "w-1",
"url": "https://p.example/1", "title": "Ports closed", "content_text": "After the storm.",
"date_published": "2026-11-23T13:00:00+01:00", "author": {"name": "A. Writer"}}]}""",
    "JSON Feed 1.1": b"""\xef\xbb\xbf{"version": "https://jsonfeed.org/version/1.1", "title": "Wire",
"language": "en-gb",
"items": [{"id": "w-1", "url": "/1", "title": "Ports closed", "content_html": "<p>After the storm.</p>",
"date_published": "2026-11-23T12:00:00Z", "authors": [{"name": "A. Writer"}, {"url": "x"}, 7]}]}""",
}  # fmt: skip
# What each of them does not have.
WITHOUT = {
    "RSS 0.90": {"language", "text", "published", "author", "guid"}, "RSS 0.91": {"published", "author", "guid"},
    "RSS 0.92": {"published", "author", "guid"}, "JSON Feed 1.0": {"language"},
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_formats(name: str) -> None:
    document = parse(DOCUMENTS[name], URL)
    [entry] = document.entries
    without = WITHOUT.get(name, set())
    assert (document.title, entry.title, entry.url) == ("Wire", "Ports closed", "https://p.example/1")
    assert document.language == (None if "language" in without else "en-gb")
    assert ("After" in (entry.content or entry.summary)) is ("text" not in without)
    assert entry.published == (None if "published" in without else NOON)
    assert ("A. Writer" in entry.author) is ("author" not in without)
    if "guid" not in without:
        assert entry.guid == ("https://p.example/1" if name == "RSS 1.0" else "w-1")


def plainly(body: bytes, content_type: str = "") -> FeedDocument:
    """What comes of a document when feedparser alone reads it, with the XML reader that it chooses itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wellformed, "read", lambda *_: None)
        patch.setattr(feedparser.api, "PREFERRED_XML_PARSERS", [])
        return parse(body, URL, content_type)


@pytest.mark.parametrize("body", [*DOCUMENTS.values(), *(path.read_bytes() for path in SEEDS.glob("*.[ar][ts][os]*"))])
def test_entries_equal_those_of_plain_feedparser(body: bytes) -> None:
    assert parse(body, URL) == plainly(body)


TYPES = ["", "text/xml", "application/rss+xml; charset=utf-8", "text/html; charset=iso-8859-1", "application/json"]


def test_entries_of_generated_feeds_equal_those_of_plain_feedparser() -> None:
    chance = random.Random(7)
    quickly = 0
    for number in range(300):
        body = any_feed(chance) if number % 3 else usual_feed(chance.choice(FORMATS), 5, chance, 40)
        content_type = chance.choice(TYPES)
        assert parse(body, URL, content_type) == plainly(body, content_type), body
        quickly += wellformed.read(body, content_type) is not None
    assert quickly > 100


@pytest.mark.parametrize("form", FORMATS)
def test_usual_feeds_do_without_feedparser_and_say_what_it_says(form: str) -> None:
    body = usual_feed(form, 20, random.Random(form), 60)
    assert wellformed.read(body, "") is not None
    theirs = feedparser.parse(io.BytesIO(body))
    found = [(entry.guid, entry.url, entry.title, entry.published) for entry in parse(body, URL).entries]
    assert found == [
        (entry.id, entry.link, entry.title, datetime.fromtimestamp(calendar.timegm(entry.published_parsed), UTC))
        for entry in theirs.entries
    ]


@pytest.mark.parametrize(
    ("encoding", "content_type"),
    [("utf-8", ""), ("windows-1251", "text/xml"), ("koi8-r", "application/xml"), ("utf-16", ""), ("iso-8859-5", "")],
)
def test_encodings(encoding: str, content_type: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><rss version="2.0"><channel><item><title>Ракета</title></item>'
    body = f"{text}</channel></rss>".encode(encoding)
    assert parse(body, URL, content_type).entries[0].title == "Ракета"
    assert parse(body, URL, content_type) == plainly(body, content_type)


def rss(inside: str) -> bytes:
    spaces = 'xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"'
    return f'<rss version="2.0" {spaces}><channel><title>T</title>{inside}</channel></rss>'.encode()


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("inside", "every"),
    [
        ("", None),
        ("<ttl>90</ttl>", 1.5 * HOUR),
        ("<ttl> 5 </ttl>", HOUR / 12),
        ("<ttl>0</ttl>", None),
        ("<ttl>-60</ttl>", None),
        ("<ttl>soon</ttl>", None),
        ("<ttl>1.5</ttl>", None),
        ("<ttl>43200</ttl>", 720 * HOUR),
        ("<ttl>43201</ttl>", None),
        ("<ttl>99999999999999999999</ttl>", None),
        ("<ttl>٦٠</ttl>", None),
        ("<sy:updatePeriod>hourly</sy:updatePeriod>", HOUR),
        ("<sy:updatePeriod>Daily</sy:updatePeriod><sy:updateFrequency>4</sy:updateFrequency>", 6 * HOUR),
        ("<sy:updatePeriod>\n hourly </sy:updatePeriod><sy:updateFrequency>\n 1 </sy:updateFrequency>", HOUR),
        ("<sy:updateFrequency>2</sy:updateFrequency>", 12 * HOUR),
        ("<sy:updatePeriod>weekly</sy:updatePeriod>", 168 * HOUR),
        ("<sy:updatePeriod>yearly</sy:updatePeriod>", None),
        ("<sy:updatePeriod>yearly</sy:updatePeriod><sy:updateFrequency>365</sy:updateFrequency>", 24 * HOUR),
        ("<sy:updatePeriod>sometimes</sy:updatePeriod>", None),
        ("<sy:updatePeriod>hourly</sy:updatePeriod><sy:updateFrequency>0</sy:updateFrequency>", None),
        ("<ttl>30</ttl><sy:updatePeriod>hourly</sy:updatePeriod>", HOUR),
        ("<ttl>120</ttl><sy:updatePeriod>hourly</sy:updatePeriod>", 2 * HOUR),
        ("<ttl>120</ttl><sy:updatePeriod>never</sy:updatePeriod>", 2 * HOUR),
    ],
)
def test_how_often_a_publisher_wants_to_be_asked(inside: str, every: timedelta | None) -> None:
    assert parse(rss(inside), URL).every == every
    assert plainly(rss(inside)).every == every


@pytest.mark.parametrize(
    ("text", "published"),
    [
        ("Mon, 23 Nov 2026 12:00:00 GMT", NOON), ("Mon, 23 Nov 2026 14:00:00 +0200", NOON),
        ("23 Nov 2026 07:00:00 EST", NOON), ("Mon, 23 Nov 26 12:00:00 GMT", NOON), ("2026-11-23T12:00:00Z", NOON),
        ("2026-11-23T12:00:00.75Z", NOON), ("2026-11-23 12:00", NOON), ("20261123", NOON - 12 * HOUR),
        ("Mon Nov 23 12:00:00 2026", NOON), ("10:30", None), ("10:30:00", None), ("10:30 +0200", None),
        ("T10:30Z", None), ("12", None), ("-10", None), ("--11", None), ("yesterday", None), ("", None),
        ("Mon, 99 Foo 99999", None), ("9999-12-31T23:59:59-23:00", None),
    ],
)  # fmt: skip
def test_dates(text: str, published: datetime | None) -> None:
    [entry] = parse(rss(f"<item><title>T</title><pubDate>{text}</pubDate></item>"), URL).entries
    assert entry.published == published


def test_the_date_of_change_stands_in_for_a_bad_one() -> None:
    dates = "<published>10:30</published><updated>2026-11-23T12:00:00Z</updated>"
    body = f"<feed xmlns='http://www.w3.org/2005/Atom'><entry><title>T</title>{dates}</entry></feed>".encode()
    assert parse(body, URL).entries[0].published == NOON == plainly(body).entries[0].published


PAGE = b"""<!DOCTYPE html><html><head><base href="https://p.example/news/"><title>News</title>
<link rel="alternate" type="application/rss+xml" title="All  news" href="/all.rss">
<link rel="Alternate Home" type="APPLICATION/ATOM+XML; charset=utf-8" href="atom">
<link rel="alternate" type="application/feed+json" href="//j.example/feed.json#x">
<link rel="alternate" type="text/html" hreflang="de" href="/de"><link rel="stylesheet" href="feed.css">
<link rel="alternate" type="application/rss+xml" href="javascript:alert(1)"></head><body>
<a href="/all.rss">RSS</a><a href="sport/feed/">Sport <b>feed</b></a><a href="?format=rss">More</a>
<a href="/feedback">Say</a><a href="rss.html">About RSS</a><a href="http://[x">bad</a><a>none</a></body></html>"""


def test_the_feeds_of_a_page() -> None:
    assert feeds_in(PAGE, "https://p.example/") == [
        ("https://p.example/all.rss", "All news"),
        ("https://p.example/news/atom", ""),
        ("https://j.example/feed.json", ""),
        ("https://p.example/news/sport/feed/", "Sport feed"),
        ("https://p.example/news/?format=rss", "More"),
    ]
    assert feeds_in(b"", URL) == feeds_in(b"\x00\xff", URL) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (PAGE.replace(b"<!DOCTYPE html>", b"\n"),
         "is a web page, not a feed; it links to: https://p.example/all.rss, https://p.example/news/atom, "
         "https://j.example/feed.json, https://p.example/news/sport/feed/, https://p.example/news/?format=rss"),
        (PAGE + b"<a href='/6.rss'>", "is a web page, not a feed; it links to: .*format=rss"),
        (b"<HTML><body>Down for maintenance", "is a web page that links to no feed"),
        (b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>", "is a web page that .* no feed"),
        (b"", "is no feed: neither RSS nor Atom nor JSON Feed"), (b"Not found", "is no feed: neither .*"),
        (b"<opml><body/></opml>", "is no feed: .*"), (b"{", "is no JSON Feed: .*"), (b"{}", "is no JSON Feed: .*"),
        (b'{"version": "https://jsonfeed.org/version/1", "items": {}}', 'is no JSON Feed: "items" is no list'),
        (b"<rss version='2.0'><channel><svg %s/></channel></rss>" % b" ".join(b"a%d=''" % n for n in range(50_000)),
         "is no feed: a tag has 50000 attributes"),
    ],
)  # fmt: skip
def test_what_is_no_feed_says_what_it_is(body: bytes, reason: str) -> None:
    began = time.monotonic()
    with pytest.raises(UnreadableError, match=f"^{reason.replace('?', '[?]')}$"):
        parse(body, URL)
    assert time.monotonic() - began < 5


LAUGHS = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 10))


@pytest.mark.parametrize(
    "declared",
    [
        "<!ENTITY l9 SYSTEM 'file:///etc/passwd'>",
        f"<!ENTITY l0 'lol'>{LAUGHS}",
        "<!ENTITY % l9 SYSTEM 'file:///x'>%l9;",
    ],
)
def test_entities_stand_for_nothing_that_costs_or_betrays(declared: str) -> None:
    body = f"<!DOCTYPE rss [{declared}]>".encode() + rss("<item><title>T &l9;</title></item>")
    [entry] = parse(body, URL).entries
    assert entry.title.startswith("T")
    assert len(entry.title) < 100
    assert "root:" not in entry.title


def test_a_tag_may_have_many_attributes() -> None:
    tag = " ".join(f"a{number}=''" for number in range(sax.MOST_ATTRIBUTES))
    assert plainly(rss(f"<item {tag}><title>T</title></item>")).entries[0].title == "T"


def outcomes(seeds: range) -> list[str]:
    """What went wrong with mutated feeds, other than that they are no feeds any more."""
    wrong = []
    for seed in seeds:
        try:
            assert isinstance(parse(mutated(seed), URL), FeedDocument)
        except UnreadableError:
            continue
        except Exception as error:  # noqa: BLE001 - that none comes is what is tested
            wrong.append(f"mutated({seed}): {error!r}")
    return wrong


def test_broken_feeds_are_parsed_or_refused() -> None:
    assert outcomes(range(300)) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("thousand", range(10))
def test_ten_thousand_broken_feeds_are_parsed_or_refused(thousand: int) -> None:
    assert outcomes(range(1_000 * thousand, 1_000 * (thousand + 1))) == []


def test_broken_feeds_that_are_read_without_feedparser_equal_its_own() -> None:
    read = [body for body in map(mutated, range(400)) if wellformed.read(body, "") is not None]
    assert len(read) > 5
    for body in read:
        assert parse(body, URL) == plainly(body), body
