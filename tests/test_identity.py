"""Which entry is which: canonical addresses, and a memory that knows entries again and stays small."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.feeds.entries import told_apart
from monitor.feeds.identity import Memory, canonical
from monitor.models import Entry

PAGE = "https://news.example/world/missile-launch"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (PAGE, PAGE),
        ("http://news.example/a", "https://news.example/a"),
        ("HTTP://WWW.News.EXAMPLE:80/a", "https://news.example/a"),
        ("https://news.example:443/a", "https://news.example/a"),
        ("https://news.example:8443/a", "https://news.example:8443/a"),
        ("https://news.example./a/", "https://news.example/a"),
        ("https://user:word@news.example/a#top", "https://news.example/a"),
        ("https://news.example", "https://news.example"),
        ("https://news.example/?", "https://news.example"),
        ("https://news.example/a?b=2&a=1&a=0", "https://news.example/a?a=0&a=1&b=2"),
        ("https://news.example/a?utm_source=rss&UTM_Medium=x&id=7&fbclid=y", "https://news.example/a?id=7"),
        ("https://news.example/a?gclid=1&mc_cid=2&mc_eid=3&_hsenc=4&at_medium=RSS&pk_campaign=5", "https://news.example/a"),
        ("https://news.example/a?partner=rss&emc=rss&CMP=share", "https://news.example/a"),
        ("https://news.example/a?gid=1&utm=2&page", "https://news.example/a?gid=1&page&utm=2"),
        ("https://news.example/%7Ea/%c3%A9", "https://news.example/~a/%C3%A9"),
        ("https://news.example/~a/é", "https://news.example/~a/%C3%A9"),
        ("https://news.example/a b?q=a+b", "https://news.example/a%20b?q=a%20b"),
        ("https://news.example/%B1%B1", "https://news.example/%B1%B1"),
        (" https://[2001:db8::1]/a ", "https://[2001:db8::1]/a"),
        ("https://news.example:port/a", "https://news.example:port/a"),
        ("https://[::1/a", "https://[::1/a"),
        ("tag:news.example,2026:1", "tag:news.example,2026:1"),
        ("http://", "http://"),
        ("", ""),
    ],
)  # fmt: skip
def test_canonical_addresses(url: str, expected: str) -> None:
    assert canonical(url) == expected


@given(st.text() | st.text(alphabet="htps:/w.ex%2a?&=#@[]\ud800é", max_size=40).map("http://{}".format))
def test_any_text_has_one_canonical_form(url: str) -> None:
    once = canonical(url)
    assert canonical(once) == once or "://" not in once[:8]


def an(guid: str = "", url: str = "", title: str = "", text: str = "") -> Entry:
    return Entry(key=guid or url or title, guid=guid, url=url, title=title, summary=text)


OTHERS = (
    an("o1", "https://news.example/o1", "One other", "Text one."),
    an("o2", "https://news.example/o2", "Two other", "Text two."),
)


def verdicts(memory: Memory, *entries: Entry) -> list[str]:
    return [memory.judge(entry) for entry in told_apart(entries)]


def after(*documents: tuple[Entry, ...]) -> Memory:
    """What is remembered after documents; each time through the bytes in which it is kept."""
    memory = Memory()
    for document in documents:
        memory = Memory.decode(memory.with_document(told_apart(document)).encode())
    return memory


TEXT = "<p>The launch was seen from three islands, the ministry said.</p>"
FIRST = an("g1", PAGE, "Missile launched", TEXT)

SAME = [
    ("guid changes, link stays", FIRST, replace(FIRST, guid="g2")),
    ("guid goes, link stays", FIRST, replace(FIRST, guid="")),
    ("guid comes, link stays", replace(FIRST, guid=""), FIRST),
    ("link changes, guid stays", FIRST, replace(FIRST, url="https://news.example/other")),
    ("link goes, guid stays", FIRST, replace(FIRST, url="")),
    ("tracking parameters come", FIRST, replace(FIRST, guid="g2", url=f"{PAGE}?utm_source=rss&utm_medium=feed")),
    ("tracking changes", replace(FIRST, url=f"{PAGE}?fbclid=a"), replace(FIRST, guid="", url=f"{PAGE}?_ga=b")),
    ("http to https", replace(FIRST, url=PAGE.replace("https", "http")), replace(FIRST, guid="g2")),
    ("https to http", FIRST, replace(FIRST, guid="g2", url=PAGE.replace("https", "http"))),
    ("trailing slash", FIRST, replace(FIRST, guid="g2", url=f"{PAGE}/")),
    ("www comes", FIRST, replace(FIRST, guid="g2", url=PAGE.replace("//", "//www."))),
    ("fragment comes", FIRST, replace(FIRST, guid="g2", url=f"{PAGE}#comments")),
    ("default port", FIRST, replace(FIRST, guid="g2", url=PAGE.replace("example/", "example:443/"))),
    ("host in capitals", FIRST, replace(FIRST, guid="g2", url=PAGE.replace("news", "NEWS"))),
    ("percent encoding", replace(FIRST, url=f"{PAGE}/é"), replace(FIRST, guid="g2", url=f"{PAGE}/%c3%a9")),
    ("query in another order", replace(FIRST, url=f"{PAGE}?a=1&b=2"), replace(FIRST, guid="g2", url=f"{PAGE}?b=2&a=1")),
    ("the guid is a link that gets https", an(PAGE.replace("https", "http"), "", "T", TEXT), an(PAGE, "", "T", TEXT)),
    ("the guid is a link that gets a campaign", an(PAGE, "", "T", TEXT), an(f"{PAGE}?utm_campaign=x", "", "T", TEXT)),
    ("the guid becomes the link", an(PAGE, "", "T", TEXT), an("", PAGE, "T", TEXT)),
    ("neither guid nor link", an("", "", "T", TEXT), an("", "", "T", TEXT)),
    ("neither, in capitals", an("", "", "The Title", TEXT), an("", "", "THE TITLE ", TEXT)),
    ("everything the same", FIRST, FIRST),
    ("capitals in the headline", FIRST, replace(FIRST, title="MISSILE launched")),
    ("spaces", FIRST, replace(FIRST, title=" Missile\u00a0 launched", summary=f"\n {TEXT}")),
    ("entities", FIRST, replace(FIRST, summary=TEXT.replace(",", "&#44;"))),
    ("markup", FIRST, replace(FIRST, summary=TEXT.replace("launch", "<b class='x'>launch</b>"))),
    ("a change far below", replace(FIRST, summary=TEXT * 30), replace(FIRST, summary=TEXT * 30 + "<p>More</p>")),
    ("the summary becomes the content", FIRST, replace(FIRST, summary="", content=TEXT)),
]  # fmt: skip


@pytest.mark.parametrize(("before", "later"), [pair[1:] for pair in SAME], ids=[pair[0] for pair in SAME])
def test_an_entry_is_known_again(before: Entry, later: Entry) -> None:
    assert verdicts(after((before, *OTHERS)), later, *OTHERS) == ["known"] * 3


DIFFERENT = [
    ("another guid and another link", replace(FIRST, guid="g2", url="https://news.example/b"), "new"),
    ("the same words under another guid and link", an("g9", "https://news.example/c", FIRST.title, TEXT), "new"),
    ("another query", replace(FIRST, guid="g2", url=f"{PAGE}?id=2"), "new"),
    ("another headline", replace(FIRST, title="Missile launched, second follows"), "edited"),
    ("another lead", replace(FIRST, summary=TEXT.replace("three", "five")), "edited"),
    ("another guid and headline under the link", replace(FIRST, guid="g2", title="Second missile"), "edited"),
]


@pytest.mark.parametrize(("later", "verdict"), [row[1:] for row in DIFFERENT], ids=[row[0] for row in DIFFERENT])
def test_what_changed_is_seen(later: Entry, verdict: str) -> None:
    assert verdicts(after((FIRST, *OTHERS)), later, *OTHERS) == [verdict, "known", "known"]


def test_an_edit_is_seen_once() -> None:
    edited = replace(FIRST, title="Missile launched, second follows")
    assert verdicts(after((FIRST,), (edited,)), edited) == ["known"]


HABITS = {
    "no guid": [an("", f"https://news.example/{n}", f"T{n}", TEXT) for n in range(5)],
    "the same guid for all": [an("same", f"https://news.example/{n}", f"T{n}", TEXT) for n in range(5)],
    "the same link for all": [an(f"g{n}", "https://news.example/", f"T{n}", TEXT) for n in range(5)],
    "the same guid and link for all": [an("same", "https://news.example/", f"T{n}", TEXT) for n in range(5)],
    "no title": [an(f"g{n}", "", "", TEXT) for n in range(5)],
    "only titles": [an("", "", f"T{n}") for n in range(5)],
    "the same words for all": [an(f"g{n}", f"https://news.example/{n}", "Quake", "") for n in range(5)],
}  # fmt: skip


@pytest.mark.parametrize("entries", HABITS.values(), ids=HABITS)
def test_no_entry_of_an_odd_feed_is_lost_or_seen_twice(entries: list[Entry]) -> None:
    *earlier, latest = entries
    assert verdicts(Memory(), *earlier) == ["new"] * 4
    memory = after(tuple(earlier))
    assert verdicts(memory, *earlier) == ["known"] * 4
    assert verdicts(memory, latest, *earlier[:3]) == ["new", *["known"] * 3]


def test_an_entry_that_stands_twice_in_a_document_keeps_its_guid() -> None:
    home = [replace(entry, url="https://news.example/") for entry in (FIRST, FIRST, *OTHERS)]
    assert verdicts(after(tuple(home)), *home[1:]) == ["known"] * 3


def numbered(*numbers: int) -> tuple[Entry, ...]:
    return tuple(an(f"g{n}", f"https://news.example/{n}", f"Title {n}", f"Text {n}") for n in numbers)


def test_old_entries_that_are_published_again_are_known() -> None:
    days = [numbered(*range(5 * day + 29, 5 * day - 1, -1)) for day in range(30)]  # 30 entries, 5 new ones a day
    memory = after(*days)
    assert verdicts(memory, *numbered(*range(175))) == ["known"] * 175
    assert verdicts(memory, *numbered(175)) == ["new"]


@pytest.mark.parametrize(
    ("size", "remembered", "most"), [(10, 200, 1_400), (50, 200, 1_400), (150, 300, 2_600), (1_200, 1_200, 15_000)]
)
def test_the_memory_is_bounded(size: int, remembered: int, most: int) -> None:
    memory = Memory()
    for turn in range(0, 2_400, 40):
        document = told_apart(numbered(*range(turn + size, turn, -1)))
        memory = memory.with_document(document)
        assert len(memory.encode()) <= most
        assert [memory.judge(entry) for entry in document] == ["known"] * size
    assert len(memory.full) + len(memory.old) == remembered
    assert Memory.decode(memory.encode()) == memory


def test_only_handled_entries_are_remembered() -> None:
    document = told_apart(numbered(5, 4, 3, 2, 1))
    memory = after(numbered(3, 2, 1))
    for entry in (document[1], document[0]):  # one by one, and the process dies before number 0
        memory = memory.with_entries([entry])
    assert verdicts(memory, *numbered(6, 5, 4, 3, 2, 1)) == ["new", *["known"] * 5]
    edited = replace(numbered(4)[0], title="Title 4, corrected")
    assert verdicts(memory, edited) == ["edited"]


def test_a_failing_entry_does_not_make_the_memory_grow() -> None:
    memory = Memory()
    for turn in range(300):
        handled = told_apart(numbered(*range(turn, turn + 50)))[1:]
        memory = memory.with_entries(handled)
        assert len(memory.encode()) <= 1_400


def test_an_empty_document_resets_nothing() -> None:
    memory = after(numbered(2, 1))
    assert memory.with_document(()) == memory


@given(st.binary(max_size=200) | st.binary(max_size=200).map(b"\x01\x00\x02".__add__))
def test_any_bytes_are_a_memory(blob: bytes) -> None:
    memory = Memory.decode(blob)
    assert memory == Memory() or memory.encode() == blob


@pytest.mark.parametrize(
    "blob", [b"", b"\x01", b"\x02\x00\x00", b"\x01\x00\x01short", b"\x01\x00\x00four", b'{"a": 1}']
)
def test_broken_bytes_are_an_empty_memory(blob: bytes) -> None:
    assert Memory.decode(blob) == Memory()
