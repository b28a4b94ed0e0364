"""What a web server's answer to a message means."""

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from monitor.errors import FetchError, PermanentError, TemporaryError
from monitor.http import Answer, Http

# What says that this very message is at fault. Anything else (a wrong path, an expired token) somebody may mend.
_REFUSALS = frozenset({400, 405, 406, 411, 413, 414, 415, 422, 431, 451})
_LONGEST_WAIT = timedelta(hours=24)


async def post(http: Http, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send a body; raises TemporaryError where no answer comes. The URL, which may be secret, is in no reason."""
    try:
        return await http.post(url, body, headers)
    except FetchError as error:
        raise TemporaryError(error.reason.replace(url, "the URL")) from None


async def answers(http: Http, url: str) -> str:
    """Whether a host answers, whatever it does; raises TemporaryError. Nothing is posted."""
    host = urlsplit(url).hostname or ""
    try:
        await http.get(f"{url.split('://')[0]}://{urlsplit(url).netloc}/")
    except FetchError as error:
        if error.status is None:
            raise TemporaryError(error.reason) from None
    return f"{host} answers"


def judge(answer: Answer, said: str = "") -> None:
    """Raise what an answer means: nothing for a 2xx, TemporaryError where it may change, or PermanentError.

    `said` is what the body says of it in a word or two.
    """
    if 200 <= answer.status < 300:
        return
    reason = f"HTTP {answer.status}: {said}" if said else f"HTTP {answer.status}"
    if answer.status in _REFUSALS:
        raise PermanentError(reason)
    raise TemporaryError(reason, retry_after=retry_after(answer.headers))


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """How long an answer asks to wait, a day at most; None where it does not say so in seconds."""
    value = headers.get("retry-after", "")
    return min(timedelta(seconds=int(value)), _LONGEST_WAIT) if value.isdigit() and len(value) < 10 else None
