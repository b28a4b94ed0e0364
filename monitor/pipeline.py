"""From article to alerts: rules match it, it finds its story, and each rule makes an alert of the two."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor import metrics
from monitor.alerts.build import alerts_for, in_story, is_fresh
from monitor.alerts.plan import Suppressed
from monitor.feeds.health import short
from monitor.matching.concepts import Concepts
from monitor.matching.matcher import Matcher
from monitor.models import Alert, Article
from monitor.store.stories import StoryStore
from monitor.stories.join import Joined, decide
from monitor.stories.sketch import Sketch, sketch
from monitor.stories.story import Member, Story, story_id, why


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an article: the story it belongs to, "" where no rule asked, and a member for each alert.

    `suppressed` are the matches that make no alert.
    """

    story: str = ""
    alerts: Sequence[Alert] = ()
    suppressed: Sequence[Suppressed] = ()


class Pipeline:
    """What the daemon and `replay` do with an article; `concepts` are of the lexicon that `matcher` was made with."""

    def __init__(self, matcher: Matcher, concepts: Concepts, stories: StoryStore, window: timedelta) -> None:
        self.matcher = matcher
        self.concepts = concepts
        self._stories = stories
        self._window = window
        self._placing = asyncio.Lock()  # two reports of one event that come at once shall find each other

    async def take(self, article: Article, now: datetime, *, seen: datetime | None = None) -> Taken:
        """Match an article and place what matched in its story; `seen` is what its alerts call `now`.

        The same article taken again comes to the same. Raises StoreError.
        """
        rules = self.matcher.by_id
        with metrics.MATCHING.time():
            matches = self.matcher.match(article)
        fresh: list[Alert] = []
        stale: list[Alert] = []
        for alert in alerts_for(matches, article, rules, seen):
            (fresh if is_fresh(alert, rules[alert.rule]) else stale).append(alert)
        suppressed = [
            Suppressed(alert, "too old", f"for its rule's max_age, {short(rules[alert.rule].max_age or timedelta())}")
            for alert in stale
        ]
        story = await self._story(article, now) if fresh else ""
        return Taken(story, [in_story(alert, story) for alert in fresh], suppressed)

    async def _story(self, article: Article, now: datetime) -> str:
        """The story that an article belongs to, which it begins where there is none."""
        source = article.source.url or article.source.name
        if known := await self._stories.of_document(source, article.id):
            return known
        drawn = sketch(article, self.concepts.of(article), self.concepts.places, now)
        member = Member(
            document=article.id,
            source=source,
            name=article.source.name,
            language=article.language,
            title=article.title,
            url=article.url,
            time=now,
        )
        async with self._placing:
            while True:
                candidates = await self._stories.look_up(drawn)
                if joined := self._joined(drawn, candidates.stories, now):
                    story, verdict = joined
                    told = member.model_copy(update={"why": why(verdict), "score": verdict.score})
                    if await self._stories.join(story, told, drawn):
                        return story.id
                else:
                    begun = story_id(article.id, source)
                    if await self._stories.begin(begun, member, drawn, candidates.state):
                        return begun

    def _joined(self, drawn: Sketch, stories: Sequence[Story], now: datetime) -> tuple[Story, Joined] | None:
        """Of the stories that an article may join the likeliest."""
        verdicts = ((story, decide(drawn, story, now, self._window)) for story in stories)
        joined = [(story, verdict) for story, verdict in verdicts if isinstance(verdict, Joined)]
        return max(joined, key=lambda one: one[1].score, default=None)
