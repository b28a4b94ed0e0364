"""A lamp on the web that blinks: `type: lamp` in monitor.yaml."""

from pydantic import BaseModel, ConfigDict

from monitor.config import HttpUrl
from monitor.http import Http
from monitor.models import Notification
from monitor.notifiers.answers import judge, post


class LampOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: HttpUrl
    blinks: int = 3


class Lamp:
    Options = LampOptions

    def __init__(self, options: LampOptions, http: Http) -> None:
        self._options = options
        self._http = http

    async def send(self, notification: Notification) -> None:
        body = f"{self._options.blinks} times for {len(notification.alerts)} alerts".encode()
        judge(await post(self._http, self._options.url, body, {"idempotency-key": notification.key}))
