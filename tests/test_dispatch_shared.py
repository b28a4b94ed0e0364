"""Dispatch by several processes and over years: what one holds no other overwrites, and nothing stays for ever."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from monitor.errors import StoreError
from monitor.store.redis import ALERTS, Store
from tests.routes import config
from tests.test_dispatch import NIGHT, Office, member

AT_ONCE = "{route: {receiver: b}}"


@pytest.fixture
async def offices(redis_url: str) -> AsyncIterator[tuple[Office, Office]]:
    stores = [Store(redis_url, name, timedelta(minutes=1)) for name in ("one", "two")]
    first, second = (Office(store) for store in stores)
    second.clock = first.clock
    for office in (first, second):
        office.restart(NIGHT)
        await office.store.sign_of_life()
        await office.dispatcher.alerts.take_over()
    yield first, second
    for store in stores:
        await store.close()


async def test_a_changed_route_is_looked_at_again_though_redis_failed_at_first(offices: tuple[Office, Office]) -> None:
    office, _ = offices
    office.clock.at("24 23:00")
    await office.publish(member("x"))
    assert await office.sent() == []
    office.dispatcher.exchange(config(AT_ONCE))
    await office.store.client.config_set("min-replicas-to-write", 1)
    with pytest.raises(StoreError, match="NOREPLICAS"):
        await office.dispatcher.step(None)
    await office.store.client.config_set("min-replicas-to-write", 0)
    assert await office.sent() == ["a alert xx1"]


async def test_a_route_that_was_forgotten_and_came_back_is_no_old_acquaintance(offices: tuple[Office, Office]) -> None:
    first, second = offices
    first.clock.at("24 23:00")
    await first.publish(member("x"))
    assert await first.sent() == []  # it waits for the morning, and `first` remembers so
    second.dispatcher.exchange(config(AT_ONCE))
    assert await second.sent() == ["a alert xx1"]
    second.dispatcher.exchange(config(NIGHT))  # the change is taken back
    await second.publish(member("y"))
    assert await second.sent() == []
    await first.publish(member("z"))
    assert await first.sent() == []
    first.clock.at("25 07:00")
    assert sorted(await first.sent()) == ["a alert yx1", "a alert zx1"]


@pytest.mark.parametrize("days", [-400, 1])
async def test_old_alerts_are_dropped_though_it_is_never_quiet_and_the_clock_is_set(
    offices: tuple[Office, Office], days: int
) -> None:
    office, _ = offices
    assert await office.sent() == []  # an idle step, which looked for old alerts
    office.clock.time += timedelta(days=days)
    for number in range(300):  # Redis drops them by the hundred
        await office.store.client.xadd(ALERTS, {"alert": member("old").model_dump_json()}, id=f"1-{number}")
    for name in ("x", "y"):
        await office.publish(member(name))
        assert await office.dispatcher.step(None), "it is never idle"
    assert await office.store.client.xlen(ALERTS) < 300
