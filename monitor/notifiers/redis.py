"""Alerts for other programs, through a stream or a channel of Redis."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from monitor.alerts.render import as_message
from monitor.errors import StoreError, TemporaryError
from monitor.http import Http
from monitor.models import Notification
from monitor.store.publishing import Publisher


class RedisOptions(BaseModel):
    """Which Redis, and where in it."""

    model_config = ConfigDict(extra="forbid")

    url: SecretStr = Field(description="redis://, rediss:// or unix://; need not be the Redis that monitor uses")
    stream: str = Field("", description="a stream: kept for programs that read it later")
    channel: str = Field("", description="a channel: for those that listen at that moment")
    max_length: int = Field(10_000, ge=1, description="about how many entries the stream keeps")

    @field_validator("url")
    @classmethod
    def _address(cls, value: SecretStr) -> SecretStr:
        try:
            Publisher(value.get_secret_value())
        except ValueError:
            raise ValueError("this is no Redis address; it begins with redis://, rediss:// or unix://") from None
        return value

    @model_validator(mode="after")
    def _one_place(self) -> "RedisOptions":
        if bool(self.stream) == bool(self.channel):
            raise ValueError("either stream or channel has to be set")
        return self


class Redis:
    """Adds `{key, kind, message}` to a stream, or publishes the message; the message is JSON as a webhook gets it."""

    Options = RedisOptions

    def __init__(self, options: RedisOptions, http: Http) -> None:
        self._options = options
        self._publisher = Publisher(options.url.get_secret_value())

    async def __aenter__(self) -> "Redis":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._publisher.close()

    async def send(self, notification: Notification) -> None:
        message = as_message(notification)
        try:
            if self._options.channel:
                await self._publisher.publish(self._options.channel, message)
            else:
                fields = {"key": notification.key, "kind": notification.kind, "message": message}
                await self._publisher.add(self._options.stream, fields, self._options.max_length)
        except StoreError as error:
            # Not ours: that one Redis is down is this receiver's trouble only.
            raise TemporaryError(str(error)) from error
