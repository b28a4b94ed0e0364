"""What was written is read back as itself, and what was not, or no longer is remembered, from its JSON."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from monitor.models import Alert, Evidence, Latest, Notification, Snippet, When
from monitor.store.outbox import Delivery
from monitor.store.written import Written
from tests.alerting import alert

RICH = alert(1).model_copy(
    update={
        "title": "핵실험 \u2028 \x00 <b>",
        "tags": ("a", "b"),
        "published": datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC),
        "evidence": (Evidence(concept="missile", text="미사일", field="title", start=0, end=3, sure=False),),
        "when": When(sources=2, within=timedelta(hours=1, microseconds=1)),
        "latest": Latest(document="2", title="x", snippet=Snippet(text="xyz", marks=((0, 1),))),
    }
)
NOTE = Notification(key="k", receiver="desk", alerts=(RICH,), receipts={RICH.id: "ts"})


@pytest.mark.parametrize(
    "value", [alert(0), RICH, Delivery(notification=NOTE, attempts=3)], ids=["plain", "rich", "sent"]
)
def test_what_is_remembered_is_what_its_json_says(value: Alert | Delivery) -> None:
    written = Written()
    body = written.as_json(value)
    assert written.read(type(value), body) is value
    parsed = written.read(type(value), body)  # forgotten by now
    assert parsed is not value
    assert parsed == value
    assert parsed.model_dump_json() == body


def test_only_the_last_are_remembered() -> None:
    written = Written(most=2)
    alerts = [alert(number) for number in range(3)]
    bodies = [written.as_json(each) for each in alerts]
    assert [written.read(Alert, body) is each for body, each in zip(bodies, alerts, strict=True)] == [False, True, True]


def test_json_of_something_else_is_refused() -> None:
    written = Written()
    with pytest.raises(ValidationError):
        written.read(Delivery, written.as_json(alert(0)))
    with pytest.raises(ValidationError):
        written.read(Alert, "{")
