"""Alerts as JSON, by POST to a URL, signed as Standard Webhooks has it (standardwebhooks.com)."""

import base64
import binascii
import hashlib
import hmac
import time
from typing import Annotated
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from monitor.alerts.render import as_message
from monitor.config import Headers, HttpUrl
from monitor.config.fields import SECRET_URL
from monitor.http import Http
from monitor.models import Notification
from monitor.notifiers.answers import answers, judge, post

_PREFIX = "whsec_"


class WebhookOptions(BaseModel):
    """Where to, with what headers besides our own, and what they are signed with."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[HttpUrl, SECRET_URL]
    headers: Headers = Field(default_factory=dict, description="such as Authorization: Bearer ${TOKEN}")
    secret: SecretStr | None = Field(None, description="whsec_ and 24 to 64 bytes in base64; absent: unsigned")

    @field_validator("secret")
    @classmethod
    def _usable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _key(value.get_secret_value())
        return value


class Webhook:
    """Posts what `as_message` says; the header `webhook-id` is the key, the same at every attempt."""

    Options = WebhookOptions

    def __init__(self, options: WebhookOptions, http: Http) -> None:
        self._options = options
        self._http = http

    async def send(self, notification: Notification) -> None:
        body = as_message(notification).encode()
        secret = self._options.secret.get_secret_value() if self._options.secret else ""
        headers = headers_for(notification.key, int(time.time()), body, secret)
        judge(await post(self._http, self._options.url, body, headers | self._options.headers))

    async def reach(self) -> str:
        """Whether its host answers; raises NotifyError."""
        return await answers(self._http, self._options.url)


def headers_for(key: str, timestamp: int, body: bytes, secret: str) -> dict[str, str]:
    """The headers of a message that is sent at `timestamp` (Unix seconds); with an empty secret it is not signed."""
    identifier = quote(key, safe="@:+")
    headers = {"content-type": "application/json", "webhook-id": identifier, "webhook-timestamp": str(timestamp)}
    if secret:
        signed = f"{identifier}.{timestamp}.".encode() + body
        digest = hmac.digest(_key(secret), signed, hashlib.sha256)
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers


def _key(secret: str) -> bytes:
    """The bytes of a secret; raises ValueError, which does not show it."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError("this is no signing secret; make one with: echo whsec_$(openssl rand -base64 32)") from None
    return key
