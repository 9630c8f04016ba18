"""The files of the fleet's live page: an engine's, with another `engines.js`."""

from __future__ import annotations

import re
import tomllib

from fleet.http_api import page_files
from stream.http.endpoints.page_files import FLEET_POLICY, POLICY, page_routes
from support.repository import REPOSITORY

ENGINES = REPOSITORY / "fleet" / "page" / "engines.js"


def test_a_fleets_page_has_the_files_of_an_engines_without_review_and_its_own_is_part_of_the_package() -> None:
    assert [file.name for file in ENGINES.parent.iterdir()] == [ENGINES.name]
    served = {route.path for route in page_files()}
    assert served == {route.path for route in page_routes() if "/review" not in route.path}
    assert {f"/page/{name}" for name in re.findall(r'from "\./([^"]+)"', ENGINES.read_text())} <= served
    setup = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert setup["fleet"] == ["page/*"]


def test_only_connections_are_less_restricted_than_on_an_engines_page() -> None:
    assert FLEET_POLICY.replace(" http: https:;", ";") == POLICY
