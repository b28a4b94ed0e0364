"""The archive: what was flushed is read again, whatever happened meanwhile; and replay, match and search read it."""

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import config, fixtures, notifiers
from monitor.archive import Archive, Record, days, frames, keep_written, read
from monitor.errors import ArchiveError, InputError, Problem
from monitor.models import Article, Source
from monitor.reading import Reader, no_pages
from monitor.replay import articles_of
from monitor.workers import Workers
from tests.archiving import SEEN, article
from tests.conftest import REPOSITORY
from tests.daemon import configure, monitor
from tests.site import Reply, Site, item, rss, wait_until

zstd: Any = vars(frames)["zstd"]  # whichever this Python has
KEEP = timedelta(days=90)


def archive(folder: Path, keep: timedelta = KEEP, max_size: int = 10**9) -> Archive:
    return Archive(folder, keep, max_size)


def filled(folder: Path, articles: Sequence[Article], seen: datetime = SEEN, per_flush: int = 1) -> Path:
    """An archive of these articles; returns its newest file."""
    writing = archive(folder)
    for number, one in enumerate(articles, 1):
        writing.append(one, seen, "a story")
        if number % per_flush == 0:
            writing.flush()
    writing.flush()
    return days(folder)[-1].path


def ids(folder: Path, problems: list[Problem] | None = None) -> list[str]:
    """The ids of the records that can be read; of problems there may only be some where a list is given for them."""
    found: list[Problem] = []
    records = [record.id for _, record in read([day.path for day in days(folder)], found)]
    if problems is None:
        assert found == []
    else:
        problems += found
    return records


TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants them so
SOURCES = st.builds(Source, st.text(), st.text(), st.lists(st.text(), max_size=3).map(tuple))
ARTICLES = st.builds(
    Article,
    id=st.text(),
    source=SOURCES,
    text=st.text(),
    title=st.text(),
    url=st.text(),
    author=st.text(),
    published=st.none() | TIMES,
    language=st.none() | st.sampled_from(["ko", "zh-Hans", "nb"]),
)


@given(st.lists(st.tuples(ARTICLES, TIMES, st.text()), max_size=8))
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, written: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("archive")
    writing = archive(folder)
    for one, seen, story in written:
        writing.append(one, seen, story)
    writing.flush()
    problems: list[Problem] = []
    found = list(read([day.path for day in days(folder)], problems))
    assert problems == []
    by_day = sorted(written, key=lambda line: line[1].date())
    again = [(record.article(record.id), record.seen, record.story) for _, record in found]
    assert again == by_day
    assert all(document.startswith(str(record.seen.date())) for document, record in found)


def test_a_line_says_all_that_is_known(tmp_path: Path) -> None:
    one = Article(
        "guid-1",
        Source("연합뉴스", "https://yna.example/rss", ("korea",)),
        "Text.\nMore.",
        title="제목\ud800",
        url="https://yna.example/1",
        author="A. Uthor",
        published=SEEN - timedelta(hours=1),
        language="ko",
        site="Yonhap\ud800",
        canonical="https://yna.example/c",
        image="https://yna.example/i.jpg",
        text_from="page",
    )
    [(number, line)] = frames.lines(filled(tmp_path, [one]), [])
    assert number == 1
    assert json.loads(line) == {
        "seen": "2026-11-23T12:00:00Z",
        "published": "2026-11-23T11:00:00Z",
        "feed": "연합뉴스",
        "feed_url": "https://yna.example/rss",
        "tags": ["korea"],
        "language": "ko",
        "title": "제목\ufffd",
        "url": "https://yna.example/1",
        "author": "A. Uthor",
        "site": "Yonhap\ufffd",
        "canonical": "https://yna.example/c",
        "image": "https://yna.example/i.jpg",
        "text_from": "page",
        "id": "guid-1",
        "story": "a story",
        "text": "Text.\nMore.",
    }


def writer(folder: Path, mode: str, size: int, seed: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.archiving", str(folder), mode, str(size), str(seed)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)


def expected(seed: int, count: int) -> list[str]:
    return [f"{seed}-{number}" for number in range(count)]


@pytest.mark.parametrize("size", random.Random(5).sample(range(500, 60_000), 20))
def test_killed_in_the_midst_of_a_write(tmp_path: Path, size: int) -> None:
    with writer(tmp_path, "killed", size, size) as process:
        flushed = [int(line) for line in process.communicate()[0].split()]
    assert process.returncode == -signal.SIGXFSZ
    count = flushed[-1] if flushed else 0
    [day] = days(tmp_path)
    assert day.size == size, "the kernel killed it within a write"
    problems: list[Problem] = []
    assert ids(tmp_path, problems) == expected(size, count)
    assert [problem.message for problem in problems] == [
        "torn in the midst of a write; what stands there is passed over"
    ]
    filled(tmp_path, [article(0, 0)])
    assert ids(tmp_path) == [*expected(size, count), "0-0"], "the next who writes cuts off what is torn"


def test_killed_by_a_signal_while_another_writes(tmp_path: Path) -> None:
    with writer(tmp_path, "on", 0, 1) as one, writer(tmp_path, "on", 0, 2) as other:
        told: dict[int, int] = {}
        for _ in range(200):  # a line of one for each line of the other: they write at the same time
            for seed, process in ((1, one), (2, other)):
                assert process.stdout
                told[seed] = int(process.stdout.readline())
        one.kill()
        other.kill()
    found = ids(tmp_path, [])
    for seed, count in told.items():
        ours = [name for name in found if name.startswith(f"{seed}-")]
        assert len(ours) >= count
        assert ours == expected(seed, len(ours))


@pytest.mark.parametrize("size", [700, 5_000, 20_011])
def test_a_full_disk_is_one_line_and_spoils_nothing(tmp_path: Path, size: int) -> None:
    with writer(tmp_path, "full", size, 3) as process:
        out = process.communicate()[0].splitlines()
    assert process.returncode == 0
    [said] = [line for line in out if not line.isdigit()]
    assert said == f"{tmp_path}/2026-11-23.jsonl.zst: cannot be written: File too large"
    assert ids(tmp_path) == expected(3, int(out[-1]) - 200), "what could not be written waited"


def test_what_cannot_be_written_does_not_fill_the_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    writing = archive(tmp_path / "file")
    for number in range(5):
        writing.append(Article(str(number), Source("F"), "x" * 5_000_000), SEEN)
    with pytest.raises(ArchiveError, match="cannot be written: File exists; 2 articles were given up"):
        writing.flush()
    (tmp_path / "file").unlink()
    assert writing.flush() == 3
    assert ids(tmp_path / "file") == ["2", "3", "4"]


def test_an_article_that_is_far_too_large_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    filled(tmp_path, [Article("big", Source("F"), "x" * frames.MAX_LINE), article(0, 1)])
    assert ids(tmp_path) == ["0-1"]
    assert "article=big is too large for the archive" in caplog.text


def test_much_at_once_is_written_in_frames_that_can_be_read(tmp_path: Path) -> None:
    articles = [Article(str(number), Source("F"), "x" * 9_000_000) for number in range(9)]
    filled(tmp_path, articles, per_flush=9)
    assert ids(tmp_path) == [one.id for one in articles]


@pytest.mark.parametrize("seed", range(12))
def test_damage_costs_only_the_frames_that_it_lies_in(tmp_path: Path, seed: int) -> None:
    file = filled(tmp_path, [article(seed, number) for number in range(5)])
    body, starts = bytearray(file.read_bytes()), [0]
    while starts[-1] < len(body):
        starts.append(starts[-1] + zstd.get_frame_size(bytes(body[starts[-1] :])))
    chance = random.Random(seed)
    hit = chance.randrange(1, 4)
    # Every third damages the number by which a frame is known.
    at = starts[hit] if seed % 3 == 0 else chance.randrange(starts[hit], starts[hit + 1])
    body[at] ^= 0x55
    file.write_bytes(body)
    problems: list[Problem] = []
    found = ids(tmp_path, problems)
    assert found == [f"{seed}-{number}" for number in range(5) if number != hit]
    assert str(problems[0]).startswith(f"{file}: byte {starts[hit]}: damaged; ")
    filled(tmp_path, [article(seed, 5)])
    assert ids(tmp_path, problems) == [*found, f"{seed}-5"], "who writes later takes nothing away"


def test_a_line_that_is_no_record_is_said_and_passed_over(tmp_path: Path) -> None:
    file = filled(tmp_path, [article(0, 0)])
    with file.open("ab") as more:
        more.write(frames.packed([b'{"id": 1}\n', b"\n", b"nonsense\n"]))
    problems: list[Problem] = []
    assert ids(tmp_path, problems) == ["0-0"]
    assert [problem.place for problem in problems] == [f"{file}:2", f"{file}:4"]


def bomb(file: Path, size: int) -> None:
    packing = zstd.ZstdCompressor()
    pieces = [packing.compress(b"a" * 1_000_000) for _ in range(size // 1_000_000)]
    file.write_bytes(b"".join([*pieces, packing.flush()]))


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "2026-11-23.jsonl.zst"
    bomb(file, 2_000_000_000)
    assert file.stat().st_size < 200_000
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak becomes what is used now
    before = _kilobytes("VmHWM")
    with pytest.raises(InputError, match="byte 0: unfolds into more than 64 MB; if you trust it, unpack it"):
        list(fixtures.stream([tmp_path]))
    assert _kilobytes("VmHWM") - before < 150_000
    result = monitor("match", tmp_path, "--expr", "sanctions")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def _kilobytes(name: str) -> int:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1])


def test_a_window_that_asks_for_much_memory_is_refused(tmp_path: Path) -> None:
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.enable_long_distance_matching: 1}
    packing = zstd.ZstdCompressor(options=options)
    body = packing.compress(b'{"text": "x"}\n' * 10) + packing.flush()
    (tmp_path / "a.jsonl.zst").write_bytes(body)
    problems: list[Problem] = []
    assert list(frames.lines(tmp_path / "a.jsonl.zst", problems)) == []
    assert "damaged" in problems[0].message


@pytest.mark.parametrize(
    ("keep", "max_size", "left"),
    [(90, 10**9, [1, 2, 3, 4]), (2, 10**9, [3, 4]), (1, 10**9, [4]), (90, 1, [4]), (90, None, [3, 4]), (1, 1, [4])],
)
def test_prune_keeps_what_is_young_and_has_room(
    tmp_path: Path, keep: int, max_size: int | None, left: list[int]
) -> None:
    for day in range(1, 5):
        filled(tmp_path, [article(0, day)], datetime(2026, 11, day, 23, 59, tzinfo=UTC))
    (tmp_path / "notes.jsonl.zst").write_bytes(b"mine")
    (tmp_path / "2026-13-01.jsonl.zst").write_bytes(b"mine, too")
    sizes = [day.size for day in days(tmp_path)]
    room = sum(sizes[-2:]) if max_size is None else max_size
    removed = archive(tmp_path, timedelta(days=keep), room).prune(datetime(2026, 11, 5, 12, tzinfo=UTC))
    assert [day.day for day in days(tmp_path)] == [date(2026, 11, number) for number in left]
    assert len(removed) == 4 - len(left)
    assert {"notes.jsonl.zst", "2026-13-01.jsonl.zst"} < {file.name for file in tmp_path.iterdir()}


def test_a_day_alone_is_bounded_too(tmp_path: Path) -> None:
    writing = archive(tmp_path, max_size=2_000)
    writing.append(Article("1", Source("F"), "short"), SEEN)
    writing.flush()
    for number in range(10):
        writing.append(article(1, number), SEEN)
    with pytest.raises(ArchiveError, match=r"needs more than archive\.max_size, 2,000 bytes; raise it"):
        writing.flush()
    assert days(tmp_path)[0].size <= 2_000
    assert ids(tmp_path) == ["1"]


async def test_it_is_flushed_by_itself_and_at_the_end(tmp_path: Path) -> None:
    filled(tmp_path, [article(9, 9)], SEEN - timedelta(days=100))
    writing, ending = archive(tmp_path), asyncio.Event()
    writing.append(article(0, 0), SEEN)
    task = asyncio.create_task(keep_written(writing, ending, lambda: SEEN))
    await asyncio.to_thread(wait_until, lambda: ids(tmp_path) == ["0-0"])
    writing.append(article(0, 1), SEEN)
    ending.set()
    await task
    assert ids(tmp_path) == ["0-0", "0-1"]


async def test_its_trouble_is_said_once_and_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    writing, ending = archive(tmp_path / "file"), asyncio.Event()
    writing.append(article(0, 0), SEEN)
    task = asyncio.create_task(keep_written(writing, ending, lambda: SEEN))
    await asyncio.to_thread(wait_until, lambda: "cannot be written" in caplog.text)
    ending.set()
    await task
    assert caplog.text.count("cannot be written") == 1
    (tmp_path / "file").unlink()
    assert writing.flush() == 1


def archived_seeds(folder: Path) -> None:
    """The articles of the seeds, as the daemon would archive them."""

    async def fill() -> None:
        writing = archive(folder)
        async with Workers() as workers:
            reader = Reader(no_pages, workers)
            for fixture in fixtures.read([REPOSITORY / "seeds"]):
                for one in await articles_of(fixture, reader):
                    writing.append(one, SEEN)
        writing.flush()

    asyncio.run(fill())


def alerts_over(*arguments: object) -> list[dict[str, Any]]:
    result = monitor(*arguments, "--rules", REPOSITORY / "rules", "--format", "ndjson")
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.slow
def test_replay_and_match_say_the_same_over_an_archive_as_over_its_fixtures(tmp_path: Path) -> None:
    archived_seeds(tmp_path)
    for command in ("replay", "match"):
        plain, packed = (alerts_over(command, folder) for folder in (REPOSITORY / "seeds", tmp_path))
        assert len(plain) >= 15
        assert all(alert["document"].startswith("2026-11-23.jsonl.zst#") for alert in packed)
        for alert in (*plain, *packed):
            # Ids are made of documents' names; an archive says when they were seen.
            for key in ("document", "documents", "id", "story", "first_seen", "last_seen"):
                del alert[key]
        assert packed == plain


@pytest.mark.slow
def test_rules_find_feed_tag_and_author_in_an_archive(tmp_path: Path) -> None:
    source = Source("Daily", "https://daily.example/rss", ("korea",))
    filled(tmp_path, [Article("1", source, "Sanctions were announced on Monday.", author="Kim Doe")])
    for expression in ("feed: Daily", "tag: korea", "author: Doe", "feed: daily.example"):
        result = monitor("match", tmp_path, "--expr", f"sanctions + {expression}")
        assert (result.returncode, result.stderr) == (0, ""), expression


def test_replay_passes_over_a_torn_end_with_one_line(tmp_path: Path) -> None:
    file = filled(tmp_path, [Article(str(number), Source("F"), "Sanctions on Monday.") for number in range(3)])
    with file.open("r+b") as torn:
        torn.truncate(file.stat().st_size - 5)
    result = monitor("replay", tmp_path, "--rules", REPOSITORY / "rules", "--format", "ndjson")
    assert result.returncode == 0
    assert [json.loads(line)["document"] for line in result.stdout.splitlines()] == [
        "2026-11-23.jsonl.zst#1",
        "2026-11-23.jsonl.zst#2",
    ]
    assert result.stderr.count(f"{file}: byte ") == 1


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    file = tmp_path / "monitor.yaml"
    file.write_text(f"archive: {{dir: kept, keep: 7d, max_size: 1GB}}\nrules: {REPOSITORY / 'rules'}\n")
    now = datetime.now(UTC)
    for age in (20, 5, 1, 0):
        articles = [Article(f"{age}-{number}", Source("F"), f"Sanctions, {age}.") for number in range(2)]
        filled(tmp_path / "kept", [articles[0]], now - timedelta(days=age))
        filled(tmp_path / "kept", [articles[1]], now - timedelta(days=age) + timedelta(microseconds=1))
    return file


@pytest.mark.parametrize(("since", "ages"), [(None, [0, 0, 1, 1, 5, 5, 20, 20]), ("3d", [0, 0, 1, 1]), ("1h", [0, 0])])
def test_search_finds_the_newest_first(configured: Path, since: str | None, ages: list[int]) -> None:
    arguments = ["--since", since] if since else []
    found = alerts_over("archive", "search", "sanctions", *arguments, "--config", configured)
    assert [alert["snippet"]["text"] for alert in found] == [f"Sanctions, {age}." for age in ages]
    numbers = [int(alert["document"].rpartition("#")[2]) for alert in found]
    assert numbers == [2, 1] * (len(ages) // 2)


def test_search_is_for_people_too_and_says_when_there_is_nothing(configured: Path) -> None:
    result = monitor("archive", "search", "sanctions", "--since", "1h", "--config", configured)
    assert result.stdout.count("[Sanctions]") == 2
    assert monitor("archive", "search", "sanctions + nowhere", "--config", configured).returncode == 1
    for wrong in (["(a"], ["a", "--since", "soon"]):
        result = monitor("archive", "search", *wrong, "--config", configured)
        assert result.returncode == 2
        assert "Traceback" not in result.stderr


def test_stats_and_prune(configured: Path) -> None:
    result = monitor("archive", "stats", "--config", configured)
    assert [line.split()[3:5] for line in result.stdout.splitlines()] == [["2", "articles"]] * 4
    assert result.stderr.startswith("days: 4, articles: 8, ")
    lines = monitor("archive", "stats", "--format", "ndjson", "--config", configured).stdout.splitlines()
    first = json.loads(lines[0])
    assert (first["articles"], first["feeds"], first["stories"], first["languages"]) == (2, 1, 1, 1)
    result = monitor("archive", "prune", "--config", configured)
    assert result.stdout.count("removed ") == 1
    assert len(days(configured.parent / "kept")) == 3


def test_without_an_archive_the_commands_say_so(tmp_path: Path) -> None:
    (tmp_path / "monitor.yaml").write_text("feeds: [https://a.example/rss]")
    for command in (["stats"], ["search", "x"], ["prune"]):
        result = monitor("archive", *command, cwd=tmp_path)
        assert result.returncode == 2
        assert result.stderr == "archive: none is configured; add one, such as archive: {dir: archive}\n"


def test_an_archive_is_configured(tmp_path: Path) -> None:
    file = tmp_path / "monitor.yaml"
    file.write_text("archive: {dir: kept}")
    loaded = config.load(file, notifiers.options_of, {"HOME": "/"}).archive
    assert loaded == config.ArchiveConfig(dir=tmp_path / "kept", keep=timedelta(days=90), max_size=10**10)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("{dir: a, keep: 5m}", "2:12: keep: a file holds a day; write 1d or more"),
        ("{dir: a, max_size: much}", 'max_size: "much" is no size; write a number and a unit, such as 500MB or 10GB'),
        ("{dir: a, max_size: 5kB}", "max_size: that holds next to nothing; write 1MB or more"),
        ("{keep: 5d}", '"dir" is missing'),
    ],
)
def test_what_is_wrong_with_its_configuration(tmp_path: Path, wrong: str, said: str) -> None:
    file = tmp_path / "monitor.yaml"
    file.write_text(f"archive:\n  {wrong}")
    with pytest.raises(InputError) as caught:
        config.load(file, notifiers.options_of, {"HOME": "/"})
    assert said in str(caught.value)


def test_a_record_can_be_read_by_a_later_version_with_more_in_it() -> None:
    record = Record.model_validate_json(
        '{"seen": "2026-11-23T12:00:00Z", "feed": "F", "id": "1", "text": "", "new": 1}'
    )
    assert record.article("d").source == Source("F")


def test_times_without_a_zone_are_of_utc() -> None:
    record = Record.model_validate_json('{"seen": "2026-11-23T12:00:00", "feed": "F", "id": "1", "text": ""}')
    assert record.seen == datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_the_daemon_keeps_what_it_reads(tmp_path: Path, site: Site) -> None:
    site.replies |= {
        "/feed": Reply(rss(item("1", "A missile"), item("2", "Rain", "It rained all day."))),
        "/hook": Reply(),
    }
    config = configure(tmp_path, site, archive={"dir": "archive"})
    for _ in range(2):
        assert monitor("run", "--once", "--config", config).returncode == 0
    problems: list[Problem] = []
    kept = [record.title for _, record in read([day.path for day in days(tmp_path / "archive")], problems)]
    assert (sorted(kept), problems) == (["A missile", "Rain"], [])
    found = monitor("archive", "search", "rain", "--config", config)
    assert "  [Rain]" in found.stdout
