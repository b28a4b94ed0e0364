"""What the environment says of a configuration: variables that set a key, and ${NAME} within values."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from monitor import yamlfile
from monitor.config.secrets import read_secret
from monitor.errors import Problem
from monitor.secrecy import hide, named_secret

_VARIABLE = re.compile(r"\$\$|\$\{([^}]*)\}")


def override(
    value: dict[str, Any], keys: Collection[str], document: yamlfile.Document, environ: Mapping[str, str]
) -> dict[str, Any]:
    """Let variables such as MONITOR_REDIS__URL set a key, two underscores for each step down."""
    for variable in sorted(environ):
        first, *rest = variable.removeprefix("MONITOR_").lower().split("__")
        if not variable.startswith("MONITOR_") or first not in keys:
            continue
        target = value
        for step, key in enumerate([first, *rest][:-1]):
            target = target.setdefault(key, {})
            if not isinstance(target, dict):
                document.problems.append(Problem(variable, f"{'.'.join([first, *rest][: step + 1])} is no mapping"))
                break
        else:
            target[[first, *rest][-1]] = yamlfile.parse(environ[variable], variable).value
    return value


def substitute(value: Any, path: yamlfile.Path_, document: yamlfile.Document, environ: Mapping[str, str]) -> Any:
    """Put the environment's variables, or else systemd's credentials, in the place of ${NAME}; $$ is a dollar."""
    if isinstance(value, dict):
        return {key: substitute(inner, (*path, key), document, environ) for key, inner in value.items()}
    if isinstance(value, list):
        return [substitute(inner, (*path, index), document, environ) for index, inner in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(found: re.Match[str]) -> str:
        if found[1] is None:
            return "$"
        try:
            return _variable(found[1], environ)
        except ValueError as error:
            document.problems.append(document.problem(path, str(error)))
            return ""

    return _VARIABLE.sub(replace, value)


def _variable(name: str, environ: Mapping[str, str]) -> str:
    """What ${NAME} stands for; raises ValueError. A credential, or what is called like one, is shown nowhere."""
    try:
        known, credential = environ.get(name), _credential(name, environ)
    except OSError as error:
        raise ValueError(f"the credential {name} cannot be read: {error.strerror}") from None
    if known is None and credential is None:
        raise ValueError(f"the environment has no variable {name}; set it")
    try:
        value = known if known is not None or credential is None else read_secret(credential)
    except ValueError as error:
        raise ValueError(f"the credential {name}: {error}") from None
    if credential or named_secret(name):
        hide([value or ""])
    return value or ""


def _credential(name: str, environ: Mapping[str, str]) -> Path | None:
    """The file in which systemd hands a secret over: as `LoadCredential=NAME:…`, or in a folder as `secrets:…`."""
    folder = environ.get("CREDENTIALS_DIRECTORY")
    paths = [Path(folder, file) for file in (name, f"secrets_{name}")] if folder and "/" not in name else []
    return next((path for path in paths if path.exists()), None)
