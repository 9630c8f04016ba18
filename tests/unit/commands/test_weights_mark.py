"""`partstream weights mark`: experimental actions are set in a checkpoint's file, and its weights stay the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from commands import doctor
from run_stream import app
from stages.checkpoint import load, save
from stages.packaged_checkpoints import FOLDER, PACKAGED, summary
from stages.profiles import load_profile
from stages.settings import ModelSettings, PipelineSettings
from support.repository import REPOSITORY


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["weights", *words], prog_name="partstream", env={"COLUMNS": "900"})


@pytest.fixture(params=["edge", "kinetics-tps"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a packaged checkpoint."""
    return Path(shutil.copy(REPOSITORY / "stages" / FOLDER / PACKAGED[request.param], tmp_path / "mine.safetensors"))


def test_the_named_actions_replace_earlier_ones_and_weights_and_terms_stay_the_same(path: Path) -> None:
    tensors, before, mode = load_file(path), summary(str(path)), path.stat().st_mode
    for given, stored in (("push_up, carry", ("carry", "push_up")), ("kick", ("kick",)), ("", ())):
        done = run("mark", str(path), "--experimental", given)
        found = summary(str(path))
        assert done.exit_code == 0 and found.sha256 in done.output, done.output
        assert found.experimental == stored
        assert (found.terms, found.profile) == (before.terms, before.profile)
    after = load_file(path)
    assert after.keys() == tensors.keys()
    assert all(torch.equal(after[name].float(), tensor.float()) for name, tensor in tensors.items())
    assert [file.name for file in path.parent.iterdir()] == ["mine.safetensors"] and path.stat().st_mode == mode


def test_an_unknown_action_or_a_missing_file_is_an_error_and_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    done = run("mark", str(path), "--experimental", "carry,fly")
    assert done.exit_code == 2 and "experimental: unknown action 'fly'; known: " in done.output
    assert path.read_bytes() == before
    done = run("mark", "edge", "--experimental", "carry")
    assert done.exit_code == 3 and "edge: there is no such checkpoint" in done.output


def test_a_marked_copy_is_loaded_listed_and_checked_with_its_experimental_actions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = REPOSITORY / "stages" / FOLDER / PACKAGED["edge"]
    before, out = packaged.read_bytes(), tmp_path / "new" / "marked.safetensors"
    done = run("mark", str(packaged), "--experimental", "carry", "--out", str(out))
    assert done.exit_code == 0, done.output
    assert packaged.read_bytes() == before
    settings = ModelSettings(profile=str(out), device="cpu")
    assert load_profile(PipelineSettings(model=settings)).info.experimental == ("carry",)
    assert "experimental actions: carry" in doctor.weights(settings).seen
    monkeypatch.setitem(PACKAGED, "edge-open", str(out))
    text = " ".join(run("list").output.split())
    assert "edge-open experimental actions: carry kinetics-tps learned from" in text
    assert f"edge experimental actions: {', '.join(summary('edge').experimental)} edge-open" in text


def test_half_precision_makes_a_smaller_file_whose_network_answers_almost_the_same(path: Path) -> None:
    whole = load(path)
    with torch.no_grad():
        for weight in whole.network.parameters():
            weight.mul_(1 + 1e-5)  # what no half precision keeps
    save(whole, path)
    out = path.with_name("half.safetensors")
    assert run("mark", str(path), "--experimental", "", "--half", "--out", str(out)).exit_code == 0
    saved = path.stat().st_size - out.stat().st_size
    assert saved > sum(weight.numel() for weight in whole.network.parameters())
    half = load(out)
    for name, tensor in half.network.state_dict().items():
        assert tensor.dtype == torch.float32, name
        torch.testing.assert_close(tensor, whole.network.state_dict()[name], rtol=1e-3, atol=1e-6, msg=name)
    again = path.with_name("again.safetensors")
    save(half, again)
    assert all(torch.equal(tensor, load_file(out)[name]) for name, tensor in load_file(again).items())
