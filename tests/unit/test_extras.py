"""The packages of the extra `test`, which are all that the unit tests have in `make test-lowest`."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib.metadata import packages_distributions

from support.repository import REPOSITORY

EXTRAS: dict[str, list[str]] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]


def packages(*extras: str) -> set[str]:
    """Return the names of the extras' packages."""
    names = (re.match(r"[\w.-]+", line) for extra in extras for line in EXTRAS[extra])
    return {re.sub("[-_.]+", "-", name[0]).lower() for name in names if name is not None} - {"partstream"}


def test_unit_tests_and_tools_import_no_package_that_only_developers_have() -> None:
    distributions = packages_distributions()
    developers = packages("dev") - packages("train", "mmdet", "test")
    found = set[tuple[str, str]]()
    for path in [*(REPOSITORY / "tests" / "unit").rglob("*.py"), *(REPOSITORY / "tools").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for module in modules:
                for name in distributions.get(module.partition(".")[0], []):
                    if re.sub("[-_.]+", "-", name).lower() in developers:
                        found.add((str(path.relative_to(REPOSITORY)), name))
    assert found == set()
