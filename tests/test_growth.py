"""An alert that grows with its story, and what has to confirm a story before it raises one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts.growth import corroborated, grown, step, superfluous
from monitor.models import Alert, Snippet, When

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def member(source: str, language: str = "", minutes: float | None = 0, when: When | None = None) -> Alert:
    seen = None if minutes is None else NOON + timedelta(minutes=minutes)
    return Alert(
        id="1", rule="quake", level="high", document=f"{source}-{minutes}", title=source, source=source,
        language=language or None, snippet=Snippet(text=source), evidence=(), documents=(f"{source}-{minutes}",),
        sources=(source,), languages=(language,) if language else (), first_seen=seen, last_seen=seen, when=when,
    )  # fmt: skip


def steps(when: When | None, *told: tuple[str, str, float | None]) -> list[str]:
    members = [member(*one, when=when) for one in told]
    return [step(members[:count]) for count in range(1, len(members) + 1)]


def test_an_alert_is_of_its_first_article_and_lists_them_all() -> None:
    alert = grown([member("antara", "id", 5), member("yonhap", "ko", 3), member("antara", "en", 9), member("x", "", 4)])
    assert (alert.title, alert.document) == ("antara", "antara-5")
    assert alert.documents == ("antara-5", "yonhap-3", "antara-9", "x-4")
    assert alert.sources == ("antara", "yonhap", "x")
    assert alert.languages == ("id", "ko", "en")
    assert alert.first_seen == NOON + timedelta(minutes=3)
    assert alert.last_seen == NOON + timedelta(minutes=9)
    assert alert.latest
    assert (alert.latest.document, alert.latest.title) == ("x-4", "x")
    assert grown([member("antara")]).latest is None


def test_an_alert_of_articles_that_nothing_dates_has_no_times() -> None:
    alert = grown([member("a", minutes=None), member("b", minutes=None)])
    assert (alert.first_seen, alert.last_seen) == (None, None)


THREE = When(sources=3, within=timedelta(hours=2))


@pytest.mark.parametrize(
    ("when", "told", "expected"),
    [
        (None, [("a", "en", 0), ("b", "en", 1)], ["raised", "updated"]),
        (THREE, [("a", "en", 0), ("b", "en", 60), ("c", "en", 120)], ["waits", "waits", "raised"]),
        (THREE, [("a", "en", 0), ("b", "en", 60), ("c", "en", 121)], ["waits"] * 3),
        (THREE, [("a", "en", 0), ("b", "en", 60), ("c", "en", 121), ("d", "en", 150)], ["waits"] * 3 + ["raised"]),
        (THREE, [("a", "en", 0), ("a", "en", 1), ("a", "ko", 2), ("b", "en", 3)], ["waits"] * 4),
        (THREE, [("a", "", 0), ("b", "", 0), ("c", "", 0), ("d", "", 999)], ["waits", "waits", "raised", "updated"]),
        (THREE, [("c", "", 120), ("b", "", 60), ("a", "", 0)], ["waits", "waits", "raised"]),
        (THREE, [("a", "", None), ("b", "", None), ("c", "", None)], ["waits", "waits", "raised"]),
        (When(languages=2), [("a", "en", 0), ("b", "en", 1), ("a", "ko", 9999)], ["waits", "waits", "raised"]),
        (When(languages=2), [("a", "en", 0), ("b", "", 1)], ["waits", "waits"]),
        (When(sources=2, languages=2), [("a", "en", 0), ("a", "ko", 1), ("b", "en", 2)], ["waits", "waits", "raised"]),
    ],
)  # fmt: skip
def test_a_rule_may_ask_for_corroboration(
    when: When | None, told: list[tuple[str, str, float | None]], expected: list[str]
) -> None:
    assert steps(when, *told) == expected


WHENS = [When(sources=3), When(languages=3), THREE, When(sources=2, languages=2, within=timedelta(minutes=30))]


@given(
    st.sampled_from(WHENS),
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from(["", "en", "ko", "id"]), st.integers(0, 60)), min_size=1
    ),
    st.integers(1, 9),
)
def test_thinned_out_while_it_waits_it_is_raised_by_the_same_member(
    when: When, told: list[tuple[str, str, int]], every: int
) -> None:
    whole: list[Alert] = []
    thinned: list[Alert] = []
    minutes = 0
    for number, (source, language, later) in enumerate(told):
        minutes += later
        for members in (whole, thinned):
            members.append(member(source, language, minutes, when))
        assert corroborated(thinned, when) is corroborated(whole, when)
        if corroborated(whole, when):
            break
        if number % every == 0:
            gone = superfluous(thinned)
            thinned = [each for each in thinned if not any(each is one for one in gone)]
            assert thinned[0].title == whole[0].title
