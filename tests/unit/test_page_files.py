"""The live page's files: a fixed table of them is served, with nothing in them that the policy would have to allow."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from aiohttp import ClientSession

from stream.http.app import HttpServer
from stream.http.page_files import POLICY, TYPES, page_routes
from stream.settings.network import HttpConfig
from stream.sources import errors
