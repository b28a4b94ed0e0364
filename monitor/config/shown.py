"""The configuration as it is in effect: every default filled in, and no secret shown."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import Enum
from itertools import zip_longest
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

from pydantic import BaseModel, SecretStr

from monitor.config import Config, FeedConfig, ReceiverConfig, RouteConfig, Size
from monitor.config.secrets import is_secret, takes_file
from monitor.errors import MonitorError
from monitor.secrecy import HIDDEN, without_secrets

_SIZE = get_args(Size)[1]
_Missing = Enum("_Missing", "MISSING")
_MISSING = _Missing.MISSING


def shown(config: Config, written: Any, options_of: Callable[[str], type[BaseModel]]) -> dict[str, Any]:
    """What `monitor config show` prints; `written` is the document that `config` was loaded from, before `${NAME}`.

    It can be loaded again but for literal secrets, each of which is `(hidden)`; a value that the environment gives is
    shown as its `${NAME}`, and one that stands in a file as the name of that file. Other paths are absolute.
    """
    given = written if isinstance(written, dict) else {}
    fields = _model(config, given)
    receivers = given.get("receivers") or {}
    fields["receivers"] = {
        name: _receiver(receiver, receivers.get(name, _MISSING), options_of)
        for name, receiver in config.receivers.items()
    }
    return fields


def as_written(value: Any) -> Any:
    """A default as a user would write it."""
    if isinstance(value, timedelta):
        return duration(value)
    if isinstance(value, BaseModel):
        return _model(value, {})
    if isinstance(value, Mapping):
        return {key: as_written(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [as_written(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return value.key if isinstance(value, ZoneInfo) else str(value)


def duration(span: timedelta) -> str:
    """A duration in the largest unit that has a whole number of it."""
    seconds = span.total_seconds()
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds and seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:g}s"


def size(count: int) -> str:
    """A number of bytes in the largest unit that has a whole number of it, or else in kB."""
    for length, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB")):
        if count and count % length == 0:
            return f"{count // length}{unit}"
    return f"{count / 1000:.3f}kB"


def _receiver(receiver: ReceiverConfig, written: Any, options_of: Callable[[str], type[BaseModel]]) -> dict[str, Any]:
    try:
        options = options_of(receiver.type).model_validate(receiver.options)
    except (LookupError, MonitorError):
        return {"type": receiver.type}
    return {"type": receiver.type} | _model(options, written)


def _model(model: BaseModel, written: Any) -> dict[str, Any]:
    """The fields of a model by the names that users write; what is None is left out."""
    if isinstance(model, FeedConfig) and isinstance(written, str):
        written = {"url": written}
    given = written if isinstance(written, dict) else {}
    found: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        key, value = field.alias or name, getattr(model, name)
        if takes_file(key, field) and given.get(f"{key}_file"):
            found[f"{key}_file"] = given[f"{key}_file"]
            continue
        if is_secret(key, field) and not isinstance(value, SecretStr) and value is not None:
            found[key] = _hidden(value, given.get(key))
            continue
        # What a route does not say it has from the one around it: a default, written down, would overrule that.
        if key in given or (value is not None and not isinstance(model, RouteConfig)):
            is_size = _SIZE in field.metadata
            found[key] = size(value) if is_size else _value(key, value, given.get(key, _MISSING))
    return found


def _value(key: str, value: Any, written: Any) -> Any:
    if isinstance(value, SecretStr):
        return _hidden(value.get_secret_value(), written)
    if isinstance(value, BaseModel):
        return _model(value, written)
    if isinstance(value, dict):
        given = written if isinstance(written, dict) else {}
        return {name: _value(name, inner, given.get(name, _MISSING)) for name, inner in value.items()}
    if isinstance(value, tuple) and value and isinstance(value[0], BaseModel | Path):
        parts = written if isinstance(written, list) else [written]
        return [_value("", inner, part) for inner, part in zip_longest(value, parts, fillvalue=_MISSING)]
    own = written is _MISSING or isinstance(value, bool | int | float | Path)
    return _plain(as_written(value) if own else written)


def _hidden(value: Any, written: Any) -> Any:
    """A secret, or each of a mapping of them: what came from the environment as its name, else nothing of it."""
    if isinstance(value, dict):
        given = written if isinstance(written, dict) else {}
        files = {name: given[name] for name in given if name.endswith("_file")}
        known = {name: inner for name, inner in value.items() if f"{name}_file" not in files}
        return files | {name: _hidden(inner, given.get(name)) for name, inner in known.items()}
    if not value:
        return value
    return written if isinstance(written, str) and re.fullmatch(r"[\w ]*\$\{[^}]*\}", written) else HIDDEN


def _plain(value: Any) -> Any:
    """What was written, without the secrets of URLs in it."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return without_secrets(value) if isinstance(value, str) else value
