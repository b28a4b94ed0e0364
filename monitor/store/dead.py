"""Dead letters: deliveries that were given up, with the reason, until somebody sends them again or drops them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from monitor.store.outbox import DEAD, Delivery, outbox_key
from monitor.store.redis import Store, translated

_AT_ONCE = 500
# Of two who send one letter again, one does.
_RETRY = """
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('XADD', KEYS[2], '*', 'delivery', ARGV[2])
return 1
"""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery that was given up; `delivery` is None where what stood in the outbox was none."""

    id: str
    receiver: str
    reason: str
    body: str

    @property
    def at(self) -> datetime:
        """When it was given up."""
        return datetime.fromtimestamp(int(self.id.split("-")[0]) / 1000, UTC)

    @property
    def delivery(self) -> Delivery | None:
        try:
            return Delivery.model_validate_json(self.body)
        except ValidationError:
            return None


class DeadLetters:
    """The dead letters of all receivers."""

    def __init__(self, store: Store) -> None:
        self._client = store.client

    @translated
    async def all(self) -> Sequence[DeadLetter]:
        """All of them, oldest first."""
        found: list[DeadLetter] = []
        start = "-"
        while messages := await self._client.xrange(DEAD, start, "+", _AT_ONCE):
            found += [_letter(identifier, fields) for identifier, fields in messages]
            start = f"({messages[-1][0]}"
        return found

    @translated
    async def count(self) -> int:
        return int(await self._client.xlen(DEAD))

    @translated
    async def retry(self, letter: DeadLetter) -> bool:
        """Put a letter back into its receiver's outbox, as if it had never been tried; False where it is gone."""
        delivery = letter.delivery
        if delivery is None:
            return False
        again = delivery.model_copy(update={"attempts": 0}).model_dump_json()
        return bool(await self._client.eval(_RETRY, 2, DEAD, outbox_key(letter.receiver), letter.id, again))

    @translated
    async def drop(self, letter: DeadLetter) -> bool:
        """Drop a letter for good; False where it is gone."""
        return bool(await self._client.xdel(DEAD, letter.id))


def _letter(identifier: str, fields: dict[str, str]) -> DeadLetter:
    letter = DeadLetter(identifier, fields.get("receiver", ""), fields.get("reason", ""), fields.get("delivery", ""))
    if not letter.receiver and letter.delivery:  # as versions before 0.2 wrote them
        return DeadLetter(letter.id, letter.delivery.notification.receiver, letter.reason, letter.body)
    return letter
