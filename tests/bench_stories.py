"""`make bench`, stories: what it costs to sign a text, to sketch it, and to find its story among many in Redis."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from monitor.articles.extract import extract
from monitor.matching.concepts import Concepts
from monitor.models import Article, Source
from monitor.rules.lexicon import Lexicon, shipped
from monitor.store.redis import PREFIX, Store
from monitor.store.stories import StoryStore
from monitor.stories.copies import bands, signature, similarity
from monitor.stories.join import NEAR_COPY
from monitor.stories.sketch import Sketch, sketch
from monitor.stories.story import Member, story_id, traces
from tests.bench import median_ratio, report
from tests.daemon import own_redis
from tests.pages import news_pages
from tests.test_copies import EDITS, LANGUAGES, dealt

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BEGUN_FOR, COPIED_FOR = 20.0, 150.0  # seconds for storing
STORED = 1_000_000
SAMPLE = 500  # stories looked up that are stored, and as many that are not
TOGETHER = 50  # stories written at a time
COMMON = 0.35  # how much unrelated texts of one language have in common


def bench_signing(lexicon: Lexicon) -> None:
    pages = list(news_pages(7, 164))
    articles = [Article(page.url, Source("s"), page.text, page.title, language=page.language) for page in pages]

    def sign() -> None:
        for article in articles:
            signature(f"{article.title}\n{article.text}")

    def read() -> None:
        for page in pages:
            extract(page.html, page.url)

    ours, _, ratio = median_ratio([(sign, read)] * 5)
    report("sign a text", ours / len(articles) * 1e6, "us/article", "extraction of its page", ratio, "<= 0.02")
    bench_sketching(lexicon, articles, read)


def bench_sketching(lexicon: Lexicon, articles: Sequence[Article], read: Callable[[], None]) -> None:
    concepts = Concepts(lexicon)

    def sketch_all() -> None:
        for article in articles:
            sketch(article, concepts.of(article), concepts.places, NOW)

    sketch_all()
    ours, _, ratio = median_ratio([(sketch_all, read)] * 5)
    report("sketch a matched article", ours / len(articles) * 1e6, "us/article", "extraction", ratio, "<= 0.4")


def bench_recall() -> None:
    """Near-copies with up to 12 % edits that are found, and unrelated texts of one language that are not."""
    chance = random.Random(3)
    copies, unrelated = [], []
    for language in LANGUAGES:
        for _ in range(10):
            sentences, others = dealt(language, chance)
            kept, other = signature(" ".join(sentences)), signature(" ".join(others))
            copies += [_joined(kept, signature(edit(sentences, others, chance))) for edit in EDITS]
            unrelated.append(_joined(kept, other))
    recall, false = sum(copies) / len(copies), sum(unrelated) / len(unrelated)
    report("near-copies found", recall, "share", f"{len(copies)} edited texts", recall, ">= 0.95")
    report("unrelated texts joined", false, "share", f"{len(unrelated)} pairs of one language", false, "<= 0.005")


def _joined(one: bytes, other: bytes) -> bool:
    return bool({*bands(one)} & {*bands(other)}) and similarity(one, other) >= NEAR_COPY


class Press:
    """Sketches of a language's press: unrelated texts have as much in common as those of one language."""

    def __init__(self, lexicon: Lexicon) -> None:
        concepts = Concepts(lexicon)
        self._places = sorted(concepts.places)
        self._topics = sorted(set(lexicon.concepts) - concepts.places)
        self._chance = np.random.default_rng(4)
        self._common = self._chance.integers(0, 2**16, 128, dtype=np.uint16)

    def sketch(self) -> Sketch:
        random_ = self._chance.integers(0, 2**16, 128, dtype=np.uint16)
        signed = np.where(self._chance.random(128) < COMMON, self._common, random_)
        # Some countries and topics are in the news far more often than others.
        ranks = self._chance.zipf(1.3, 4)
        places = frozenset(self._places[rank % len(self._places)] for rank in ranks[:2])
        topics = frozenset(self._topics[rank % len(self._topics)] for rank in ranks[2:])
        numbers = frozenset(map(str, self._chance.integers(13, 1000, 3).tolist()))
        main = places | topics
        return Sketch(signature=signed.astype("<u2").tobytes(), concepts=main, places=places, main=main,
                      numbers=numbers, time=NOW, language="en")  # fmt: skip


# Stories as many and as large as those that were begun, under traces of their own: only the server is quick enough.
COPY = """
for number = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local id = string.format('%016x', number)
  for trace = 1, tonumber(ARGV[3]) do
    redis.call('SET', ARGV[4] .. string.format('%08x', number * 40 + trace), string.sub(id, 9), 'PX', 259200000)
  end
  redis.call('COPY', KEYS[1], ARGV[5] .. id)
  redis.call('COPY', KEYS[2], ARGV[5] .. id .. ':members')
end
"""


async def bench_look_up(lexicon: Lexicon) -> None:
    with own_redis() as server:
        store = Store(server.url, "bench", timedelta(seconds=30))
        await store.client.config_set("appendonly", "no")  # a million stories would fill the disk
        stories, press = StoryStore(store), Press(lexicon)
        begun = await _begin_stories(stories, press)
        stored = await _copy_stories(store, begun)
        memory = (await store.client.info("memory"))["used_memory"] / stored / 1000
        times, found = [], 0
        for number, known in random.Random(5).sample(begun, SAMPLE):
            for wanted in (known, press.sketch()):
                began = time.perf_counter()
                candidates = (await stories.look_up(wanted)).stories
                times.append(time.perf_counter() - began)
                found += number in {story.id for story in candidates}
        await store.close()
    median = sorted(times)[len(times) // 2]
    name = f"look up a story among {stored} stored, {len(begun)} of them alike, {memory:.1f} KB each"
    report(name, median * 1e3, "ms", "1 ms", median * 1e3, "<= 1")
    report("stories found again", found / SAMPLE, "share", f"{SAMPLE} stories", found / SAMPLE, ">= 0.99")


async def _begin_stories(stories: StoryStore, press: Press) -> list[tuple[str, Sketch]]:
    deadline = time.monotonic() + BEGUN_FOR
    begun: list[tuple[str, Sketch]] = []
    while time.monotonic() < deadline:
        some = [(story_id(str(len(begun) + number), "bench"), press.sketch()) for number in range(TOGETHER)]
        await asyncio.gather(*(_begin(stories, number, known) for number, known in some))
        begun += some
    return begun


async def _begin(stories: StoryStore, number: str, known: Sketch) -> None:
    member = Member(document=number, source="bench", language="en", title="A headline of usual length", time=NOW)
    while not await stories.begin(number, member, known, (await stories.look_up(known)).state):
        pass


async def _copy_stories(store: Store, begun: Sequence[tuple[str, Sketch]]) -> int:
    """Store copies of a story until there are as many as asked for, or time is up; returns how many there are."""
    number, known = begun[0]
    keys = f"{PREFIX}story:{number}", f"{PREFIX}story:{number}:members"
    texts, events = traces(known)
    names = f"{PREFIX}trace:", f"{PREFIX}story:"
    stored, deadline = len(begun), time.monotonic() + COPIED_FOR
    while stored < STORED and time.monotonic() < deadline:
        last = min(stored + 500, STORED)
        await store.client.eval(COPY, 2, *keys, stored + 1, last, len(texts) + len(events), *names)
        stored = last
    return stored


def main() -> None:
    lexicon = shipped()
    bench_signing(lexicon)
    bench_recall()
    asyncio.run(bench_look_up(lexicon))


if __name__ == "__main__":
    main()
