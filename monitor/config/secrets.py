"""Which settings are secret, where their values come from, and what of them may be shown nowhere."""

import stat
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from monitor import yamlfile
from monitor.config.fields import SECRET, SECRET_URL
from monitor.errors import MonitorError
from monitor.secrecy import hide, in_urls

OptionsOf = Callable[[str], type[BaseModel]]
_Part = tuple[type[BaseModel], dict[str, Any], yamlfile.Path_]

_NAMES = frozenset({"password", "headers", "cookies"})  # of plugins, which need not mark them
_SUFFIX = "_file"
_LARGEST = 65_536  # bytes
_MOUNTED = Path("/run/secrets")  # where containers have theirs: readable by all within, and not to be changed there


def is_secret(key: str, field: FieldInfo) -> bool:
    """Whether a setting is secret, or each value of it where it is a mapping."""
    return key in _NAMES or SecretStr in (field.annotation, *get_args(field.annotation)) or _marked(field, SECRET)


def takes_file(key: str, field: FieldInfo) -> bool:
    """Whether `X_file` may stand for a setting X: for what is secret, and for URLs that may hold something secret."""
    return is_secret(key, field) or _marked(field, SECRET_URL)


def read_secret(path: Path) -> str:
    """The text of a file without the end of its last line; raises ValueError that says what is wrong with it."""
    try:
        if not path.is_file():
            raise ValueError(f"{path} is no file" if path.exists() else f"there is no file {path}")
        with path.open("rb") as file:
            body = file.read(_LARGEST + 1)
        text = body.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}; give this user the right to") from None
    if not text or len(body) > _LARGEST:
        raise ValueError(f"{path} is {'larger than 64 kB' if text else 'empty'}; write the secret into it, and no more")
    return text


def read_files(
    model: type[BaseModel], document: yamlfile.Document, folder: Path, options_of: OptionsOf
) -> list[tuple[str, Path]]:
    """Put what files hold where `X_file` names one for a setting X; notes what is wrong in the document's problems.

    Returns those that others may read, each with the place that names it.
    """
    exposed: list[tuple[str, Path]] = []
    for part, written, path in list(_parts(model, document.value, (), options_of)):
        fields = {_key(name, field): field for name, field in part.model_fields.items()}
        for key, field in fields.items():
            if is_secret(key, field) and isinstance(written.get(key), dict):
                names = [name.removesuffix(_SUFFIX) for name in written[key] if name.endswith(_SUFFIX)]
                exposed += _put(written[key], names, document, path=(*path, key), folder=folder)
        keys = [key for key, field in fields.items() if takes_file(key, field)]
        exposed += _put(written, keys, document, path=path, folder=folder)
    return exposed


def secrets_in(model: type[BaseModel], value: Any, options_of: OptionsOf) -> Iterator[str]:
    """Every secret that a document holds: settings that are secret, and what stands in URLs."""
    for part, written, _ in _parts(model, value, (), options_of):
        for name, field in part.model_fields.items():
            found = written.get(_key(name, field))
            if is_secret(name, field):
                texts = found.values() if isinstance(found, dict) else [found]
                for text in filter(None, map(_plain, texts)):
                    yield text
                    yield text.partition(" ")[2].strip()  # of `Bearer TOKEN` the token
        if "user" in written and "password" in written:
            yield b64encode(f"{written['user']}:{_plain(written['password'])}".encode()).decode()
    for text in _texts(value):
        yield from in_urls(text)


def _put(
    written: dict[str, Any], keys: list[str], document: yamlfile.Document, *, path: yamlfile.Path_, folder: Path
) -> Iterator[tuple[str, Path]]:
    for key in keys:
        named = written.pop(key + _SUFFIX, None)
        if named is None:
            continue
        place = (*path, key + _SUFFIX)
        if written.get(key) is not None:
            document.problems.append(document.problem(place, f"{key} is set, too; leave one of them out"))
            continue
        file = folder / Path(str(named)).expanduser()
        document.places[(*path, key)] = document.places.get(place, (1, 1))
        try:
            written[key] = read_secret(file)
        except ValueError as error:
            document.problems.append(document.problem(place, f"{key}{_SUFFIX}: {error}"))
            written[key] = None
            continue
        hide([written[key]])
        if file.parent != _MOUNTED and file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
            yield document.place(place), file


def _parts(model: type[BaseModel], value: Any, path: yamlfile.Path_, options_of: OptionsOf) -> Iterator[_Part]:
    """Each mapping in a document that has a model, with the place where it stands."""
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _parts(model, inner, (*path, index), options_of)
    if not isinstance(value, dict):
        return
    yield model, value, path
    for name, field in model.model_fields.items():
        key = _key(name, field)
        if key == "receivers" and isinstance(value.get(key), dict):
            yield from _receivers(value[key], (*path, key), options_of)
            continue
        for inner in yamlfile.models_in(field.annotation):
            yield from _parts(inner, value.get(key), (*path, key), options_of)


def _receivers(value: dict[str, Any], path: yamlfile.Path_, options_of: OptionsOf) -> Iterator[_Part]:
    for name, written in value.items():
        try:
            yield options_of(str(written["type"])), written, (*path, name)
        except (LookupError, TypeError, MonitorError):
            continue  # said by whoever checks receivers


def _marked(field: FieldInfo, marker: Any) -> bool:
    return bool(field.json_schema_extra) and field.json_schema_extra == marker.json_schema_extra


def _key(name: str, field: FieldInfo) -> str:
    return field.alias or name


def _plain(value: Any) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value if isinstance(value, str) else ""


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
