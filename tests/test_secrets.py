"""Secrets: where a configuration has them from, and that nothing shows them."""

import json
import logging
from pathlib import Path

import pytest
import yaml

from monitor import config, notifiers
from monitor.cli.config import options_of_all
from monitor.config.json_schema import schema
from monitor.errors import FetchError, InputError, TemporaryError
from monitor.secrecy import HIDDEN, hide, without_secrets
from tests.daemon import monitor


def load(folder: Path, text: str, environ: dict[str, str] | None = None) -> config.Config:
    (folder / "monitor.yaml").write_text(text)
    return config.load(folder / "monitor.yaml", notifiers.options_of, environ or {"HOME": str(folder)})


def secret(folder: Path, name: str, text: str | bytes, mode: int = 0o600) -> Path:
    file = folder / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    file.chmod(mode)
    return file


FILED = """
redis: {url_file: redis}
feeds:
  - url: https://example.org/feed
    headers: {X-Key_file: key, X-Plain: plain}
    cookies: {session_file: key}
    auth: {user: me, password_file: password}
    proxy_file: proxy
receivers:
  mail: {type: email, host: mx, user: x, password_file: ./password, from: a@b.example, to: c@d.example}
  hook: {type: webhook, url_file: hook, secret_file: signed, headers: {Authorization_file: key}}
  slack: {type: slack, webhook_file: hook}
  bot: {type: slack, token_file: "${HERE}/token", channel: C1}
  bus: {type: redis, url_file: redis, stream: s}
  any: {type: apprise, url_file: any}
"""
FILES = {
    "redis": "redis://:under-the-hill@localhost:1/0\n",
    "key": "key-of-the-door\r\n",
    "password": "päss wörd’s\n",
    "proxy": "http://u:through-the-wall@proxy.example:3128",
    "hook": "https://hooks.example/in/over-the-river",
    "signed": "whsec_" + "QUFB" * 8,
    "token": "xoxb-12-in-the-woods",
    "any": "json://user:by-the-sea@localhost",
}


@pytest.fixture
def filed(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        secret(tmp_path, name, text)
    return tmp_path


def test_every_secret_may_stand_in_a_file(filed: Path) -> None:
    loaded = load(filed, FILED, {"HERE": str(filed)})
    [feed] = loaded.feeds
    assert loaded.redis.url == "redis://:under-the-hill@localhost:1/0"
    assert feed.headers == {"X-Key": "key-of-the-door", "X-Plain": "plain"}
    assert feed.cookies == {"session": "key-of-the-door"}
    assert feed.access.auth == ("me", "päss wörd’s")
    assert feed.proxy == FILES["proxy"]
    told = {name: receiver.options for name, receiver in loaded.receivers.items()}
    assert told["mail"]["password"] == "päss wörd’s"
    assert told["hook"]["url"] == FILES["hook"]
    assert told["hook"]["secret"] == FILES["signed"]
    assert told["hook"]["headers"] == {"Authorization": "key-of-the-door"}
    assert told["bot"]["token"] == FILES["token"]
    assert told["any"]["url"] == FILES["any"]


def test_files_are_shown_by_their_names(filed: Path) -> None:
    (filed / "monitor.yaml").write_text(FILED)
    done = monitor("config", "show", "--config", filed / "monitor.yaml", env={"HERE": str(filed)})
    shown = yaml.safe_load(done.stdout)
    assert done.stderr == ""
    assert shown["redis"] == {"url_file": "redis", "lease": "10s"}
    assert shown["feeds"][0]["headers"] == {"X-Key_file": "key", "X-Plain": HIDDEN}
    assert shown["feeds"][0]["auth"] == {"user": "me", "password_file": "password"}
    assert shown["receivers"]["bot"]["token_file"] == "${HERE}/token"
    assert "url" not in shown["receivers"]["any"]


def test_the_schema_knows_files() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(schema(options_of_all()))
    assert [error.message for error in check.iter_errors(yaml.safe_load(FILED))] == []
    for wrong in ("receivers: {a: {type: webhook}}", "receivers: {a: {type: file, path_file: x}}"):
        assert list(check.iter_errors(yaml.safe_load(wrong))), wrong


LONG = "A" * 300  # than a file's name may be


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("redis: {url: redis://h, url_file: redis}", "1:25: url is set, too; leave one of them out"),
        ("redis: {url_file: none}", "1:9: url_file: there is no file DIR/none"),
        ("redis: {url_file: .}", "1:9: url_file: DIR is no file"),
        ("redis: {url_file: empty}", "1:9: url_file: DIR/empty is empty; write the secret into it, and no more"),
        ("redis: {url_file: binary}", "1:9: url_file: DIR/binary is not UTF-8 text"),
        ("redis: {url_file: large}", "1:9: url_file: DIR/large is larger than 64 kB; write the secret into it"),
        ("redis: {lease_file: any}", 'unknown key "lease_file"'),
        ("redis: {url: 'http://a:under-the-hill@h'}", f'url: "http://{HIDDEN}@h" is no Redis address'),
        ("redis: {url_file: any}", f'1:9: url: "{HIDDEN}" is no Redis address'),
        ("receivers: {a: {type: webhook, url: '${CRED}'}}", "1:32: the credential CRED: DIR/CRED is empty"),
        (
            f"receivers: {{a: {{type: webhook, url: '${{{LONG}}}'}}}}",
            f"credential {LONG} cannot be read: File name too",
        ),
        ("receivers: {a: {type: webhook, url: '${NONE}'}}", "1:32: the environment has no variable NONE; set it"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(filed: Path, text: str, said: str) -> None:
    secret(filed, "empty", "\n")
    secret(filed, "CRED", "")
    secret(filed, "binary", b"\xff\xfe")
    secret(filed, "large", "x" * 70_000)
    with pytest.raises(InputError) as caught:
        load(filed, text, {"CREDENTIALS_DIRECTORY": str(filed)})
    assert said in str(caught.value).replace(str(filed), "DIR")


def test_a_secret_that_others_may_read_is_said(filed: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        secret(filed, "redis", FILES["redis"], 0o640)
        load(filed, "redis: {url_file: redis}")
        assert caplog.messages == []
        secret(filed, "redis", FILES["redis"], 0o644)
        load(filed, "redis: {url_file: redis}")
    assert caplog.messages == [f"{filed}/monitor.yaml:1:9: others may read {filed}/redis; chmod o-rw {filed}/redis"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://hooks.slack.com/services/T01/B02/aBc9 failed", f"com/services/T01/B02/{HIDDEN} failed"),
        ("https://api.telegram.org/bot123456:AAE-x_y/sendMessage", f"/bot{HIDDEN}/sendMessage"),
        ("https://discord.com/api/webhooks/123/aBc-d_9", f"/api/webhooks/123/{HIDDEN}"),
        ("token xoxb-1-2-abc is revoked", f"token xoxb-{HIDDEN} is revoked"),
        ("https://example.org/a?apikey=1&sig=2#x and ?q=3", f"?apikey={HIDDEN}&sig={HIDDEN}#x and ?q=3"),
        ("delivered receiver=a key=b", "delivered receiver=a key=b"),
        ("https://example.org/services/Tariffs/both", "https://example.org/services/Tariffs/both"),
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_not_shown(text: str, shown: str) -> None:
    assert shown in without_secrets(text)


def test_a_known_secret_is_shown_in_no_form() -> None:
    hide(["sésame/ouvre\\toi", "short"])
    for text in (
        "sésame/ouvre\\toi",
        "s%C3%A9same%2Fouvre%5Ctoi",
        repr("sésame/ouvre\\toi"),
        json.dumps("sésame/ouvre\\toi"),
    ):
        assert "same" not in without_secrets(f"before {text} after"), text
        assert "same" not in str(TemporaryError(text))
        assert "same" not in FetchError("https://example.org", text).reason
    assert without_secrets("short") == "short"
