"""`monitor.yaml`: what a user can set, where it is looked for, and what is said when it is wrong."""

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from monitor import __version__, yamlfile
from monitor.errors import InputError, Problem
from monitor.models import Access, Extract, FullText

_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(kB|MB|GB|TB)", re.IGNORECASE)
_BYTES = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_VARIABLE = re.compile(r"\$\$|\$\{([^}]*)\}")


def parse_duration(value: Any) -> timedelta:
    """Read `90s`, `2m`, `1h30m`, `7d`; raises ValueError."""
    if isinstance(value, timedelta):
        return value
    text = str(value).replace(" ", "")
    if not text or _NUMBER.sub("", text):
        raise ValueError(f'"{value}" is no duration; write a number and a unit, such as 30s, 5m, 12h or 2d')
    try:
        return sum((timedelta(**{_UNITS[unit]: float(number)}) for number, unit in _NUMBER.findall(text)), timedelta())
    except OverflowError:
        raise ValueError(f'"{value}" is longer than anybody will live') from None


def _parse_size(value: Any) -> int:
    """Read `500MB` or `10GB` as bytes; raises ValueError."""
    found = _SIZE.fullmatch(str(value).strip())
    if not isinstance(value, int) and not found:
        raise ValueError(f'"{value}" is no size; write a number and a unit, such as 500MB or 10GB')
    return int(float(found[1]) * _BYTES[found[2].lower()]) if found else int(value)


def _parse_network(value: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(str(value), strict=False)
    except ValueError:
        raise ValueError(f'"{value}" is no network; write one such as 10.0.0.0/8 or ::1/128') from None


def _parse_http_url(value: str) -> str:
    if not isinstance(value, str):
        raise ValueError("a URL is expected, such as https://example.org/feed.xml")
    try:
        parts = urlsplit(value.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\\]", value.strip()):
        raise ValueError(f'"{value}" is no URL that can be fetched; it has to begin with http:// or https://')
    return value.strip()


def _one_line(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not (name + text).isascii() or not (name + text).isprintable():
            raise ValueError(f'the header "{name}" may hold only plain ASCII characters, on one line')
    return value


def _one_word(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not re.fullmatch(r"[!-:<-~]*", name + text):
            raise ValueError(f'the cookie "{name}" may hold only plain ASCII characters, and no space or semicolon')
    return value


OptionsOf = Callable[[str], type[BaseModel]]
Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(_parse_size)]
Network = Annotated[ipaddress.IPv4Network | ipaddress.IPv6Network, BeforeValidator(_parse_network)]
HttpUrl = Annotated[str, BeforeValidator(_parse_http_url)]
Headers = Annotated[dict[str, str], AfterValidator(_one_line)]
Cookies = Annotated[dict[str, str], AfterValidator(_one_word)]


class Strict(BaseModel):
    """A mapping that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RedisConfig(Strict):
    """Where state and streams live; without `url`, an embedded server in the state directory."""

    url: str | None = Field(None, description="redis://, rediss:// or unix://; absent: the embedded server")
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
        return value


class AuthConfig(Strict):
    """Who asks, where a site wants to know (basic authentication)."""

    user: str
    password: str


class FeedConfig(Strict):
    """One feed; a bare URL is one too."""

    url: HttpUrl
    name: str = ""
    every: Duration | None = Field(None, description="how often it is polled; absent: as often as it publishes")
    tags: tuple[str, ...] = ()
    language: str | None = Field(None, description="its language, where it does not say so itself")
    full_text: FullText = Field("auto", description="auto: the page, or else the feed's own text; always; never")
    headers: Headers = Field(default_factory=dict, description="sent to the feed's own site only")
    cookies: Cookies = Field(default_factory=dict, description="sent to the feed's own site only")
    auth: AuthConfig | None = Field(None, description="for the feed's own site only")
    proxy: HttpUrl | None = Field(None, description="an HTTP proxy for this feed and its pages")

    @model_validator(mode="before")
    @classmethod
    def _bare_url(cls, value: Any) -> Any:
        return {"url": value} if isinstance(value, str) else value

    @field_validator("every")
    @classmethod
    def _at_least_a_second(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value < timedelta(seconds=1):
            raise ValueError("a feed can be polled once a second at most; write 1s or more")
        return value

    @property
    def access(self) -> Access:
        """How its pages are asked for; what is secret in it goes to the feed's own site only."""
        auth = (self.auth.user, self.auth.password) if self.auth else None
        return Access(self.url, self.headers, self.cookies, auth, self.proxy or "")

    @property
    def address(self) -> str:
        """Its URL as logs and alerts show it: without a user and password in it."""
        return re.sub("(?<=//)[^/?#]*@", "", self.url)

    @property
    def title(self) -> str:
        return self.name or urlsplit(self.url).hostname or self.url


class PollConfig(Strict):
    """When feeds are polled that have no `every`, and how far back their first poll looks."""

    min: Duration = Field(timedelta(minutes=2), description="the shortest time between two polls of a feed")
    max: Duration = Field(timedelta(hours=12), description="the longest one, after failures too")
    max_age: Duration = Field(timedelta(hours=48), description="older entries raise no alert when first seen")

    @model_validator(mode="after")
    def _in_order(self) -> "PollConfig":
        if not timedelta(seconds=1) <= self.min <= self.max:
            raise ValueError("min has to be 1s at least, and max no shorter than min")
        return self


class ReceiverConfig(BaseModel):
    """Who is told, and how: `type` names a notifier, the rest are its options."""

    model_config = ConfigDict(extra="allow", frozen=True)
    type: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


_CONSOLE = {"console": ReceiverConfig(type="console")}  # who is told where nobody is named


class RouteConfig(Strict):
    """Which receivers get the alerts; absent: all of them."""

    receiver: tuple[str, ...] = Field(min_length=1, description="the name of a receiver, or a list of names")

    @field_validator("receiver", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


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
        if value < _BYTES["mb"]:
            raise ValueError("that holds next to nothing; write 1MB or more")
        return value


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
    rules: tuple[Path, ...] = Field((Path("rules"),), description="rule files, or folders of them")
    feeds: tuple[FeedConfig, ...] = ()
    feeds_file: Path = Field(Path("feeds.yaml"), description="where `monitor feeds add` and `import` write; a list")
    poll: PollConfig = PollConfig()
    extract: Extract = Field("lazy", description="always, or lazy: articles that no rule can match are left alone")
    receivers: dict[str, ReceiverConfig] = Field(default_factory=lambda: dict(_CONSOLE))
    route: RouteConfig | None = None
    http: HttpConfig = HttpConfig()
    stories: StoriesConfig = StoriesConfig()
    archive: ArchiveConfig | None = Field(None, description="where every article is kept; absent: nowhere")
    demo: Path | None = Field(None, description="a folder of fixtures to serve on this machine and poll as feeds")

    @field_validator("rules", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @property
    def route_to(self) -> tuple[str, ...]:
        """The names of the receivers that every alert goes to."""
        return self.route.receiver if self.route else tuple(self.receivers)


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
    """
    document = yamlfile.read(path)
    if document.value is not None and not isinstance(document.value, dict):
        raise InputError([document.problem((), "a mapping such as `feeds: [...]` was expected")])
    document.value = _override(document.value or {}, document, environ)
    document.value = _substitute(document.value, (), document, environ)
    problems = list(document.problems)
    try:
        config = yamlfile.validate(Config, document)
    except InputError as error:
        problems += error.problems
        listed: tuple[FeedConfig, ...] = ()
    else:
        problems += _feed_problems(config, document)
        listed = _listed(config, path.resolve().parent, problems)
    problems += [*_receiver_problems(document, options_of), *_route_problems(document)]
    if problems:
        raise InputError(problems)
    return _absolute(config, path.resolve().parent, options_of, environ).model_copy(
        update={"feeds": (*config.feeds, *listed)}
    )


def read_feeds(path: Path) -> tuple[FeedConfig, ...]:
    """The feeds of a list that `monitor feeds` keeps; none where there is no such file. Raises InputError."""
    if not path.exists():
        return ()
    document = yamlfile.read(path)
    written = {"feeds": document.value}
    places = {("feeds", *place): where for place, where in document.places.items()}
    inner = yamlfile.Document(document.name, written, places, document.problems)
    return yamlfile.validate(_FeedList, inner).feeds


class _FeedList(Strict):
    feeds: tuple[FeedConfig, ...] = ()


def _listed(config: Config, folder: Path, problems: list[Problem]) -> tuple[FeedConfig, ...]:
    """The feeds of `feeds_file`, without those that the configuration itself has: what a user writes there counts."""
    try:
        listed = read_feeds(folder / config.feeds_file.expanduser())
    except InputError as error:
        problems += error.problems
        return ()
    own = {feed.url for feed in config.feeds}
    return tuple({feed.url: feed for feed in listed if feed.url not in own}.values())


def _feed_problems(config: Config, document: yamlfile.Document) -> list[Problem]:
    first: dict[str, int] = {}
    return [
        document.problem(("feeds", index), f"this feed stands already at {document.place(('feeds', first[feed.url]))}")
        for index, feed in enumerate(config.feeds)
        if first.setdefault(feed.url, index) != index
    ]


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


def _route_problems(document: yamlfile.Document) -> list[Problem]:
    named = _mapping(document.value, "route").get("receiver")
    known = set(_mapping(document.value, "receivers")) or {"console"}
    listed = ", ".join(sorted(known))
    return [
        document.problem(
            ("route", "receiver", index),
            f'route: no receiver is called "{name}"{yamlfile.suggest(str(name), known)}; known: {listed}',
        )
        for index, name in enumerate(named if isinstance(named, list) else [named])
        if name is not None and name not in known
    ]


def _mapping(value: Any, key: str) -> dict[str, Any]:
    inner = value.get(key)
    return inner if isinstance(inner, dict) else {}


def _override(value: dict[str, Any], document: yamlfile.Document, environ: Mapping[str, str]) -> dict[str, Any]:
    """Let variables such as MONITOR_REDIS__URL set a key, two underscores for each step down."""
    for variable in sorted(environ):
        first, *rest = variable.removeprefix("MONITOR_").lower().split("__")
        if not variable.startswith("MONITOR_") or first not in Config.model_fields:
            continue
        target = value
        for step, key in enumerate([first, *rest][:-1]):
            target = target.setdefault(key, {})
            if not isinstance(target, dict):
                document.problems.append(Problem(variable, f"{'.'.join([first, *rest][: step + 1])} is no mapping"))
                break
        else:
            target[[first, *rest][-1]] = yamlfile.parse(environ[variable], variable).value
    return value


def _substitute(value: Any, path: yamlfile.Path_, document: yamlfile.Document, environ: Mapping[str, str]) -> Any:
    """Put the environment's variables in the place of ${NAME}; $$ is a dollar."""
    if isinstance(value, dict):
        return {key: _substitute(inner, (*path, key), document, environ) for key, inner in value.items()}
    if isinstance(value, list):
        return [_substitute(inner, (*path, index), document, environ) for index, inner in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return "$"
        if name not in environ:
            document.problems.append(document.problem(path, f"the environment has no variable {name}; set it"))
        return environ.get(name, "")

    return _VARIABLE.sub(replace, value)


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
