"""From a receiver's outbox to the receiver: sent, or tried again later, or a dead letter."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from monitor import metrics
from monitor.alerts.retry import Bury, Circuit, RetryPolicy, Streak, judge
from monitor.errors import NotifyError, StoreError, TemporaryError
from monitor.models import Notification
from monitor.notifiers import Notifier
from monitor.store.outbox import Delivery, Outbox, Received, Sending

log = logging.getLogger(__name__)

_BATCH = 100
# What was sent is settled before the next is: a crash repeats no more than the one in flight. Only where sending takes
# less time than that, into a file for example, as many are settled together, and may come twice.
_TOGETHER = 20
_QUICK = 0.001  # seconds
_SEND_DEADLINE = 60.0  # seconds; a notifier that takes longer is given up for now
_LOOK_AGAIN = timedelta(seconds=1)
_DEATHS = 3  # of processes, while they sent one message, after which it is the message


class Deliverer:
    """Delivers what stands in one receiver's outbox, in order; a receiver that fails delays no other."""

    def __init__(
        self,
        receiver: str,
        outbox: Outbox,
        notifier: Notifier | None,
        *,
        now: Callable[[], datetime],
        policy: RetryPolicy,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.receiver = receiver
        self.outbox = outbox
        self._now = now
        self._sleep = sleep
        self._policy = policy
        self._sent: list[Sending] = []  # and not settled yet
        self._sending = asyncio.Lock()
        self._notifier: Notifier | None = None
        self.exchange(notifier)
        self._next = datetime.min.replace(tzinfo=UTC)  # when the pace allows another message
        self.beat = time.monotonic()  # the last progress, or when the next is to come if that is later
        self._looked = self._next  # for what is to be tried again
        self._chance = random.Random()  # noqa: S311 - jitter is no secret
        self._halted = False

    def exchange(self, notifier: Notifier | None) -> Notifier | None:
        """Send by this notifier from the next message on, or nothing where there is none; returns the one before."""
        left, self._notifier = self._notifier, notifier
        self._pace = timedelta(seconds=getattr(notifier, "pace", 0.0))
        self._circuit = Circuit()
        self.streak = Streak()
        return left

    @property
    def rests(self) -> bool:
        """Whether its receiver is gone: then it settles what it has sent, and touches nothing else."""
        return self._notifier is None

    async def sent_by_another(self) -> None:
        """Wait for the end of what is being sent by the notifier before the last exchange."""
        async with self._sending:
            pass

    def halt(self) -> None:
        """Begin to send nothing more; what is being sent comes to its end."""
        self._halted = True

    async def step(self, block: timedelta | None = timedelta(seconds=1)) -> int:
        """Deliver what there is, waiting up to `block` for it; returns how much. Raises StoreError."""
        self.beat = time.monotonic()
        try:
            await self._settle()  # what could not be settled when Redis was down
            if self.rests:
                await asyncio.sleep((block or timedelta()).total_seconds())
                return 0
            if abs(self._now() - self._looked) >= _LOOK_AGAIN:  # the clock may be set back
                await self.outbox.bring_back(self._now())
                self._looked = self._now()
            if rest := self._circuit.wait(self._now()):
                await asyncio.sleep(min(rest, block or timedelta()).total_seconds())
                return 0
            delivered = 0 if self._halted else await self._deliver_all(await self.outbox.receive(_BATCH, block))
            await self._settle()
        except BaseException as error:
            self.outbox.again()
            if not isinstance(error, StoreError):
                await self._settle()
            raise
        return delivered

    async def _deliver_all(self, received: Sequence[Received]) -> int:
        """Deliver in order, until halted, the receiver is to be spared or our lease has ended; returns how many."""
        for number, message in enumerate(received):
            async with self._sending:
                notifier = None if self._halted or self._circuit.wait(self._now()) else self._notifier
                if notifier is None or not self.outbox.ours():
                    self.outbox.again()
                    return number
                await self._deliver(message, notifier)
        return len(received)

    async def _deliver(self, message: Received, notifier: Notifier) -> None:
        try:
            delivery = self.outbox.delivery_of(message)
        except ValidationError as error:
            metrics.DELIVERIES.labels(self.receiver, "dead").inc()
            await self.outbox.bury(message, message.body, f"cannot be read: {error}")
            return
        begun = await self.outbox.begin(message)
        if begun < 0:
            return
        if begun > _DEATHS:
            await self._bury(message, delivery, f"{_DEATHS} processes died while they sent it")
            return
        attempt = delivery.attempts + 1
        began = time.monotonic()
        failure, receipt = await self._send(delivery.notification, notifier)
        self._circuit = self._circuit.after(failure, self._now())
        self.streak = self.streak.after(failure, self._now())
        if failure and self.outbox.ours():
            await self._settle_failure(message, delivery.model_copy(update={"attempts": attempt}), failure)
        elif not failure:
            metrics.delivered(delivery.notification, self._now())
            self._sent.append(Sending(message, delivery, receipt, self._now()))
            if len(self._sent) >= _TOGETHER or time.monotonic() - began > _QUICK:
                await self._settle()
            log.debug("delivered receiver=%s key=%s attempt=%d", self.receiver, delivery.notification.key, attempt)

    async def _settle(self) -> None:
        """Settle what was sent; what cannot be for lack of Redis is kept, and settled before anything else is sent."""
        if sent := tuple(self._sent):
            await self.outbox.sent(sent)
            del self._sent[: len(sent)]

    async def _send(self, notification: Notification, notifier: Notifier) -> tuple[Exception | None, str | None]:
        """Send at the receiver's pace; returns what went wrong, if anything did, and the receipt."""
        if notification.kind != "alert":
            await self._settle()  # the receipt may be that of the message before
            known = await self.outbox.receipts([alert.id for alert in notification.alerts])
            notification = notification.model_copy(update={"receipts": known})
        wait = min(max(self._next - self._now(), timedelta()), self._pace).total_seconds()  # the clock may be set back
        self.beat = time.monotonic() + wait
        if wait:
            await self._sleep(wait)
        self._next = self._now() + self._pace
        try:
            async with asyncio.timeout(_SEND_DEADLINE):
                return None, await notifier.send(notification)
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
            metrics.DELIVERIES.labels(self.receiver, "retried").inc()
            await self.outbox.later(message, delivery, verdict.at, str(error))

    async def _bury(self, message: Received, delivery: Delivery, reason: str) -> None:
        log.error("delivery given up receiver=%s key=%s reason=%r", self.receiver, delivery.notification.key, reason)
        metrics.DELIVERIES.labels(self.receiver, "dead").inc()
        await self.outbox.bury(message, delivery, reason)


def _worded(error: Exception) -> Exception:
    if isinstance(error, NotifyError):
        return error
    if isinstance(error, TimeoutError):
        return TemporaryError(f"no answer within {_SEND_DEADLINE:.0f} s")
    log.error("unexpected error in a notifier", exc_info=error)
    return TemporaryError(f"{type(error).__name__}: {error}")
