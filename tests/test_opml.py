"""Lists of feeds: what is read of them, and what is written is read again."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import InputError
from monitor.feeds.opml import OpmlFeed, read, write

LIST = b"""<?xml version="1.0" encoding="UTF-8"?>
<opml version="1.0"><head><title>My feeds</title></head><body>
<outline text="Asia"><outline title="Korea">
<outline type="rss" text="Wire &amp; Post" xmlUrl="https://wire.example/rss" category="/press/wires, news,"
language="ko"/>
</outline></outline>
<outline text="short" XMLURL=" http://short.example/feed " language="unknown"/>
<outline text="Elsewhere"><outline title="again" text="x" xmlUrl="https://wire.example/rss"/></outline>
<outline text="a bookmark" type="link" url="https://page.example/"/>
<outline text="bad" xmlUrl="file:///etc/passwd"/>
<!-- a comment -->
<outline text="none" xmlUrl=""/><outline text="odd" xmlUrl="https://[::1"/>
</body></opml>"""


def test_a_list_of_feeds_is_read() -> None:
    feeds, problems = read(LIST, "my.opml")
    assert feeds == [
        OpmlFeed(
            "https://wire.example/rss", "Wire & Post", ("Asia", "Korea", "press/wires", "news", "Elsewhere"), "ko"
        ),
        OpmlFeed("http://short.example/feed", "short"),
    ]
    assert [str(problem) for problem in problems] == [
        "my.opml:10: 'file:///etc/passwd' is no http or https address",
        "my.opml:12: '' is no http or https address",
        "my.opml:12: 'https://[::1' is no http or https address",
    ]


BOMB = b"<!DOCTYPE opml [<!ENTITY a 'ha'>%s]><opml><body><outline text='&a;' xmlUrl='http://x.example/&l9;'/></body></opml>"
LEVELS = b"".join(b"<!ENTITY l%d '%s'>" % (n, b"&l%d;" % (n - 1) * 20) for n in range(1, 10))
WHOLE = b"<opml version='2.0'><body/></opml>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", r"my\.opml(:1)?: is no OPML: .+"),
        (b"no XML at all", r"my\.opml:1: is no OPML: .+"),
        (b"<opml>\n<body>\n<outline text='a & b'/></body></opml>", r"my\.opml:3: is no OPML: .+"),
        (b"<rss><channel/></rss>", "my.opml: is no OPML: an <opml> document with a <body> is expected, this is <rss>"),
        (b"<opml><head/></opml>", "my.opml: is no OPML: an <opml> document with a <body> is expected, this is <opml>"),
        (BOMB % b"<!ENTITY l0 'l'>" + LEVELS, r"my\.opml:1: is no OPML: .+"),
        (BOMB % (b"<!ENTITY l0 'l'>" + LEVELS), r"my\.opml(:1)?: .+"),
        (BOMB % b"<!ENTITY l9 'x'>", r"my\.opml: declares XML entities, .+ write out .+"),
        (BOMB % b"<!ENTITY l9 SYSTEM 'file:///etc/passwd'>", r"my\.opml(:1)?: .+"),
        ((BOMB % b"<!ENTITY l9 'x'>").decode().encode("utf-16"), r"my\.opml: declares XML entities, .+"),
        (WHOLE.replace(b"<body/>", b"<body>" + b"<outline>" * 5_000 + b"</outline>" * 5_000 + b"</body>"), ".+depth.+"),
    ],
)
def test_what_is_no_list_of_feeds_is_refused_in_one_line(text: bytes, message: str) -> None:
    with pytest.raises(InputError) as refused:
        read(text, "my.opml")
    assert re.fullmatch(message, str(refused.value)), str(refused.value)


def test_an_empty_list_is_a_list() -> None:
    assert read(WHOLE, "my.opml") == ([], [])


LINE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=20).map(
    lambda text: " ".join(text.split())
)
TAG = LINE.map(lambda text: text.replace(",", "").strip("/ ")).filter(bool)
FEED = st.builds(
    OpmlFeed,
    st.text("abc/?=&é<\"' ", max_size=12).map(lambda path: f"https://feeds.example/{path}".strip()),
    LINE.filter(bool),
    st.lists(TAG, max_size=4, unique=True).map(tuple),
    st.none() | st.sampled_from(["en", "zh-Hant"]),
)


@given(st.lists(FEED, max_size=8, unique_by=lambda feed: feed.url), st.text(max_size=10))
def test_what_is_written_is_read_again(feeds: list[OpmlFeed], title: str) -> None:
    assert read(write(feeds, title), "my.opml") == (feeds, [])


def test_texts_that_no_document_can_hold_are_cleaned() -> None:
    [feed], _ = read(write([OpmlFeed("https://a.example/", "a\x00b\ud800\x1b")], "\x0b"), "my.opml")
    assert feed.title == "ab"
