"""From the stream of alerts to the outboxes of their receivers."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from pydantic import ValidationError

from monitor.alerts.growth import grown, step
from monitor.alerts.routing import notifications_for
from monitor.config import Config
from monitor.models import Alert
from monitor.store.alerts import AlertStore
from monitor.store.outbox import AlertStream, Delivery, Received

log = logging.getLogger(__name__)

_BATCH = 50


class Dispatcher:
    """Reads what alerts are made of and puts each alert into the outboxes that its route names, once it is raised."""

    def __init__(self, alerts: AlertStream, kept: AlertStore, config: Config, now: Callable[[], datetime]) -> None:
        self._alerts = alerts
        self._kept = kept
        self._config = config
        self._now = now
        self._trimmed: datetime | None = None

    async def step(self, block: timedelta | None = timedelta(seconds=1)) -> int:
        """Dispatch what there is, waiting up to `block` for it; returns how much. Raises StoreError."""
        try:
            received = await self._alerts.receive(_BATCH, block)
            for message in received:
                await self._alerts.dispatch(message, await self._deliveries(message))
            await self._trim()
        except BaseException:
            self._alerts.again()
            raise
        return len(received)

    async def _deliveries(self, message: Received) -> list[Delivery]:
        try:
            alert = Alert.model_validate_json(message.body)
        except ValidationError:
            log.exception("an alert in the stream cannot be read; it is passed over: %s", message.body)
            return []
        members = await self._kept.members(alert.id, message.number) if message.number > 1 else [alert]
        if step(members) != "raised":
            return []
        return [Delivery(notification=notification) for notification in notifications_for(grown(members), self._config)]

    async def _trim(self) -> None:
        now = self._now()
        if self._trimmed is None or now - self._trimmed > timedelta(hours=1):
            await self._alerts.trim(now)
            self._trimmed = now
