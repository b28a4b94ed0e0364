"""From an article's matches to alerts."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from monitor.articles.sentences import sentence_spans
from monitor.feeds.health import Change
from monitor.feeds.identity import digest
from monitor.models import Alert, Article, Evidence, Match, Notification, Snippet, Source
from monitor.rules.schema import Rule

FEED_HEALTH, MONITOR_HEALTH = "feed-health", "monitor-health"  # the built-in rules
_LONGEST_SNIPPET = 320
_LONGEST_HEADLINE = 100


def alerts_for(
    matches: Iterable[Match], article: Article, rules: Mapping[str, Rule], now: datetime | None = None
) -> list[Alert]:
    """Make one alert of each match, as if the article were a story of its own.

    Its id is the same whenever the same rule matches the same article. `now` is when it was seen, None for unknown.
    """
    return [_alert(match, article, rules[match.rule_id], now) for match in matches]


def is_fresh(alert: Alert, rule: Rule) -> bool:
    """Tell whether the article of an alert was, when it was seen, no older than its rule's scope allows."""
    if rule.max_age is None or alert.first_seen is None or alert.published is None:
        return True
    return alert.first_seen - alert.published <= rule.max_age


def in_story(alert: Alert, story: str) -> Alert:
    """The alert as a member of the one that its rule and a story have in common."""
    return alert.model_copy(update={"id": digest(alert.rule, story), "story": story})


def _alert(match: Match, article: Article, rule: Rule, now: datetime | None) -> Alert:
    return Alert(
        id=digest(rule.id, article.source.url or article.source.name, article.id),
        rule=rule.id,
        rule_version=rule.version,
        level=rule.level,
        rule_title=rule.title,
        tags=tuple(dict.fromkeys((*rule.tags, *article.source.tags))),
        document=article.id,
        title=article.title or headline(article.text),
        url=article.url,
        source=article.source.name,
        language=article.language,
        published=article.published,
        receivers=rule.receivers,
        snippet=snippet(article, match.evidence),
        evidence=match.evidence,
        text_from=article.text_from,
        documents=(article.id,),
        sources=(article.source.name,),
        languages=(article.language,) if article.language else (),
        first_seen=now,
        last_seen=now,
        when=rule.when,
    )


def health_alerts(changes: Iterable[Change], feed: Source, now: datetime) -> list[Alert]:
    """Make an alert of the built-in rule `feed-health` of each trouble of a feed that began or ended."""
    return [
        _of_health(
            FEED_HEALTH,
            "Feed health",
            feed,
            what=change.trouble,
            text=f"{feed.name}: {change.text}",
            ended=change.ended,
            now=now,
        )
        for change in changes
    ]


def own_alert(what: str, text: str, *, ended: bool, now: datetime) -> Alert:
    """Make an alert of the built-in rule `monitor-health`, of a trouble of monitor itself; `what` tells it from others.

    Its id is the same whenever the same trouble begins, or ends, at the same time.
    """
    itself = Source("monitor")
    return _of_health(MONITOR_HEALTH, "Monitor health", itself, what=what, text=text, ended=ended, now=now)


def _of_health(  # noqa: PLR0913 - one for each thing that its alert says
    rule: str, title: str, source: Source, *, what: str, text: str, ended: bool, now: datetime
) -> Alert:
    document = source.url or what
    return Alert(
        id=digest(rule, source.url, what, str(ended), now.isoformat()),
        rule=rule,
        level="info" if ended else "medium",
        rule_title=title,
        tags=source.tags,
        document=document,
        title=text,
        url=source.url,
        source=source.name,
        published=now,
        snippet=Snippet(text=text),
        evidence=(),
        documents=(document,),
        sources=(source.name,),
        first_seen=now,
        last_seen=now,
    )


def trial(receiver: str, now: datetime) -> Notification:
    """A notification that only shows whether a receiver can be reached, and how it shows what it is sent."""
    text = "This is a test by `monitor notify test`: nothing happened."
    words = Evidence(concept="test", text="test", field="title", start=10, end=14)
    alert = Alert(
        id=digest("trial", now.isoformat()),
        rule="trial",
        level="info",
        rule_title="A test of this receiver",
        document="trial",
        title=text,
        source="monitor",
        language="en",
        published=now,
        snippet=Snippet(text=text, marks=((10, 14),)),
        evidence=(words,),
        documents=("trial",),
        sources=("monitor",),
        languages=("en",),
        first_seen=now,
        last_seen=now,
    )
    return Notification(key=f"{alert.id}.{receiver}", receiver=receiver, alerts=(alert,))


def headline(text: str) -> str:
    """The first words of a text that has no title."""
    spans = sentence_spans(text)
    first = text[slice(*spans[0])] if spans else ""
    return first if len(first) <= _LONGEST_HEADLINE else first[: _LONGEST_HEADLINE - 1].rstrip() + "…"


def snippet(article: Article, evidence: Iterable[Evidence]) -> Snippet:
    """The sentence with the most concepts of a match, the first of equals, its words marked; else the title."""
    in_text = [item for item in evidence if item.field != "title"]
    if not in_text:
        marks = tuple((item.start, item.end) for item in evidence)
        return Snippet(text=article.title or headline(article.text), marks=_joined(marks))
    best: tuple[int, int] = (0, 0)
    most = 0
    for start, end in sentence_spans(article.text):
        concepts = len({item.concept for item in in_text if start <= item.start and item.end <= end})
        if concepts > most:
            best, most = (start, end), concepts
    start, end = best if most else (in_text[0].start, in_text[0].end)
    return _cut(article.text, start, end, [(item.start, item.end) for item in in_text])


def _cut(text: str, start: int, end: int, marks: list[tuple[int, int]]) -> Snippet:
    """The sentence text[start:end], or as much of it around its marks as a reader takes in at a glance."""
    inside = [(left, right) for left, right in marks if start <= left and right <= end]
    if end - start > _LONGEST_SNIPPET and inside:
        first = max(start, inside[0][0] - _LONGEST_SNIPPET // 3)
        last = min(end, max(first + _LONGEST_SNIPPET, inside[0][1]))
    else:
        first, last = start, end
    before, after = "… " * (first > start), " …" * (last < end)
    shift = len(before) - first
    kept = _joined((left + shift, right + shift) for left, right in inside if left >= first and right <= last)
    return Snippet(text=before + text[first:last] + after, marks=kept)


def _joined(marks: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Marks in order, those that overlap made one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(marks):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)
