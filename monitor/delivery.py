"""From a receiver's outbox to the receiver: sent, or tried again later, or a dead letter."""

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import datetime, timedelta

from pydantic import ValidationError

from monitor.alerts.retry import Bury, RetryPolicy, judge
from monitor.errors import NotifyError, StoreError, TemporaryError
from monitor.notifiers import Notifier
from monitor.store.outbox import Delivery, Outbox, Received

log = logging.getLogger(__name__)

_BATCH = 10
_SEND_DEADLINE = 60.0  # seconds; a notifier that takes longer is given up for now


class Deliverer:
    """Delivers what stands in one receiver's outbox, in order; a receiver that fails delays no other."""

    def __init__(
        self, receiver: str, outbox: Outbox, notifier: Notifier, *, now: Callable[[], datetime], policy: RetryPolicy
    ) -> None:
        self.receiver = receiver
        self._outbox = outbox
        self._notifier = notifier
        self._now = now
        self._policy = policy
        self._chance = random.Random()  # noqa: S311 - jitter is no secret

    async def step(self, block: timedelta | None = timedelta(seconds=1)) -> int:
        """Deliver what there is, waiting up to `block` for it; returns how much. Raises StoreError."""
        try:
            await self._outbox.bring_back(self._now())
            received = await self._outbox.receive(_BATCH, block)
            for message in received:
                await self._deliver(message)
        except BaseException:
            self._outbox.again()
            raise
        return len(received)

    async def _deliver(self, message: Received) -> None:
        try:
            delivery = Delivery.model_validate_json(message.body)
        except ValidationError as error:
            await self._outbox.bury(message, message.body, f"cannot be read: {error}")
            return
        attempt = delivery.attempts + 1
        try:
            async with asyncio.timeout(_SEND_DEADLINE):
                await self._notifier.send(delivery.notification)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; none of it may stop delivery
            await self._settle_failure(message, delivery.model_copy(update={"attempts": attempt}), _worded(error))
        else:
            await self._outbox.sent(message)
            log.debug("delivered receiver=%s key=%s attempt=%d", self.receiver, delivery.notification.key, attempt)

    async def _settle_failure(self, message: Received, delivery: Delivery, error: Exception) -> None:
        verdict = judge(error, delivery.attempts, self._policy, self._now(), chance=self._chance)
        key = delivery.notification.key
        if isinstance(verdict, Bury):
            log.error("delivery given up receiver=%s key=%s reason=%r", self.receiver, key, verdict.reason)
            await self._outbox.bury(message, delivery.model_dump_json(), verdict.reason)
        else:
            wait = (verdict.at - self._now()).total_seconds()
            log.warning(
                "delivery failed receiver=%s key=%s attempt=%d reason=%r; again in %.0f s",
                *(self.receiver, key, delivery.attempts, str(error), wait),
            )
            await self._outbox.later(message, delivery, verdict.at)


def _worded(error: Exception) -> Exception:
    if isinstance(error, NotifyError):
        return error
    if isinstance(error, TimeoutError):
        return TemporaryError(f"no answer within {_SEND_DEADLINE:.0f} s")
    log.error("unexpected error in a notifier", exc_info=error)
    return TemporaryError(f"{type(error).__name__}: {error}")
