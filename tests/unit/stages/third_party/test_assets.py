"""Tables of an asset's files."""

from __future__ import annotations

import pytest

from stages.third_party.weight_catalogue import AssetFile, files_in_table


def test_a_table_gives_names_members_sizes_and_hashes() -> None:
    files = files_in_table("""
        alone.pth ? 397923af
        package/data/
        clip.txt 12 ab
        first-clip.mp4 clip.mp4 1048576 cd
        package/
        LICENSE 7 ef
    """)
    assert files == (
        AssetFile("alone.pth", "alone.pth", None, "397923af"),
        AssetFile("clip.txt", "package/data/clip.txt", 12, "ab"),
        AssetFile("first-clip.mp4", "package/data/clip.mp4", 1_048_576, "cd"),
        AssetFile("LICENSE", "package/LICENSE", 7, "ef"),
    )


def test_a_line_without_a_hash_is_an_error() -> None:
    with pytest.raises(ValueError):
        files_in_table("clip.txt ab")
