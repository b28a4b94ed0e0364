"""`monitor.yaml`: what a user can set, where it is looked for, and what is said when it is wrong."""

import logging
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from monitor import __version__, yamlfile
from monitor.config.environment import override, substitute
from monitor.config.feeds import AuthConfig, FeedConfig, PollConfig, listed, read_feeds, repeated
from monitor.config.fields import (
    MEGABYTE,
    ONE_OR_MANY,
    SECRET_URL,
    Cookies,
    Duration,
    Headers,
    HttpUrl,
    Network,
    Size,
    Strict,
    parse_duration,
)
from monitor.config.route import InhibitRule, RouteConfig, route_problems, tree_problems
from monitor.config.secrets import OptionsOf, read_files, secrets_in
from monitor.config.times import TimeInterval
from monitor.config.web import WebConfig
from monitor.errors import InputError, Problem
from monitor.models import Extract
from monitor.secrecy import hide

__all__ = [
    "ArchiveConfig",
    "AuthConfig",
    "Config",
    "Cookies",
    "Duration",
    "FeedConfig",
    "Headers",
    "HttpConfig",
    "HttpUrl",
    "InhibitRule",
    "LogConfig",
    "Network",
    "PerHostConfig",
    "PollConfig",
    "ReceiverConfig",
    "RedisConfig",
    "RouteConfig",
    "Size",
    "Strict",
    "TimeInterval",
    "WebConfig",
    "find",
    "load",
    "parse_duration",
    "read_feeds",
]

log = logging.getLogger(__name__)


class RedisConfig(Strict):
    """Where state and streams live; without `url`, an embedded server in the state directory."""

    url: Annotated[str | None, SECRET_URL] = Field(
        None, description="redis://, rediss:// or unix://; absent: the embedded server"
    )
    lease: Duration = Field(timedelta(seconds=10), description="how long a silent process keeps its work")

    @field_validator("lease")
    @classmethod
    def _long_enough(cls, value: timedelta) -> timedelta:
        if value < timedelta(milliseconds=500):
            raise ValueError("a process cannot show that it lives so often; write 500ms or more")
        return value

    @field_validator("url")
    @classmethod
    def _scheme(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError(f'"{value}" is no Redis address; it has to begin with redis://, rediss:// or unix://')
        try:
            urlsplit(value or "").port  # noqa: B018 (reading it is the check)
        except ValueError:
            raise ValueError("the host or the port is wrong; write redis://HOST:6379/0, a port up to 65535") from None
        return value


class ReceiverConfig(BaseModel):
    """Who is told, and how: `type` names a notifier, the rest are its options."""

    model_config = ConfigDict(extra="allow", frozen=True)
    type: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


_CONSOLE = {"console": ReceiverConfig(type="console")}  # who is told where nobody is named


class PerHostConfig(Strict):
    """How much is asked of one host; webhooks are not counted."""

    concurrency: int = Field(2, ge=1, le=1000, description="requests at a time")
    rate: float = Field(1.0, gt=0, description="requests a second in the long run; ten may come at once after a rest")


class HttpConfig(Strict):
    """How feeds, pages and webhooks are reached."""

    user_agent: str = f"monitor/{__version__} (news feed monitor)"
    timeout: Duration = Field(timedelta(seconds=30), description="for one whole answer, redirects included")
    allow_private: tuple[Network, ...] = Field((), description="networks that may be reached though not public")
    per_host: PerHostConfig = PerHostConfig()
    robots: bool = Field(True, description="whether articles' pages that robots.txt forbids are left alone")

    @field_validator("user_agent")
    @classmethod
    def _plain(cls, value: str) -> str:
        if not value.isascii() or not value.isprintable():
            raise ValueError("a header may hold only plain ASCII characters")
        return value


class ArchiveConfig(Strict):
    """Where every article that was read is kept, a file a day; absent: nowhere."""

    dir: Path = Field(description="the folder; `monitor replay` and `match` read it as it is")
    keep: Duration = Field(timedelta(days=90), description="how long a day's file stays")
    max_size: Size = Field(10 * 10**9, description="bytes of all its files; the oldest go first")

    @field_validator("keep")
    @classmethod
    def _a_day_at_least(cls, value: timedelta) -> timedelta:
        if value < timedelta(days=1):
            raise ValueError("a file holds a day; write 1d or more")
        return value

    @field_validator("max_size")
    @classmethod
    def _room_for_a_day(cls, value: int) -> int:
        if value < MEGABYTE:
            raise ValueError("that holds next to nothing; write 1MB or more")
        return value


class LogConfig(Strict):
    """What is written to standard error, a line an event."""

    format: Literal["text", "json"] = Field("text", description="text, for people and for the journal; json")
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="what is less is left out")


class StoriesConfig(Strict):
    """Which articles tell one story."""

    window: Duration = Field(timedelta(hours=72), description="how long after its first article others join a story")

    @field_validator("window")
    @classmethod
    def _within_reason(cls, value: timedelta) -> timedelta:
        if not timedelta(minutes=1) <= value <= timedelta(days=30):
            raise ValueError("a story is told for a while; write a time from 1m to 30d")
        return value


class Config(Strict):
    """The whole of monitor.yaml; paths are absolute once loaded."""

    redis: RedisConfig = RedisConfig()
    state_dir: Path | None = Field(None, description="where the embedded server keeps its data")
    rules: Annotated[tuple[Path, ...], ONE_OR_MANY] = Field(
        (Path("rules"),), description="rule files, or folders of them"
    )
    feeds: tuple[FeedConfig, ...] = ()
    feeds_file: Path = Field(Path("feeds.yaml"), description="where `monitor feeds add` and `import` write; a list")
    poll: PollConfig = PollConfig()
    extract: Extract = Field("lazy", description="always, or lazy: articles that no rule can match are left alone")
    receivers: dict[str, ReceiverConfig] = Field(default_factory=lambda: dict(_CONSOLE))
    route: RouteConfig = Field(RouteConfig(), description="who is told of which alert, and when")
    time_intervals: dict[str, Annotated[tuple[TimeInterval, ...], ONE_OR_MANY]] = Field(
        default_factory=dict, description="names to times of the clock, for mute_times and active_times"
    )
    inhibit_rules: tuple[InhibitRule, ...] = Field((), description="alerts that others make superfluous")
    http: HttpConfig = HttpConfig()
    stories: StoriesConfig = StoriesConfig()
    archive: ArchiveConfig | None = Field(None, description="where every article is kept; absent: nowhere")
    log: LogConfig = LogConfig()
    web: WebConfig | None = Field(None, description="where health and metrics are told; absent: nowhere")
    demo: Path | None = Field(None, description="a folder of fixtures to serve on this machine and poll as feeds")

    @property
    def route_to(self) -> tuple[str, ...]:
        """The names of the receivers of alerts that no route within the first one takes."""
        return self.route.receiver or tuple(self.receivers)


def find(environ: Mapping[str, str] = os.environ) -> Path:
    """Find the configuration where no --config names it; raises InputError."""
    user = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    places = [Path("monitor.yaml"), user / "monitor/monitor.yaml", Path("/etc/monitor/monitor.yaml")]
    for place in places:
        if place.is_file():
            return place
    looked = ", ".join(str(place) for place in places)
    raise InputError([Problem("configuration", f"none found; looked for {looked}; name one with --config FILE")])


def load(path: Path, options_of: OptionsOf, environ: Mapping[str, str] = os.environ) -> Config:
    """Read and check a configuration; raises InputError with every mistake in it.

    `options_of` gives the options model of a kind of receiver, or raises LookupError with the kinds that there are.
    Its secrets are shown nowhere from then on, in errors of this as little as elsewhere.
    """
    document = yamlfile.read(path)
    if document.value is not None and not isinstance(document.value, dict):
        raise InputError([document.problem((), "a mapping such as `feeds: [...]` was expected")])
    document.value = override(document.value or {}, Config.model_fields, document, environ)
    document.value = substitute(document.value, (), document, environ)
    for place, file in read_files(Config, document, path.resolve().parent, options_of):
        log.warning("%s: others may read %s; chmod o-rw %s", place, file, file)
    hide(secrets_in(Config, document.value, options_of))
    problems = list(document.problems)
    try:
        config = yamlfile.validate(Config, document)
    except InputError as error:
        problems += error.problems
        further: tuple[FeedConfig, ...] = ()
    else:
        problems += [*repeated(config.feeds, document), *tree_problems(config.route, config.time_intervals, document)]
        further = listed(path.resolve().parent / config.feeds_file.expanduser(), config.feeds, problems)
        hide(secrets_in(FeedConfig, [feed.model_dump() for feed in further], options_of))
    problems += _receiver_problems(document, options_of)
    receivers = set(_mapping(document.value, "receivers")) or set(_CONSOLE)
    problems += route_problems(document, receivers, set(_mapping(document.value, "time_intervals")))
    if problems:
        raise InputError(problems)
    return _absolute(config, path.resolve().parent, options_of, environ).model_copy(
        update={"feeds": (*config.feeds, *further)}
    )


def _receiver_problems(document: yamlfile.Document, options_of: OptionsOf) -> list[Problem]:
    """What is wrong with the options of receivers, whatever else is wrong; that one has no type, the schema says."""
    problems: list[Problem] = []
    for name, written in _mapping(document.value, "receivers").items():
        kind = written.get("type") if isinstance(written, dict) else None
        if not isinstance(kind, str):
            continue
        path = ("receivers", name)
        try:
            model = options_of(kind)
            yamlfile.validate(model, document, {key: written[key] for key in written if key != "type"}, path)
        except LookupError as error:
            problems.append(document.problem((*path, "type"), str(error)))
        except InputError as error:
            problems += error.problems
    return problems


def _mapping(value: Any, key: str) -> dict[str, Any]:
    inner = value.get(key)
    return inner if isinstance(inner, dict) else {}


def _absolute(config: Config, folder: Path, options_of: OptionsOf, environ: Mapping[str, str]) -> Config:
    """Resolve paths against the configuration's folder, and find a state directory where none is set."""
    state = environ.get("STATE_DIRECTORY") or Path(environ.get("XDG_STATE_HOME") or "~/.local/state") / "monitor"
    named = config.receivers or _CONSOLE
    receivers = {name: _rooted(receiver, folder, options_of) for name, receiver in named.items()}
    archive = config.archive and config.archive.model_copy(update={"dir": folder / config.archive.dir.expanduser()})
    return config.model_copy(
        update={
            "feeds_file": folder / config.feeds_file.expanduser(),
            "rules": tuple(folder / path.expanduser() for path in config.rules),
            "state_dir": folder / (config.state_dir or Path(state)).expanduser(),
            "archive": archive,
            "demo": config.demo and folder / config.demo.expanduser(),
            "receivers": receivers,
        }
    )


def _rooted(receiver: ReceiverConfig, folder: Path, options_of: OptionsOf) -> ReceiverConfig:
    """A receiver whose options that are paths are absolute."""
    options = options_of(receiver.type).model_validate(receiver.options)
    paths = {name: folder / value.expanduser() for name, value in options if isinstance(value, Path)}
    return ReceiverConfig(type=receiver.type, **receiver.options | paths)
