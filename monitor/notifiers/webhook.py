"""Alerts as JSON, by POST to a URL."""

from collections.abc import Mapping
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

from monitor.config import Headers, HttpUrl
from monitor.errors import FetchError, PermanentError, TemporaryError
from monitor.http import Answer, Http
from monitor.models import Notification

# What says that this very message is at fault. Anything else (a wrong path, an expired token) somebody may mend.
_REFUSALS = frozenset({400, 405, 406, 411, 413, 414, 415, 422, 431, 451})
_LONGEST_WAIT = timedelta(hours=24)


class WebhookOptions(BaseModel):
    """Where to, and with what headers besides our own."""

    model_config = ConfigDict(extra="forbid")

    url: HttpUrl
    headers: Headers = Field(default_factory=dict, description="such as Authorization: Bearer ${TOKEN}")


class Webhook:
    """Sends `{"key", "receiver", "alerts": [...]}`; the header `webhook-id` is the key, the same at every attempt."""

    Options = WebhookOptions

    def __init__(self, options: WebhookOptions, http: Http) -> None:
        self._options = options
        self._http = http

    async def send(self, notification: Notification) -> None:
        headers = {"Content-Type": "application/json", "webhook-id": notification.key, **self._options.headers}
        try:
            answer = await self._http.post(self._options.url, notification.model_dump_json().encode(), headers)
        except FetchError as error:
            raise TemporaryError(error.reason) from error
        judge(answer)


def judge(answer: Answer) -> None:
    """Raise what an answer means: nothing for a 2xx, TemporaryError where it may change, or PermanentError."""
    if 200 <= answer.status < 300:
        return
    reason = f"HTTP {answer.status}"
    if answer.status in _REFUSALS:
        raise PermanentError(reason)
    raise TemporaryError(reason, retry_after=_retry_after(answer.headers))


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    value = headers.get("retry-after", "")
    return min(timedelta(seconds=int(value)), _LONGEST_WAIT) if value.isdigit() and len(value) < 10 else None
