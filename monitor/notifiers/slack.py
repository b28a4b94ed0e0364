"""Alerts in a Slack channel: by an incoming webhook, or by a bot that keeps a story's updates in a thread."""

import json
import re
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from monitor.config import HttpUrl
from monitor.errors import FetchError, PermanentError, TemporaryError
from monitor.http import Answer, Http
from monitor.http.targets import target_of
from monitor.models import Notification
from monitor.notifiers.answers import answers, judge, post, retry_after
from monitor.notifiers.slack_blocks import Block, Forms, encoded, message, value
from monitor.notifiers.templates import TemplateText, compiled

# What Slack says where this very message is at fault; anything else may be mended, here or there.
_REFUSALS = frozenset(
    {"invalid_arguments", "invalid_attachments", "invalid_blocks", "invalid_blocks_format", "invalid_payload"}
    | {"msg_blocks_too_long", "msg_too_long", "no_text", "too_many_attachments"}
)
_REMEDIES = {
    "channel_not_found": "name the channel by its id, such as C0123456789",
    "is_archived": "take the channel out of the archive, or name another",
    "not_in_channel": "invite the bot to the channel: /invite @its-name",
    "missing_scope": "give the bot the scope chat:write",
}
_GONE = frozenset({"cant_update_message", "edit_window_closed", "message_not_found", "thread_not_found"})
_HEADERS = {"content-type": "application/json; charset=utf-8"}


class GoneError(PermanentError):
    """The message that was to be edited or answered is no more, or cannot be edited any more."""


class SlackOptions(BaseModel):
    """A `webhook`, or a bot's `token` and a `channel`."""

    model_config = ConfigDict(extra="forbid")

    webhook: SecretStr | None = Field(None, description="the URL of an incoming webhook")
    token: SecretStr | None = Field(None, description="a bot's token (xoxb-…) with the scope chat:write")
    channel: str = Field("", description="its id, such as C0123456789; with `token`")
    api: HttpUrl = Field("https://slack.com/api", description="Slack's API, or a gateway on the way to it")
    title: TemplateText | None = Field(None, description="a template of an alert's title")
    body: TemplateText | None = Field(None, description="a template of what stands below it, in Slack's mrkdwn")

    @field_validator("webhook")
    @classmethod
    def _is_a_url(cls, given: SecretStr | None) -> SecretStr | None:
        try:
            target_of(given.get_secret_value() if given else "https://slack.com")
        except FetchError:
            raise ValueError("this is no URL; it begins with https://hooks.slack.com/services/") from None
        return given

    @field_validator("token")
    @classmethod
    def _is_a_word(cls, given: SecretStr | None) -> SecretStr | None:
        token = given.get_secret_value() if given else "none"
        if not token.isascii() or not token.isprintable() or not token or " " in token:
            raise ValueError("this is no token; it begins with xoxb-")
        return given

    @model_validator(mode="after")
    def _one_way(self) -> "SlackOptions":
        if bool(self.webhook) == bool(self.token) or bool(self.token) != bool(self.channel):
            raise ValueError("either webhook, or token and channel, has to be set")
        return self


class Slack:
    """Posts to one channel. What it returns is `channel ts alerts`: where its message stands, and how many it holds."""

    Options = SlackOptions
    pace = 1.0  # what Slack takes of a channel

    def __init__(self, options: SlackOptions, http: Http) -> None:
        self._options = options
        self._http = http
        title = compiled(options.title) if options.title else None
        self._forms = Forms(title, compiled(options.body, value) if options.body else None)

    async def send(self, notification: Notification) -> str | None:
        if self._options.webhook:
            url = self._options.webhook.get_secret_value()
            judge_webhook(await post(self._http, url, encoded(self._message(notification)), _HEADERS))
            return None
        if notification.kind != "update":
            return await self._post(notification)
        receipts = {alert.id: notification.receipts.get(alert.id, "") for alert in notification.alerts}
        fresh = [alert for alert in notification.alerts if not receipts[alert.id]]
        for receipt in dict.fromkeys(filter(None, receipts.values())):
            alerts = tuple(alert for alert in notification.alerts if receipts[alert.id] == receipt)
            await self._answer(notification.model_copy(update={"alerts": alerts}), receipt)
        return await self._post(notification.model_copy(update={"alerts": tuple(fresh)})) if fresh else None

    async def reach(self) -> str:
        """Ask whom the token belongs to; of a webhook, whether its host answers. Raises NotifyError."""
        if self._options.webhook:
            return await answers(self._http, self._options.webhook.get_secret_value())
        said = await self._call("auth.test", {})
        return f"knows the bot {said.get('user', '')} of {said.get('team', '')}"

    async def _answer(self, update: Notification, receipt: str) -> None:
        """Bring a message up to date, then answer it in its thread; where it has gone, post anew.

        In this order: the first does no harm when it is done again.
        """
        channel, ts, held = receipt.split()
        if held == "1":
            current = update.model_copy(update={"kind": "alert"})
            with suppress(GoneError):
                await self._call("chat.update", {"channel": channel, "ts": ts} | self._message(current))
        try:
            await self._call("chat.postMessage", {"channel": channel, "thread_ts": ts} | self._message(update))
        except GoneError:
            await self._post(update)

    async def _post(self, notification: Notification) -> str:
        said = await self._call("chat.postMessage", {"channel": self._options.channel} | self._message(notification))
        return f"{said.get('channel') or self._options.channel} {said.get('ts')} {len(notification.alerts)}"

    def _message(self, notification: Notification) -> Block:
        return message(notification, self._forms)

    async def _call(self, method: str, arguments: Block) -> dict[str, Any]:
        token = self._options.token.get_secret_value() if self._options.token else ""
        headers = _HEADERS | {"authorization": f"Bearer {token}"}
        return judge_api(await post(self._http, f"{self._options.api}/{method}", encoded(arguments), headers))


def judge_api(answer: Answer) -> dict[str, Any]:
    """What a method of the API answered; raises TemporaryError, PermanentError, and GoneError."""
    try:
        said = json.loads(answer.body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        judge(answer)
        raise TemporaryError("this is no answer of Slack's API; look at the option api")
    error = _word(str(said.get("error", "")))
    if said.get("ok") is True:
        return said
    if error in _GONE:
        raise GoneError(error)
    if error in _REFUSALS:
        raise PermanentError(error)
    raise TemporaryError(_with_remedy(error) or f"HTTP {answer.status}", retry_after=retry_after(answer.headers))


def judge_webhook(answer: Answer) -> None:
    """What an incoming webhook answered, a word in plain text; raises TemporaryError and PermanentError."""
    error = _word(answer.body.decode("utf-8", "replace"))
    # 400 is also what it says where the webhook itself is at fault.
    if answer.status == 400 and error and error not in _REFUSALS:
        raise TemporaryError(f"HTTP 400: {_with_remedy(error)}")
    judge(answer, _with_remedy(error))


def _word(text: str) -> str:
    """An error's name; nothing where it is none, such as a page of some proxy."""
    return text if re.fullmatch("[a-z_]{1,60}", text) else ""


def _with_remedy(error: str) -> str:
    return f"{error}; {_REMEDIES[error]}" if error in _REMEDIES else error
