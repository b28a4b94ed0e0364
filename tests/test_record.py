"""What is remembered of a feed: its size, its way to texts and back, and what polls make of it."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.feeds.record import GAPS, Record, size

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

BUSY = Record(
    etag='W/"65f1c2a4-3d2e1"',
    last_modified="Mon, 23 Nov 2026 12:29:07 GMT",
    body="0123456789abcdef01234567",
    due=NOW + 5 * MINUTE,
    last_attempt=NOW,
    last_success=NOW,
    wish=HOUR,
    newest=NOW - 3 * MINUTE,
    gaps=(5, 4, 6, 5, 12, 3, 5, 5, 4, 7, 5, 5, 6, 4, 5, 5),
    delay=timedelta(seconds=140),
    text_share=0.917,
    texts=20,
    had_text=True,
)
FAILING = replace(
    BUSY,
    failures=41,
    first_failure=NOW - 26 * HOUR,
    reason="HTTP 503 Service Unavailable",
    told=frozenset({"failing"}),
)
MOVED = replace(BUSY, redirect_to="https://www.example.org/world/asia/rss/latest.xml", redirects=3)
LONG_ETAG = replace(MOVED, etag=f'"{"a" * 62}-gzip"', gaps=(43200,) * 16, reason="")
VERBOSE = replace(
    FAILING, reason="is a web page, not a feed; it links to: " + "https://example.org/feeds/world.xml " * 9
)
FULL = replace(
    FAILING,
    etag="e" * 200,
    gaps=(129_600,) * 16,
    gone=2,
    redirect_to="https://example.org/" + "p" * 130,
    redirects=3,
    reason="北" * 200,
    told=frozenset({"failing", "gone", "no-text", "silent"}),
    first_failure=NOW,
)


@pytest.mark.parametrize(
    ("record", "most"),
    [
        pytest.param(Record(), 0, id="new"),
        pytest.param(BUSY, 250, id="busy"),
        pytest.param(FAILING, 300, id="failing"),
        pytest.param(MOVED, 300, id="moved"),
        pytest.param(LONG_ETAG, 500, id="long etag, monthly"),
        pytest.param(VERBOSE, 500, id="a long reason"),
        pytest.param(FULL, 700, id="everything at its longest"),
        pytest.param(replace(BUSY, etag="e" * 201), 250, id="an etag that is too long is left out"),
        pytest.param(replace(BUSY, etag="é" * 101), 250, id="likewise in bytes"),
        pytest.param(replace(BUSY, last_modified="x" * 41), 250, id="a Last-Modified that is no date"),
    ],
)
def test_a_record_stays_small(record: Record, most: int) -> None:
    assert size(record.encode()) <= most
    assert replace(Record.decode(record.encode()), etag="", last_modified="", reason="") == replace(
        record, etag="", last_modified="", reason=""
    )


def test_keys_are_short_and_each_its_own() -> None:
    every = replace(FULL, last_modified="x").encode()
    assert len(every) == len(fields(Record))
    assert all(len(key) <= 2 for key in every)


steady = settings(derandomize=True, database=None, deadline=None, max_examples=300)
TIMES = st.none() | st.datetimes(datetime(1971, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 - hypothesis adds the zone
    lambda time: time.replace(microsecond=0)
)
SPANS = st.none() | st.integers(0, 10**9).map(lambda seconds: timedelta(seconds=seconds))
RECORDS = st.builds(
    Record,
    etag=st.text(max_size=30),
    last_modified=st.text(max_size=10),
    body=st.text("0123456789abcdef", max_size=32),
    due=TIMES,
    last_attempt=TIMES,
    last_success=TIMES,
    failures=st.integers(0, 10**6),
    first_failure=TIMES,
    reason=st.text(max_size=20),
    gone=st.integers(0, 3),
    redirect_to=st.text(max_size=20),
    redirects=st.integers(0, 3),
    wish=SPANS,
    newest=TIMES,
    gaps=st.lists(st.integers(1, 129_600), max_size=GAPS).map(tuple),
    delay=SPANS,
    text_share=st.integers(0, 1000).map(lambda thousandths: thousandths / 1000),
    texts=st.integers(0, 20),
    had_text=st.booleans(),
    told=st.sets(st.sampled_from(["gone", "failing", "no-text", "silent"])).map(frozenset),
)


@steady
@given(RECORDS)
def test_what_is_written_is_read(record: Record) -> None:
    texts = record.encode()
    assert Record.decode(texts) == record
    assert size(texts) <= 700


@steady
@given(RECORDS, st.data())
def test_a_broken_field_takes_no_other_with_it(record: Record, data: st.DataObject) -> None:
    texts = record.encode()
    broken = data.draw(st.dictionaries(st.sampled_from([*FULL.encode(), "zz", ""]), st.text(max_size=30)))
    again = Record.decode(texts | broken).encode()
    assert {key: again.get(key) for key in texts.keys() - broken.keys() - {"r"}} == {
        key: texts[key] for key in texts.keys() - broken.keys() - {"r"}
    }


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "nan", "inf", "1e400", "9" * 30, "9" * 5000, "٣x", ",", "1,,2", "1.5.2", "\x00", "None"]
)
def test_nonsense_is_as_good_as_nothing(text: str) -> None:
    strings = {"e", "m", "b", "r", "u", "k"}
    keys = [key for key in FULL.encode() if key not in strings]
    read = Record.decode(dict.fromkeys(keys, text))
    unreadable = replace(read, failures=0, gone=0, redirects=0, texts=0, had_text=False)  # any number is one of these
    assert unreadable == Record()


def at(*minutes: float) -> list[datetime | None]:
    return [NOW + minute * MINUTE for minute in minutes]


LOOKED = Record(last_success=NOW - 30 * MINUTE, newest=NOW - 60 * MINUTE, gaps=(20,))


@pytest.mark.parametrize(
    ("before", "published", "newest", "gaps"),
    [
        pytest.param(Record(), [], None, (), id="an empty feed"),
        pytest.param(Record(), at(-10, -70, -40), -10, (30, 30), id="a first look, in any order"),
        pytest.param(Record(), [None, None], 0, (), id="a first look without times"),
        pytest.param(Record(), [*at(-50), None], -50, (), id="a first look with some times"),
        pytest.param(Record(), at(60, 90, -5), 0, (5,), id="times in the future"),
        pytest.param(Record(), at(-12.5 * 60, -5), -5, (), id="midnight is no time"),
        pytest.param(LOOKED, [], -60, (20,), id="nothing new"),
        pytest.param(LOOKED, at(-10), -10, (20, 50), id="one new"),
        pytest.param(LOOKED, at(-10, -9.5, -9.2, -8), -8, (20, 50, 2), id="a batch within a minute is one"),
        pytest.param(LOOKED, at(-10, -9.5, -9, -8.5), -9, (20, 50, 1), id="a stream of them is not"),
        pytest.param(LOOKED, [None], 0, (20, 60), id="without a time, it came out now"),
        pytest.param(LOOKED, at(-9999), -30, (20, 30), id="what the last look did not show came out after it"),
        pytest.param(replace(LOOKED, newest=NOW - 20 * 366 * DAY), [None], 0, (20, 5_270_400), id="twenty years"),
        pytest.param(replace(LOOKED, gaps=tuple(range(1, 17))), [None], 0, (*range(2, 17), 60), id="the oldest goes"),
        pytest.param(replace(LOOKED, newest=NOW + DAY), at(-10), -10, (20,), id="the clock was set back"),
        pytest.param(replace(LOOKED, last_success=NOW + DAY), at(-10), -10, (20, 50), id="the clock was set back, too"),
    ],
)
def test_publications(
    before: Record, published: list[datetime | None], newest: float | None, gaps: tuple[int, ...]
) -> None:
    after = before.after_success(NOW, published)
    assert after.newest == (None if newest is None else NOW + newest * MINUTE)
    assert after.gaps == gaps
    assert after.last_success == NOW


@pytest.mark.parametrize(
    ("before", "published", "seconds"),
    [
        (LOOKED, at(-10), 600),
        (LOOKED, at(-10, -20, -12), 720),
        (replace(LOOKED, delay=100 * MINUTE), at(-10), 82 * 60),
        (LOOKED, at(10), 0),
        (LOOKED, [None], None),
        (LOOKED, at(-60 * 25), None),  # republished
        (Record(), at(-10), None),  # at the first look everything is late
        (replace(LOOKED, last_success=NOW + DAY), at(-10), None),
    ],
)
def test_delay(before: Record, published: list[datetime | None], seconds: float | None) -> None:
    delay = before.after_success(NOW, published).delay
    assert (None if delay is None else delay.total_seconds()) == seconds


def test_a_streak_of_failures_ends_with_a_success() -> None:
    once = LOOKED.after_failure(NOW - HOUR, "a\r\n b" * 100)
    twice = once.after_failure(NOW, "HTTP 410 Gone", gone=True)
    assert (once.failures, once.first_failure, once.reason) == (1, NOW - HOUR, ("a b" * 67)[:200])
    assert (twice.failures, twice.first_failure, twice.reason, twice.gone) == (2, NOW - HOUR, "HTTP 410 Gone", 1)
    assert twice.last_success == LOOKED.last_success
    assert twice.after_success(NOW) == replace(LOOKED, last_success=NOW)


NEW, OTHER = "https://new.example/feed", "https://other.example/feed"


@pytest.mark.parametrize(
    ("polls", "moved_to"),
    [
        ([NEW, NEW], ""),
        ([NEW, NEW, NEW], NEW),
        ([NEW, NEW, OTHER, NEW], ""),
        ([NEW, NEW, None, NEW], ""),
        ([NEW, NEW, NEW, None, None], NEW),  # by then it is polled there, and nothing redirects
        ([NEW, NEW, NEW, OTHER], ""),
        ([NEW, NEW, NEW, OTHER, OTHER, OTHER], OTHER),
        ([NEW, NEW, NEW, "down", "down"], NEW),
        ([NEW, NEW, NEW, "down", "down", "down"], ""),
        (["https://new.example/" + "x" * 200] * 3, ""),
    ],
)
def test_a_permanent_redirect_is_followed_for_good_when_three_polls_agree(
    polls: list[str | None], moved_to: str
) -> None:
    record = Record()
    for poll in polls:
        record = record.after_failure(NOW, "down") if poll == "down" else record.after_redirect(poll)
    assert record.moved_to == moved_to


@pytest.mark.parametrize(
    ("batches", "share", "had"),
    [
        ([(0, 0)], 0, False),
        ([(19, 19)], 1, False),
        ([(10, 20)], 0.5, True),
        ([(9, 20)], 0.45, False),
        ([(1, 1)] * 20, 1, True),
        ([(1, 1)] * 20 + [(0, 1)] * 10, 0.386, True),
        ([(1, 1)] * 20 + [(0, 10)], 0.5, True),
        ([(0, 1)] * 20 + [(1, 1)] * 3, 0.249, False),
    ],
)
def test_the_share_of_entries_that_give_text(batches: list[tuple[int, int]], share: float, had: bool) -> None:
    record = Record()
    for given_text, asked in batches:
        record = record.after_texts(given_text, asked)
    assert record.text_share == pytest.approx(share, abs=0.001)
    assert record.had_text is had
