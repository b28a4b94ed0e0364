"""The house keeps its shape: who may import whom, and how large a room may grow."""

import ast
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

ROWS = [
    ["", "models", "errors", "secrecy", "logs", "uptime"],
    ["yamlfile", "regex", "config", "feedlist", "rules"],
    ["feeds", "articles", "matching", "alerts", "stories", "addresses"],
    ["http", "store", "notifiers", "workers", "archive", "fixtures", "expectation", "demo", "metrics"],
    [
        "supervise",
        "sdnotify",
        "reading",
        "pipeline",
        "polling",
        "dispatch",
        "delivery",
        "schedule",
        "reload",
        "replay",
        "ruletests",
        "whynot",
        "capture",
        "doctor",
        "status",
        "selfwatch",
    ],
    ["daemon", "condition"],
    ["app"],
    ["cli", "web", "__main__"],
]
DOORS = {
    "feedparser": {"feeds"},
    "trafilatura": {"articles"},
    "pycld2": {"articles"},
    "charset_normalizer": {"articles"},
    "apscheduler": {"schedule"},
    "httpx": {"http"},
    "httpcore": {"http"},
    "protego": {"http"},
    "redis": {"store"},
    "jinja2": {"notifiers"},
    "aiosmtplib": {"notifiers"},
    "apprise": {"notifiers"},
    "click": {"cli"},
    "ahocorasick_rs": {"matching"},
    "Stemmer": {"matching"},
    "anyascii": {"stories"},
    "rensa": {"stories"},
    "babel": {"rules"},
    "prometheus_client": {"metrics"},
    "starlette": {"web"},
    "uvicorn": {"web"},
    "re2": {"regex", "matching"},
    "cronsim": {"config"},
    "watchfiles": {"reload"},
    "yaml": {"yamlfile"},
    "multiprocessing": {"workers"},
    "backports": {"archive"},
    "compression": {"archive"},
}
ROW_OF = {name: number for number, row in enumerate(ROWS) for name in row}
FILES = sorted((REPOSITORY / "monitor").rglob("*.py"))


def room(module: str) -> str:
    """The part of `monitor.part.…` that has a row."""
    return module.split(".")[1] if "." in module else ""


def imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {
                f"{node.module}.{alias.name}" if node.module == "monitor" else str(node.module) for alias in node.names
            }
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_a_module_imports_only_from_its_own_row_and_below(file: Path) -> None:
    parts = file.relative_to(REPOSITORY).with_suffix("").parts
    own = parts[1] if parts[1] != "__init__" else ""
    for name in imports(ast.parse(file.read_text())):
        top = name.split(".")[0]
        if top == "monitor":
            assert ROW_OF[room(name.removesuffix(".__version__"))] <= ROW_OF[own], f"{file} imports {name}"
        elif top in DOORS:
            assert own in DOORS[top], f"{file} imports {name} past its door"


def test_no_module_imports_itself_through_others() -> None:
    graph = {}
    for file in FILES:
        parts = file.relative_to(REPOSITORY).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        graph[module] = {name for name in imports(ast.parse(file.read_text())) if name.startswith("monitor.")}

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        for name in graph.get(module, ()):
            visit(name, (*path, module))

    for module in graph:
        visit(module, ())


def test_functions_and_files_stay_small() -> None:
    for file in FILES:
        source = file.read_text()
        assert source.count("\n") <= 500, f"{file} is too long"
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                assert node.end_lineno - node.lineno < 55, f"{file}:{node.lineno} {node.name} is too long"
