"""Why was nobody told? The whole way of an article or an alert, walked once more, stage by stage.

What the daemon has done is read from what it kept; what a page or a text would do now is tried.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.alerts.build import alerts_for, is_fresh
from monitor.alerts.groups import Told, when
from monitor.alerts.growth import grown, lacking, step
from monitor.alerts.routing import Node, tree_of
from monitor.config import Config
from monitor.errors import FetchError, MonitorError
from monitor.feeds.state import FeedState
from monitor.http import Http
from monitor.matching.matcher import Matcher
from monitor.matching.programs import Explanation
from monitor.models import Alert, Article, Entry
from monitor.reading import Reader
from monitor.ruletests import article_of
from monitor.store.alerts import AlertStore
from monitor.store.feeds import FeedStore
from monitor.store.redis import Store
from monitor.store.routes import Ledger, LedgerEntry

_KEPT = timedelta(days=7)  # how long the stream of alerts reaches back


@dataclass(frozen=True, slots=True)
class Finding:
    """What one stage says; `stops` is whether it is where the way ends."""

    stage: str
    text: str
    stops: bool = False


class Inquiry:
    """Walks the way of pages and texts with the parts that the daemon has."""

    def __init__(
        self, config: Config, matcher: Matcher, store: Store, *, http: Http, reader: Reader, now: datetime
    ) -> None:
        self._feeds = config.feeds
        self._tree = tree_of(config)
        self._matcher = matcher
        self._store = store
        self._http = http
        self._reader = reader
        self._now = now

    async def page(self, url: str) -> list[Finding]:
        """What the daemon knows of a page, and what it would raise now. Raises StoreError."""
        found = [await self._seen(url)]
        alerts = await AlertStore(self._store).made_of(lambda alert: alert.url == url, self._now - _KEPT)
        found += [_entry(entry, stops=True) for entry in await Ledger(self._store).of_page(url)]
        if alerts:
            return [*found, *[finding for alert in alerts for finding in await of_alert(alert, self._store)]]
        read, article = await self._read(url)
        found += read
        if article:
            found += of_article(article, self._matcher, self._tree, self._now)
            if not any(finding.stops for finding in found):
                text = (
                    "none, though it would raise one now: it was read before the rule was there, or was old news then"
                )
                found.append(Finding("alert", text, stops=True))
        return found

    def text(self, text: str) -> list[Finding]:
        """What would become of a text that came now."""
        return of_article(article_of(text), self._matcher, self._tree, self._now)

    async def _seen(self, url: str) -> Finding:
        entry = Entry(url, url=url, guid=url)
        states = await FeedStore(self._store).states([feed.url for feed in self._feeds])
        known = [FeedState.decode(state).memory.judge(entry) != "new" for state in states]
        having = [feed.title for feed, has_it in zip(self._feeds, known, strict=True) if has_it]
        if having:
            return Finding("seen", f"in {', '.join(having)}")
        return Finding("seen", f"in none of the {len(self._feeds)} feeds, as far as they remember", stops=True)

    async def _read(self, url: str) -> tuple[list[Finding], Article | None]:
        try:
            page = await self._http.page(url)
        except FetchError as error:
            return [Finding("fetched", error.reason, stops=True)], None
        if page is None:
            text = "robots.txt forbids it, or cannot be had: the feed's text is left; http.robots: false asks anyway"
            return [Finding("fetched", text, stops=True)], None
        fetched = Finding("fetched", f"HTTP {page.status}, {len(page.body):,} bytes")
        try:
            extracted = await self._reader.extract(page.body, page.url, page.content_type)
        except MonitorError as error:
            return [fetched, Finding("extracted", str(error), stops=True)], None
        article = article_of(extracted.text, title=extracted.title, language=extracted.language)
        return [fetched, Finding("extracted", f"{len(extracted.text):,} characters: {extracted.title}")], article


def of_article(article: Article, matcher: Matcher, tree: Node, now: datetime) -> list[Finding]:
    """What rules and routes say of an article that comes now."""
    found = [Finding("language", article.language or "unknown: terms of every language count")]
    made = alerts_for(matcher.match(article), article, matcher.by_id, now)
    alerts = [alert for alert in made if is_fresh(alert, matcher.by_id[alert.rule])]
    raised = {alert.rule for alert in alerts}
    verdicts = {rule.id: _verdict(matcher, rule.id, article, matches=rule.id in raised) for rule in matcher.rules}
    found += [Finding("rule", f"{rule}: {verdict}") for rule, verdict in verdicts.items()]
    if not alerts:
        return [*found, Finding("rules", f"none of the {len(matcher.rules)} raises an alert", stops=True)]
    return [*found, *(Finding("route", _routed(alert, told)) for alert in alerts for told in when(alert, tree, now))]


def _verdict(matcher: Matcher, rule: str, article: Article, *, matches: bool) -> str:
    if matches:
        return "matches"
    explanation, _ = matcher.explain(rule, article)
    if explanation.holds:
        return "matches, but the article is older than its max_age"
    return "; ".join(dict.fromkeys(_failing(explanation)))


def _failing(explanation: Explanation) -> Iterator[str]:
    """What decides against a rule, as far inside as it can be said."""
    failing = [branch for branch in explanation.branches if not branch.holds]
    if len(failing) == len(explanation.branches):
        yield f"lacks {explanation.label}"
    elif not failing:
        yield f"has {', '.join(branch.label for branch in explanation.branches)}, but not {explanation.label}"
    for branch in failing if len(failing) < len(explanation.branches) else ():
        yield from _failing(branch)


def _routed(alert: Alert, told: Told) -> str:
    waits = f", until {told.at:%Y-%m-%d %H:%M} UTC" if told.at and told.why != "at once" else ""
    return f"{alert.rule}: {told.receiver} by {told.path}: {told.why}{waits}"


async def of_alert(identifier: str, store: Store) -> list[Finding]:
    """The way of an alert since its first article; none where there is no such alert. Raises StoreError."""
    kept = AlertStore(store)
    members = await kept.members(identifier)
    if not members:
        return []
    alert = grown(members)
    found = [Finding("alert", f"{alert.id}: {alert.rule}, {alert.title}"), Finding("story", _story(alert))]
    if step(members) == "waits":
        return [*found, Finding("threshold", f"below: {lacking(members)}", stops=True)]
    told = await kept.told(identifier)
    ledger = await Ledger(store).of(identifier)
    found += map(_entry, ledger)
    found += _deliveries(told)
    if not told:
        reason = ledger[-1].reason if ledger else "not dispatched yet: no daemon runs, or it is busy"
        found.append(Finding("delivery", reason, stops=True))
    return found


def _entry(entry: LedgerEntry, *, stops: bool = False) -> Finding:
    to = f"{', '.join(entry.receivers)}: " if entry.receivers else ""
    text = f"{entry.at:%Y-%m-%d %H:%M:%S} UTC  {entry.rule}: {to}{entry.reason}  {entry.detail}"
    return Finding("ledger", text, stops)


def _story(alert: Alert) -> str:
    return f"{alert.story or 'none'}, {len(alert.documents)} articles of {len(alert.sources)} sources"


def _deliveries(told: Mapping[str, str]) -> Iterator[Finding]:
    for receiver, text in sorted(told.items()):
        yield Finding("delivery", f"{receiver}: {text}", stops=not text.startswith("sent "))


def first_stop(found: Sequence[Finding]) -> str:
    """Where the way ended first, in one line."""
    stop = next((finding for finding in found if finding.stops), None)
    return f"{stop.stage}: {stop.text}" if stop else "nowhere: it arrived, or would"
