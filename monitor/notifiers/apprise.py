"""Alerts to any of the services that Apprise knows: one target a receiver.

Apprise asks the web by itself, not through our door: http.allow_private and http.timeout do not hold for it.
"""

import asyncio

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from monitor.alerts.render import as_text, heading, news_of
from monitor.errors import TemporaryError
from monitor.http import Http
from monitor.models import Notification
from monitor.notifiers.templates import TemplateText, compiled

try:
    import apprise
except ImportError:
    raise ImportError("install it with: pip install 'monitord[apprise]'") from None


class AppriseOptions(BaseModel):
    """Which service, and the user's own forms."""

    model_config = ConfigDict(extra="forbid")

    url: SecretStr = Field(description="a target as Apprise writes it, such as ntfy://topic or tgram://token/chat")
    title: TemplateText | None = Field(None, description="a template of the title")
    body: TemplateText | None = Field(None, description="a template of the text")

    @field_validator("url")
    @classmethod
    def _known(cls, value: SecretStr) -> SecretStr:
        _target(value.get_secret_value())
        return value


class Apprise:
    """Hands title and text over in a thread; whether the service took them is all that Apprise says."""

    Options = AppriseOptions

    def __init__(self, options: AppriseOptions, http: Http) -> None:
        self._url = options.url.get_secret_value()
        self._title = compiled(options.title) if options.title else heading
        self._body = compiled(options.body) if options.body else text_of

    async def send(self, notification: Notification) -> None:
        forms = (self._title, self._body) if notification.alerts else (heading, text_of)
        title, body = (form(notification) for form in forms)
        if not await asyncio.to_thread(_notify, self._url, title, body):
            raise TemporaryError("the service did not take it; Apprise's own log says why")


def text_of(notification: Notification) -> str:
    """All alerts as plain text; of a notice its text."""
    return "\n\n".join(map(as_text, news_of(notification))) or notification.text


def _notify(url: str, title: str, body: str) -> bool:
    return bool(_target(url).notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT))


def _target(url: str) -> apprise.Apprise:
    """The one target of a URL; raises ValueError, which does not show it."""
    made = apprise.Apprise()
    if not made.add(url) or len(made) != 1:
        raise ValueError("this is no target that Apprise knows, or more than one; see the list of its services")
    return made
