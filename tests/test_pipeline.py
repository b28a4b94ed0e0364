"""From articles to alerts that grow: one for each rule and story, raised once, confirmed where the rule asks for it."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.alerts.growth import grown
from monitor.config import Config, ReceiverConfig
from monitor.dispatch import Dispatcher
from monitor.matching.concepts import Concepts
from monitor.matching.matcher import Matcher
from monitor.models import Alert, Article, Source
from monitor.pipeline import Pipeline
from monitor.rules.lexicon import shipped
from monitor.rules.schema import Rule, RuleSchema, rule_of
from monitor.store.alerts import AlertStore
from monitor.store.feeds import FeedStore
from monitor.store.outbox import Delivery, Outbox
from monitor.store.redis import Store
from monitor.store.stories import StoryStore
from monitor.stories.join import WINDOW
from tests.conftest import REPOSITORY
from tests.daemon import configure, daemon, monitor, received
from tests.site import Reply, Site, item, rss, wait_until

BEGAN = datetime(2026, 11, 18, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOLD = yaml.safe_load((REPOSITORY / "tests/stories.yaml").read_text())["together"]
LAUNCH, SANCTIONS = TOLD["launch"], TOLD["sanctions"]
FEED = "https://news.example/feed"


def rule(name: str, expression: str, **more: Any) -> Rule:
    return rule_of(RuleSchema.model_validate({"id": name, "match": expression, **more}), name)


def article(report: dict[str, Any], source: str = "", document: str = "") -> Article:
    name = source or report["language"]
    time = BEGAN + report.get("hours", 0) * HOUR
    return Article(
        document or f"{name}-1", Source(name, f"https://{name}.example/feed"), report["text"], report["title"],
        published=time, language=report["language"],
    )  # fmt: skip


@dataclass
class Watch:
    """A pipeline and what comes after it, on a real Redis."""

    pipeline: Pipeline
    store: Store
    dispatcher: Dispatcher

    async def take(self, told: Article, now: datetime | None = None) -> tuple[Alert, ...]:
        """Take an article, publish what it makes, and return what the receiver is sent then."""
        now = now or told.published or BEGAN
        taken = await self.pipeline.take(told, now, seen=now)
        feeds, outbox = FeedStore(self.store), Outbox(self.store, "desk")
        await self.store.sign_of_life()
        assert (await feeds.claim(FEED)).ours
        await feeds.write(FEED, b"state", taken.alerts, done=True)
        await outbox.take_over()
        await self.dispatcher.step(None)
        sent = [Delivery.model_validate_json(message.body) for message in await outbox.receive(10)]
        for message in await self.store.client.xrange(outbox.key):
            await self.store.client.xack(outbox.key, outbox.group, message[0])
        return tuple(alert for delivery in sent for alert in delivery.notification.alerts)


@pytest.fixture
async def watch(redis_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Watch]:
    lexicon, rules = shipped(), getattr(request, "param", [rule("launch", "DPRK + missile")])
    store = Store(redis_url, "one", timedelta(minutes=1))
    pipeline = Pipeline(Matcher(rules, lexicon), Concepts(lexicon), StoryStore(store), WINDOW)
    config = Config(receivers={"desk": ReceiverConfig(type="console")})
    dispatcher = Dispatcher(store, config, lambda: BEGAN)
    await dispatcher.alerts.take_over()
    yield Watch(pipeline, store, dispatcher)
    await store.close()


async def test_one_launch_in_three_languages_is_one_alert_that_grows(watch: Watch) -> None:
    english, indonesian, korean = (article(report) for report in LAUNCH)
    [first] = await watch.take(korean)
    assert await watch.take(english) == ()
    assert await watch.take(indonesian) == ()
    assert await watch.take(english) == (), "seen again, as after a crash"
    alert = grown(await AlertStore(watch.store).members(first.id))
    assert (alert.document, alert.title) == (korean.id, korean.title)
    assert alert.documents == ("ko-1", "en-1", "id-1")
    assert (alert.sources, alert.languages) == (("ko", "en", "id"), ("ko", "en", "id"))
    assert (alert.first_seen, alert.last_seen) == (BEGAN, BEGAN + HOUR)
    story = await StoryStore(watch.store).story(alert.story)
    assert story
    assert [member.why.startswith("topics: ballistic missile, ") for member in story.members] == [False, True, True]


async def test_another_event_is_another_alert(watch: Watch) -> None:
    [first] = await watch.take(article(LAUNCH[0]))
    later = article({**LAUNCH[0], "hours": 24 * 7}, "other")
    [second] = await watch.take(later)
    assert first.id != second.id


async def test_copies_that_say_that_they_are_old_are_one_story_for_as_long_as_others(watch: Watch) -> None:
    old = {**LAUNCH[0], "hours": -24 * 365}
    [first] = await watch.take(article(old, "one"), BEGAN)
    assert await watch.take(article(old, "two"), BEGAN + 71 * HOUR) == ()
    [later] = await watch.take(article(old, "three"), BEGAN + 73 * HOUR)
    assert later.story != first.story


async def test_an_edited_article_stays_in_its_story(watch: Watch) -> None:
    [first] = await watch.take(article(LAUNCH[0]))
    rewritten = {**SANCTIONS[0], "title": "North Korea fires a missile; EU adopts sanctions against Russia"}
    assert await watch.take(article(rewritten, "en")) == ()
    taken = await watch.pipeline.take(article(rewritten, "en"), BEGAN)
    assert taken.story == first.story
    [other] = await watch.take(article(rewritten, "elsewhere"))
    assert other.story != first.story


CONFIRMED = [rule("launch", "DPRK + missile", when={"sources": 3, "within": "2h"})]


@pytest.mark.parametrize("watch", [CONFIRMED], indirect=True)
async def test_a_rule_that_asks_for_three_sources_waits_for_the_third(watch: Watch) -> None:
    assert await watch.take(article(LAUNCH[0])) == ()
    assert await watch.take(article(LAUNCH[0], "en", "en-2")) == ()
    assert await watch.take(article(LAUNCH[2])) == ()
    [alert] = await watch.take(article(LAUNCH[1]))
    assert alert.documents == ("en-1", "en-2", "ko-1", "id-1")
    assert await watch.take(article(LAUNCH[1], "antara")) == ()


@pytest.mark.parametrize("watch", [CONFIRMED], indirect=True)
async def test_and_waits_in_vain_where_they_come_too_far_apart(watch: Watch) -> None:
    for hours, report in ((0, LAUNCH[0]), (1.5, LAUNCH[2]), (3, LAUNCH[1])):
        assert await watch.take(article({**report, "hours": hours})) == ()


async def test_what_matches_nothing_is_in_no_story(watch: Watch) -> None:
    assert await watch.take(article(SANCTIONS[0])) == ()
    assert [key async for key in watch.store.binary.scan_iter("*story*")] == []


async def test_an_alert_keeps_so_many_members_and_no_more(watch: Watch) -> None:
    [first] = await watch.take(article(LAUNCH[0]))
    feeds = FeedStore(watch.store)
    await feeds.claim(FEED)
    members = [first.model_copy(update={"document": str(number)}) for number in range(600)]
    assert await feeds.write(FEED, b"", members) == 499
    assert len(await AlertStore(watch.store).members(first.id)) == 500


# As a user has it.


def write_fixtures(folder: Path) -> None:
    folder.mkdir()
    for report in LAUNCH:
        time = (BEGAN + report.get("hours", 0) * HOUR).isoformat()
        front = {"title": report["title"], "published": time, "feed": f"agency {report['language']}"}
        text = f"---\n{yaml.safe_dump(front, allow_unicode=True)}---\n{report['text']}"
        (folder / f"{report['language']}.txt").write_text(text)


def test_replay_shows_one_object_for_a_story(tmp_path: Path) -> None:
    write_fixtures(tmp_path / "reports")
    (tmp_path / "rules.yaml").write_text(
        "rules: [DPRK + missile, {id: four, match: missile, when: {sources: 4}},"
        " {id: two, match: DPRK, when: {languages: 2}}]"
    )
    command = ["replay", tmp_path / "reports", "--rules", tmp_path / "rules.yaml", "--format", "ndjson"]
    result = monitor(*command)
    assert result.returncode == 0, result.stderr
    alerts = [json.loads(line) for line in result.stdout.splitlines()]
    assert [alert["rule"] for alert in alerts] == ["DPRK + missile", "two"]
    for alert in alerts:
        assert (alert["document"], alert["documents"]) == ("en.txt", ["en.txt", "id.txt", "ko.txt"])
        assert alert["sources"] == ["agency en", "agency id", "agency ko"]
        assert alert["languages"] == ["en", "id", "ko"]
        assert (alert["first_seen"], alert["last_seen"]) == ("2026-11-18T06:00:00Z", "2026-11-18T07:00:00Z")
    expected = tmp_path / "expect.yaml"
    expected.write_text("{en.txt: ['DPRK + missile', two], id.txt: ['DPRK + missile', two], ko.txt: [two]}")
    compared = monitor(*command, "--expect", expected)
    assert (compared.returncode, compared.stderr.splitlines()[1:]) == (1, ["+ ko.txt: DPRK + missile"])
    (tmp_path / "said.ndjson").write_text(result.stdout)
    assert monitor(*command, "--expect", tmp_path / "said.ndjson").returncode == 0


@pytest.mark.slow
def test_the_daemon_tells_of_a_story_once_and_the_command_says_why(tmp_path: Path, site: Site) -> None:
    for report in LAUNCH:
        entry = item(report["language"], report["title"], report["text"].replace("\n", "&lt;p&gt;"))
        site.replies[f"/{report['language']}"] = Reply(rss(entry, title=report["language"]))
    site.replies["/hook"] = Reply()
    feeds = [
        {"url": f"{site.url}/{report['language']}", "name": report["language"], "every": "1s", "full_text": "never"}
        for report in LAUNCH
    ]
    config = configure(tmp_path, site, feeds=feeds, archive={"dir": "archive"})
    (tmp_path / "rules.yaml").write_text("rules: [DPRK + missile]")
    with daemon(config, log=tmp_path / "log") as process:
        wait_until(lambda: (tmp_path / "log").read_text().count("polled feed") == 3)
        wait_until(lambda: received(site))
        [alert] = received(site)
        shown = monitor("story", "show", alert["id"], "--config", config)
        assert shown.returncode == 0, shown.stderr
        lines = shown.stdout.splitlines()
        assert lines[0] == f"story {alert['story']}: 3 articles, 3 sources"
        assert [line.strip().split(":")[0] for line in lines if line.startswith("  ")][2::3] == [
            "began the story", "joined", "joined",
        ]  # fmt: skip
        told = json.loads(monitor("story", "show", alert["id"], "--json", "--config", config).stdout)
        assert {member["language"] for member in told["members"]} == {"en", "id", "ko"}
        process.terminate()
        assert process.wait(timeout=10) == 0
    assert len(received(site)) == 1
    stats = monitor("archive", "stats", "--config", config)
    assert stats.returncode == 0
    unknown = monitor("story", "show", "nonsense", "--config", config)
    assert unknown.returncode == 2
    assert "no alert of the last 30 days" in unknown.stderr


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("{sources: 0}", "sources"),
        ("{within: 2h}", "ask for sources or languages"),
        ("{source: 3}", 'did you mean "sources"'),
        ("{sources: 3, within: soon}", '"soon" is no duration'),
    ],
)
def test_a_mistake_in_when_is_said_with_its_place(when: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(f"rules:\n  - id: a\n    match: missile\n    when: {when}\n")
    result = monitor("rules", "check", "--rules", file)
    assert result.returncode == 2
    assert said in result.stderr
    assert "rules.yaml:4:" in result.stderr
