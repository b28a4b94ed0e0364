"""What the environment says of a configuration: variables that set a key, and ${NAME} within values."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from monitor import yamlfile
from monitor.errors import Problem

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
        name = found[1]
        if name is None:
            return "$"
        known = environ.get(name, _credential(name, environ))
        if known is None:
            document.problems.append(document.problem(path, f"the environment has no variable {name}; set it"))
        return known or ""

    return _VARIABLE.sub(replace, value)


def _credential(name: str, environ: Mapping[str, str]) -> str | None:
    """A secret that systemd hands over in a file: as `LoadCredential=NAME:…`, or in a folder as `secrets:…`."""
    folder = environ.get("CREDENTIALS_DIRECTORY")
    for file in (name, f"secrets_{name}") if folder and "/" not in name else ():
        path = Path(folder or "", file)
        if path.is_file():
            return path.read_text(encoding="utf-8").rstrip("\n")
    return None
