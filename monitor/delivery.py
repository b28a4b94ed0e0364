"""From a receiver's outbox to the receiver: sent, or tried again later, or a dead letter."""

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from monitor.alerts.retry import Bury, Circuit, RetryPolicy, judge
from monitor.errors import NotifyError, TemporaryError
from monitor.models import Notification
from monitor.notifiers import Notifier
from monitor.store.outbox import Delivery, Outbox, Received

log = logging.getLogger(__name__)

_BATCH = 10
_SEND_DEADLINE = 60.0  # seconds; a notifier that takes longer is given up for now
_DEATHS = 3  # of processes, while they sent one message, after which it is the message


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
        self._circuit = Circuit()
        self._pace = timedelta(seconds=getattr(notifier, "pace", 0.0))
        self._next = datetime.min.replace(tzinfo=UTC)  # when the pace allows another message
        self._chance = random.Random()  # noqa: S311 - jitter is no secret

    async def step(self, block: timedelta | None = timedelta(seconds=1)) -> int:
        """Deliver what there is, waiting up to `block` for it; returns how much. Raises StoreError."""
        try:
            await self._outbox.bring_back(self._now())
            if rest := self._circuit.wait(self._now()):
                await asyncio.sleep(min(rest, block or timedelta()).total_seconds())
                return 0
            received = await self._outbox.receive(_BATCH, block)
            for number, message in enumerate(received):
                if self._circuit.wait(self._now()):
                    self._outbox.again()
                    return number
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
        if await self._outbox.begin(message) > _DEATHS:
            reason = f"{_DEATHS} processes died while they sent it"
            log.error(
                "delivery given up receiver=%s key=%s reason=%r", self.receiver, delivery.notification.key, reason
            )
            await self._outbox.bury(message, delivery, reason)
            return
        attempt = delivery.attempts + 1
        failure, receipt = await self._send(delivery.notification)
        self._circuit = self._circuit.after(failure, self._now())
        if failure:
            await self._settle_failure(message, delivery.model_copy(update={"attempts": attempt}), failure)
        else:
            await self._outbox.sent(message, delivery, receipt, self._now())
            log.debug("delivered receiver=%s key=%s attempt=%d", self.receiver, delivery.notification.key, attempt)

    async def _send(self, notification: Notification) -> tuple[Exception | None, str | None]:
        """Send at the receiver's pace; returns what went wrong, if anything did, and the receipt."""
        if notification.kind != "alert":
            known = await self._outbox.receipts([alert.id for alert in notification.alerts])
            notification = notification.model_copy(update={"receipts": known})
        await asyncio.sleep(max(self._next - self._now(), timedelta()).total_seconds())
        self._next = self._now() + self._pace
        try:
            async with asyncio.timeout(_SEND_DEADLINE):
                return None, await self._notifier.send(notification)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; none of it may stop delivery
            return _worded(error), None

    async def _settle_failure(self, message: Received, delivery: Delivery, error: Exception) -> None:
        verdict = judge(error, delivery.attempts, self._policy, self._now(), chance=self._chance)
        key = delivery.notification.key
        if isinstance(verdict, Bury):
            await self._bury(message, delivery, verdict.reason)
        else:
            wait = (verdict.at - self._now()).total_seconds()
            log.warning(
                "delivery failed receiver=%s key=%s attempt=%d reason=%r; again in %.0f s",
                *(self.receiver, key, delivery.attempts, str(error), wait),
            )
            await self._outbox.later(message, delivery, verdict.at, str(error))

    async def _bury(self, message: Received, delivery: Delivery, reason: str) -> None:
        log.error("delivery given up receiver=%s key=%s reason=%r", self.receiver, delivery.notification.key, reason)
        await self._outbox.bury(message, delivery, reason)


def _worded(error: Exception) -> Exception:
    if isinstance(error, NotifyError):
        return error
    if isinstance(error, TimeoutError):
        return TemporaryError(f"no answer within {_SEND_DEADLINE:.0f} s")
    log.error("unexpected error in a notifier", exc_info=error)
    return TemporaryError(f"{type(error).__name__}: {error}")
