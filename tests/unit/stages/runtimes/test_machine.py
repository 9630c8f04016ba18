"""The processor's description, and numbers of threads."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from stages.runtimes import machine
from stages.runtimes.machine import processor, runtime_threads, torch_threads

EPYC = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 26
model\t\t: 2
model name\t: AMD EPYC
stepping\t: 1
cpu MHz\t\t: 2596.116
flags\t\t: fpu avx2 avx512f avx512_bf16
bogomips\t: 5192.23

processor\t: 1
model name\t: AMD EPYC
"""


def described(folder: Path, text: str) -> str:
    path = folder / "cpuinfo"
    path.write_text(text)
    return processor(path)


def test_the_processor_is_named_without_what_changes(tmp_path: Path) -> None:
    name = described(tmp_path, EPYC)
    assert name.startswith(f"{platform.machine()} AuthenticAMD 26 2 AMD EPYC 1 ")
    assert described(tmp_path, EPYC.replace("2596.116", "3100.000")) == name
    assert described(tmp_path, EPYC.replace("fpu avx2", "avx2 fpu")) == name


@pytest.mark.parametrize(("cores", "torchs", "others"), [(1, 1, 1), (2, 1, 2), (8, 7, 8)])
def test_by_default_torch_leaves_one_core_to_decoding_and_other_runtimes_use_all(
    cores: int, torchs: int, others: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "usable_cores", lambda: cores)
    assert (torch_threads(0), runtime_threads(0)) == (torchs, others)
    assert torch_threads(3) == runtime_threads(3) == 3, "a number that is set holds for all"
