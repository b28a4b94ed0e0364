"""Stories in a real Redis: found by their traces, told once however many processes tell them, forgotten in time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from monitor.store.redis import PREFIX, Store
from monitor.store.stories import StoryStore
from monitor.stories.copies import signature
from monitor.stories.sketch import Sketch
from monitor.stories.story import Member, story_id

BEGAN = datetime(2026, 11, 18, 6, tzinfo=UTC)
WORDS = "the ministry said on Monday that {} of its ships had left port {} and would {} before the week was out; "
TEXT = " ".join(WORDS.format(*words) for words in (("two", "early", "return"), ("none", "empty", "sink")))


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    store = Store(redis_url, "one", timedelta(seconds=30))
    yield store
    await store.close()


@pytest.fixture
def stories(store: Store) -> StoryStore:
    return StoryStore(store)


def sketch_of(text: str = "", language: str = "en", place: str = "Japan", number: str = "164") -> Sketch:
    return Sketch(
        signature=signature(text), concepts=frozenset({place, "drone"}), places=frozenset({place}),
        main=frozenset({place, "drone"}), numbers=frozenset({number}), time=BEGAN, language=language,
    )  # fmt: skip


def member_of(document: str, minutes: int = 0, why: str = "", language: str = "en") -> Member:
    time = BEGAN + timedelta(minutes=minutes)
    return Member(document=document, source="agency", language=language, time=time, why=why)


async def begun(stories: StoryStore, document: str, sketch: Sketch) -> str:
    number = story_id(document, "agency")
    assert await stories.begin(number, member_of(document), sketch, (await stories.look_up(sketch)).state)
    return number


@pytest.mark.parametrize(
    ("sketch", "found"),
    [
        (sketch_of(TEXT.replace("Monday", "Sunday"), place="Chile", number="7"), True),
        (sketch_of(language="ko", number="9"), True),
        (sketch_of(place="Chile"), False),
        (Sketch(time=BEGAN), False),
    ],
    ids=["near-copy", "place and topic", "another place", "nothing known"],
)
async def test_a_story_is_found_by_its_text_or_its_event(stories: StoryStore, sketch: Sketch, found: bool) -> None:
    kept = sketch_of(TEXT)
    number = await begun(stories, "a", kept)
    candidates = (await stories.look_up(sketch)).stories
    assert [story.id for story in candidates] == ([number] if found else [])
    assert all(story.sketches == (kept,) for story in candidates)


async def test_the_likeliest_story_comes_first_and_few_are_compared(stories: StoryStore) -> None:
    for document in range(20):
        await begun(stories, f"event {document}", sketch_of(number=str(100 + document)))
    copied = await begun(stories, "text", sketch_of(TEXT, place="Chile"))
    candidates = (await stories.look_up(sketch_of(TEXT, number="105"))).stories
    assert [story.id for story in candidates[:2]] == [copied, story_id("event 5", "agency")]
    assert len(candidates) == 8


async def test_of_stories_that_are_as_likely_the_latest_are_compared(stories: StoryStore) -> None:
    numbers = [
        await begun(stories, f"event {document}", sketch_of(number=str(100 + document))) for document in range(30)
    ]
    candidates = (await stories.look_up(sketch_of(language="ko", number="9"))).stories
    assert [story.id for story in candidates] == numbers[:-9:-1]


async def test_a_story_tells_who_joined_and_why(stories: StoryStore) -> None:
    number = await begun(stories, "a", sketch_of(TEXT))
    story = (await stories.look_up(sketch_of(TEXT))).stories[0]
    assert await stories.join(story, member_of("b", 5, "near-copy (0.91)"), sketch_of(TEXT)) == 2
    korean = sketch_of(language="ko")
    assert await stories.join(story, member_of("c", 3, "topics: drone (0.80)", "ko"), korean) == 3
    # As after a crash, when an entry is handled again.
    assert await stories.join(story, member_of("b", 5, "near-copy (0.91)"), sketch_of(TEXT)) == 3
    kept = await stories.story(number)
    assert kept
    assert [(member.document, member.why) for member in kept.members] == [
        ("a", ""), ("c", "topics: drone (0.80)"), ("b", "near-copy (0.91)"),
    ]  # fmt: skip
    assert (kept.count, kept.first_seen, kept.last_seen) == (3, BEGAN, BEGAN + timedelta(minutes=5))
    assert [sketch.language for sketch in kept.sketches] == ["en", "ko"]


@pytest.mark.parametrize(
    "sketches",
    [[sketch_of(TEXT)] * 5, [sketch_of(language=language) for language in ("en", "ko", "id")]],
    ids=["copies", "reports in several languages"],
)
async def test_of_two_reports_at_one_moment_one_begins_the_story(stories: StoryStore, sketches: list[Sketch]) -> None:
    states = [(await stories.look_up(sketch)).state for sketch in sketches]
    begin = [
        stories.begin(story_id(str(number), "agency"), member_of(str(number)), sketch, state)
        for number, (sketch, state) in enumerate(zip(sketches, states, strict=True))
    ]
    assert sorted(await asyncio.gather(*begin)) == [False] * (len(sketches) - 1) + [True]
    assert len((await stories.look_up(sketches[0])).stories) == 1


async def test_the_first_article_seen_again_begins_its_story_no_second_time(stories: StoryStore) -> None:
    nothing = Sketch(time=BEGAN)
    number = await begun(stories, "a", nothing)
    await begun(stories, "a", nothing)
    kept = await stories.story(number)
    assert kept
    assert kept.count == 1


async def test_what_is_kept_is_bounded(stories: StoryStore, store: Store) -> None:
    number = await begun(stories, "a", sketch_of())
    story = (await stories.look_up(sketch_of())).stories[0]
    for document in range(250):
        await stories.join(story, member_of(f"b{document}", document, "x"), sketch_of())
    for document in range(100):
        await begun(stories, f"c{document}", sketch_of())
    kept = await stories.story(number)
    assert kept
    assert (kept.count, len(kept.members), len(kept.sketches)) == (251, 200, 1)
    async for key in store.binary.scan_iter(f"{PREFIX}trace:*"):
        assert await store.binary.strlen(key) <= 64 * 8


async def test_everything_expires(stories: StoryStore, store: Store) -> None:
    await begun(stories, "a", sketch_of(TEXT))
    story = (await stories.look_up(sketch_of(TEXT))).stories[0]
    await stories.join(story, member_of("b", 1, "x", "ko"), sketch_of(language="ko", number="8"))
    keys = [key async for key in store.binary.scan_iter("*")]
    assert len(keys) > 20
    for key in keys:
        days = await store.binary.pttl(key) / 86_400_000
        most = 3 if b"trace:" in key else 30 if b"document:" in key else 7
        assert most - 0.1 < days <= most, key


async def test_a_story_that_has_expired_is_joined_by_nobody(stories: StoryStore, store: Store) -> None:
    number = await begun(stories, "a", sketch_of())
    story = (await stories.look_up(sketch_of())).stories[0]
    await store.client.delete(f"{PREFIX}story:{number}")
    assert await stories.join(story, member_of("b", 1, "x"), sketch_of()) == 0
    assert await stories.story(number) is None
    assert (await stories.look_up(sketch_of())).stories == ()
