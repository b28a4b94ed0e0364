"""The door to Prometheus: what this process counts, and how that is shown together with what Redis keeps.

Labels are of sets that the configuration or this code bounds: nothing of the outside world names a series.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from platform import python_version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    Metric,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from monitor import __version__
from monitor.errors import MonitorError, UnreadableError, WorkerError
from monitor.models import Article, Notification

disable_created_metrics()  # type: ignore[no-untyped-call]  # the times at which counters began double what is sent

_MINUTE, _HOUR = 60.0, 3600.0
_DELAYS = tuple(_MINUTE * minutes for minutes in (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440))
_SOON = (1.0, 2.5, 5.0, 10.0, 30.0, _MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 6 * _HOUR, 24 * _HOUR)
_WORK = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
_MATCHING = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)

_REGISTRY = CollectorRegistry()
ProcessCollector(registry=_REGISTRY)
Info("monitor_build", "The version that runs.", registry=_REGISTRY).info(
    {"version": __version__, "python": python_version()}
)

# Every label value that can be is there from the start: a series that begins at one hides its first increase.
POLLS = Counter(
    "monitor_polls", "Polls of feeds, by outcome: read, unchanged, failed, error.", ["outcome"], registry=_REGISTRY
)
LAST_POLL = Gauge("monitor_last_poll_timestamp_seconds", "When this process last ended a poll.", registry=_REGISTRY)
MISFIRES = Counter("monitor_misfires", "Polls that began over 10 s late, or were left out.", registry=_REGISTRY)
LEASES = Gauge("monitor_leases_held", "Feeds that this process holds now, to poll them.", registry=_REGISTRY)
PUBLISH_TO_SIGHT = Histogram(
    "monitor_publish_to_sight_seconds",
    "From when an article says that it came out to when it was read.",
    buckets=_DELAYS,
    registry=_REGISTRY,
)
SIGHT_TO_ALERT = Histogram(
    "monitor_sight_to_alert_seconds",
    "From when an article was read to when a receiver had taken its alert; digests and updates do not count.",
    buckets=_SOON,
    registry=_REGISTRY,
)
EXTRACTION = Histogram(
    "monitor_extraction_seconds", "Extracting a page's article, queue included.", buckets=_WORK, registry=_REGISTRY
)
ARTICLES = Counter("monitor_articles", "Articles read, by where their text is from.", ["text_from"], registry=_REGISTRY)
_FALLBACKS = Counter(
    "monitor_page_fallbacks",
    "Pages that gave no text, so that the feed's was taken: not fetched, unreadable, or given up by its worker.",
    ["reason"],
    registry=_REGISTRY,
)
MATCHING = Histogram(
    "monitor_match_seconds", "Matching an article against all rules.", buckets=_MATCHING, registry=_REGISTRY
)
RULES = Gauge("monitor_rules_loaded", "Rules in effect.", registry=_REGISTRY)
RULES_BROKEN = Gauge("monitor_rules_broken", "Mistakes in rules at the last attempt to load them.", registry=_REGISTRY)
RELOAD_OK = Gauge(
    "monitor_config_last_reload_successful", "Whether the last attempt to load the files was.", registry=_REGISTRY
)
RELOADED = Gauge(
    "monitor_config_last_reload_success_timestamp_seconds", "When the files in effect were loaded.", registry=_REGISTRY
)
ALERTS = Counter("monitor_alerts", "Articles that raised an alert or joined one.", registry=_REGISTRY)
_SUPPRESSED = Counter(
    "monitor_suppressed", "Matches that were not told of, or not yet, by reason.", ["reason"], registry=_REGISTRY
)
DELIVERIES = Counter(
    "monitor_deliveries",
    "Attempts to deliver, by receiver and outcome: sent, retried, dead.",
    ["receiver", "outcome"],
    registry=_REGISTRY,
)
for _outcome in ("read", "unchanged", "failed", "error"):
    POLLS.labels(_outcome)
for _text_from in ("page", "content", "summary", "none"):
    ARTICLES.labels(_text_from)
for _reason in ("fetch", "unreadable", "worker"):
    _FALLBACKS.labels(_reason)


def loaded(rules: int, receivers: Iterable[str], now: datetime) -> None:
    """Note that files were loaded and are in effect."""
    RULES.set(rules)
    RULES_BROKEN.set(0)
    RELOAD_OK.set(1)
    RELOADED.set(now.timestamp())
    for receiver in receivers:
        for outcome in ("sent", "retried", "dead"):
            DELIVERIES.labels(receiver, outcome)


def not_loaded(problems: int) -> None:
    """Note that files were wrong, and so are not in effect."""
    RULES_BROKEN.set(problems)
    RELOAD_OK.set(0)


def fell_back(error: MonitorError) -> None:
    """Note that a page gave no text."""
    reason = "unreadable" if isinstance(error, UnreadableError) else "fetch"
    _FALLBACKS.labels("worker" if isinstance(error, WorkerError) else reason).inc()


def suppressed(reasons: Iterable[str]) -> None:
    for reason in reasons:
        _SUPPRESSED.labels(reason).inc()


def delivered(notification: Notification, now: datetime) -> None:
    """Note that a receiver has taken a notification."""
    DELIVERIES.labels(notification.receiver, "sent").inc()
    seen = [alert.last_seen for alert in notification.alerts if alert.last_seen]
    if notification.kind == "alert" and seen:
        SIGHT_TO_ALERT.observe(_seconds(now - min(seen)))


def polled(outcome: str, now: datetime) -> None:
    """Note that a poll has ended."""
    POLLS.labels(outcome).inc()
    LAST_POLL.set(now.timestamp())


def read(article: Article, now: datetime | None) -> None:
    """Note that an article was read, at a time that says how soon; None where its feed is seen for the first time."""
    ARTICLES.labels(article.text_from).inc()
    if now and article.published:
        PUBLISH_TO_SIGHT.observe(_seconds(now - article.published))


def _seconds(span: timedelta) -> float:
    return max(span.total_seconds(), 0.0)


@dataclass(frozen=True, slots=True)
class Outboxed:
    """What waits for one receiver: how much, since how long, and whether it is failing."""

    waiting: int
    age: timedelta
    failing: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """What Redis says at a scrape. It is the same for all processes that share it.

    `feeds` are how many there are by state, `backlog` are alerts that wait to be dispatched.
    """

    feeds: Mapping[str, int]
    backlog: int
    processes: int
    dead: int
    outboxes: Mapping[str, Outboxed]


def render(kept: Kept | None, late: timedelta, accept: str = "") -> tuple[bytes, str]:
    """All metrics and their content type, in the form that `accept` asks for; `kept` is None where Redis is silent.

    `late` is by how much the poll that should have begun first is late.
    """
    encode, content_type = choose_encoder(accept)
    return encode(_Everything(kept, late)), content_type


class _Everything(Collector):
    def __init__(self, kept: Kept | None, late: timedelta) -> None:
        self._kept, self._late = kept, late

    def collect(self) -> Iterator[Metric]:
        yield from _REGISTRY.collect()
        yield _gauge("monitor_schedule_late_seconds", "How late the most urgent poll is.", [((), _seconds(self._late))])
        yield _gauge("monitor_redis_up", "Whether Redis answers.", [((), self._kept is not None)])
        if self._kept:
            yield from _of_redis(self._kept)


def _of_redis(kept: Kept) -> Iterator[Metric]:
    outboxes = kept.outboxes.items()
    yield _gauge("monitor_processes", "Processes that are alive.", [((), kept.processes)])
    yield _gauge("monitor_feeds", "Feeds, by state.", [((name,), count) for name, count in kept.feeds.items()], "state")
    yield _gauge("monitor_alerts_pending", "Alerts that wait to be dispatched.", [((), kept.backlog)])
    yield _gauge("monitor_dead_letters", "Deliveries that were given up and are kept.", [((), kept.dead)])
    depths = [((name,), box.waiting) for name, box in outboxes]
    yield _gauge("monitor_outbox_depth", "Deliveries that have not arrived yet.", depths, "receiver")
    ages = [((name,), _seconds(box.age)) for name, box in outboxes]
    yield _gauge("monitor_outbox_age_seconds", "How long the oldest of them has waited.", ages, "receiver")
    failing = [((name,), box.failing) for name, box in outboxes]
    yield _gauge("monitor_receiver_failing", "Whether it has failed for 15 minutes.", failing, "receiver")


def _gauge(name: str, says: str, samples: Iterable[tuple[Sequence[str], float]], *labels: str) -> Metric:
    family = GaugeMetricFamily(name, says, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family
