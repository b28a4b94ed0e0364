"""What is remembered of a feed between polls, besides its entries, and how each poll changes it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, time, timedelta
from statistics import median
from typing import Any, Self

MOVED_AFTER = 3  # polls that have to agree on a permanent redirect; as many failures undo it
GONE_AFTER = 3
GAPS = 16
TEXTS = 20  # entries that have to be counted before the share that gave text says something
_MAX_BYTES = 700
_MAX_ETAG = 200
_MAX_LAST_MODIFIED = 40
_MAX_REASON = 200
_MAX_URL = 150
_LONGEST_GAP = 10 * 366 * 24 * 60
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that is remembered of a feed; times are aware, kept to the second, `due` to the millisecond.

    `wish` is how often the document asks to be fetched. `newest` is when its last publication came out, and `gaps`
    are the minutes between the last ones, oldest first; what comes out within a minute of another is one with it.
    `delay` is the smoothed time from publication to sight. `text_share` is the smoothed share of entries whose page
    gave text, of `texts` counted (20 at most); `had_text`: it was a half or more once 20 were. `told` are the
    troubles that people were told of and that have not ended.
    """

    etag: str = ""
    last_modified: str = ""
    body: str = ""
    due: datetime | None = None
    last_attempt: datetime | None = None
    last_success: datetime | None = None
    failures: int = 0
    first_failure: datetime | None = None
    reason: str = ""
    gone: int = 0
    redirect_to: str = ""
    redirects: int = 0
    wish: timedelta | None = None
    newest: datetime | None = None
    gaps: tuple[int, ...] = ()
    delay: timedelta | None = None
    text_share: float = 0.0
    texts: int = 0
    had_text: bool = False
    told: frozenset[str] = frozenset()

    @property
    def moved_to(self) -> str:
        """Where the feed is to be polled instead, once enough polls were sent there; else nothing."""
        return self.redirect_to if self.redirects >= MOVED_AFTER else ""

    def after_success(self, now: datetime, published: Iterable[datetime | None] = ()) -> Self:
        """The feed answered; `published` are the times that its new entries claim, None where they claim none."""
        # Midnight to the second is a day without a time.
        claims = [claim if claim and claim.time() != time() else None for claim in published]
        noted = self._with_publications(claims, now)._with_delay(claims, now)
        return replace(noted, last_success=now, failures=0, first_failure=None, reason="", gone=0)

    def after_failure(self, now: datetime, reason: str, *, gone: bool = False) -> Self:
        """The feed could not be fetched or read, for a reason that is kept as one line; `gone`: it answered 410."""
        failures = self.failures + 1
        stray = bool(self.moved_to) and failures >= MOVED_AFTER
        return replace(
            self,
            failures=failures,
            first_failure=self.first_failure or now,
            reason=_cut(" ".join(reason.split()), _MAX_REASON),
            gone=self.gone + gone,
            redirect_to="" if stray else self.redirect_to,
            redirects=0 if stray else self.redirects,
        )

    def after_redirect(self, to: str | None) -> Self:
        """The poll ended at `to` by permanent redirects alone; None: it did not, or was sent to `moved_to` at once."""
        if to is None:
            return self if self.moved_to else replace(self, redirect_to="", redirects=0)
        if len(to.encode()) > _MAX_URL:
            return replace(self, redirect_to="", redirects=0)
        agreed = self.redirects + 1 if to == self.redirect_to else 1
        return replace(self, redirect_to=to, redirects=min(agreed, MOVED_AFTER))

    def after_texts(self, given: int, asked: int) -> Self:
        """Of `asked` pages of new entries, `given` had text; the last ten or so weigh as much as all before them."""
        if not asked:
            return self
        weight = min(self.texts, TEXTS // 2)
        share = round((self.text_share * weight + given) / (weight + asked), 3)
        texts = min(self.texts + asked, TEXTS)
        had = self.had_text or (texts >= TEXTS and share >= 0.5)
        return replace(self, text_share=share, texts=texts, had_text=had)

    def planned(self, due: datetime | None, now: datetime) -> Self:
        """Close a poll: the next is `due`. Last, since the wait before this poll is known from these two fields."""
        return replace(self, due=due, last_attempt=now)

    def encode(self) -> dict[str, str]:
        """Short keys and plain texts, of what is set; at most 700 bytes, for which the reason is cut if need be.

        An ETag over 200 characters, which few servers send and none needs, is not kept.
        """
        texts = {}
        for field in fields(self):
            value = getattr(self, field.name)
            key, write, _ = _CODEC[field.name]
            if value != field.default:
                texts[key] = write(value)
        for name, most in (("etag", _MAX_ETAG), ("last_modified", _MAX_LAST_MODIFIED)):
            if len(texts.get(_CODEC[name][0], "").encode("utf-8", "replace")) > most:
                del texts[_CODEC[name][0]]
        if self.reason:
            texts["r"] = _cut(self.reason, min(_MAX_REASON, _MAX_BYTES - size(texts | {"r": ""})))
        return texts

    @classmethod
    def decode(cls, texts: Mapping[str, str]) -> Self:
        """Read what `encode` wrote; a field that is missing or broken has its default, others are passed over."""
        values = {}
        for name, (key, _, read) in _CODEC.items():
            try:
                values[name] = read(texts[key])
            except (KeyError, ValueError, OverflowError, OSError, TypeError):
                continue
        return cls(**values)

    def _with_publications(self, claims: list[datetime | None], now: datetime) -> Self:
        """Note when entries came out: not before the last look, which did not show them, and not after this one.

        At the first look the entries without a time tell nothing of the rhythm: they count as one, come out now.
        """
        looked = self.last_success if self.last_success and self.last_success <= now else None
        newest = self.newest if self.newest and self.newest <= now else None
        moments = sorted(min(claim or now, now) for claim in claims if claim or looked or not any(claims))
        gaps = list(self.gaps)
        for moment in (max(moment, looked or moment) for moment in moments):
            if newest and moment - newest < _MINUTE:
                continue
            if newest:
                gaps.append(min(round((moment - newest) / _MINUTE), _LONGEST_GAP))
            newest = moment
        return replace(self, newest=newest, gaps=tuple(gaps[-GAPS:]))

    def _with_delay(self, claims: list[datetime | None], now: datetime) -> Self:
        """Smooth the delay. Older entries than the last look and a day are republished, not late."""
        if not self.last_success or self.last_success > now:
            return self
        oldest = self.last_success - timedelta(days=1)
        delays = [(now - min(claim, now)).total_seconds() for claim in claims if claim and claim >= oldest]
        if not delays:
            return self
        before = self.delay.total_seconds() if self.delay is not None else median(delays)
        return replace(self, delay=timedelta(seconds=round(before + (median(delays) - before) / 5)))


def size(texts: Mapping[str, str]) -> int:
    """The bytes of keys and values."""
    return sum(len(text.encode("utf-8", "replace")) for pair in texts.items() for text in pair)


def _cut(text: str, most: int) -> str:
    """At most so many bytes of a text, in whole characters."""
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")


def _seconds(value: datetime | timedelta) -> str:
    return str(int(value.timestamp() if isinstance(value, datetime) else value.total_seconds()))


def _time(text: str) -> datetime:
    return datetime.fromtimestamp(_count(text), UTC)


def _milliseconds(value: datetime) -> str:
    return str(int(value.timestamp() * 1000))


def _moment(text: str) -> datetime:
    return datetime.fromtimestamp(_count(text) / 1000, UTC)


def _span(text: str) -> timedelta:
    return timedelta(seconds=_count(text))


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise ValueError(text)
    return share


def _gaps(text: str) -> tuple[int, ...]:
    gaps = tuple(_count(gap) for gap in text.split(","))[-GAPS:]
    if not all(1 <= gap <= _LONGEST_GAP for gap in gaps):
        raise ValueError(text)
    return gaps


def _names(text: str) -> frozenset[str]:
    return frozenset(filter(None, text.split(",")))


_Codec = tuple[str, Callable[[Any], str], Callable[[str], Any]]
_CODEC: dict[str, _Codec] = {
    "etag": ("e", str, str),
    "last_modified": ("m", str, str),
    "body": ("b", str, str),
    "due": ("d", _milliseconds, _moment),
    "last_attempt": ("a", _seconds, _time),
    "last_success": ("s", _seconds, _time),
    "failures": ("n", str, _count),
    "first_failure": ("f", _seconds, _time),
    "reason": ("r", str, str),
    "gone": ("g", str, _count),
    "redirect_to": ("u", str, str),
    "redirects": ("un", str, _count),
    "wish": ("w", _seconds, _span),
    "newest": ("p", _seconds, _time),
    "gaps": ("pg", lambda gaps: ",".join(map(str, gaps)), _gaps),
    "delay": ("l", _seconds, _span),
    "text_share": ("t", str, _share),
    "texts": ("tn", str, _count),
    "had_text": ("th", lambda had: str(int(had)), lambda text: bool(_count(text))),
    "told": ("k", lambda names: ",".join(sorted(names)), _names),
}
