"""The table of priors has the language model's own word vectors, for MiniLM and for BERT-Base's size."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from stages.language.prior_table import LanguageModel, LanguageModelError, build_rows, find_language_model, prior_table
from stages.third_party import weights
from stages.vocabulary import State, Vocabulary, packaged


def words_one_by_one(texts: list[str], where: Path) -> dict[str, np.ndarray]:
    """Return each text's mean of the last hidden states between [CLS] and [SEP], in float64, computed separately."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(str(where))
    model: Any = AutoModel.from_pretrained(str(where), dtype=torch.float32).eval()
    found = {}
    for text in texts:
        tokens = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            hidden = model(**tokens).last_hidden_state[0].double().numpy()
        assert hidden.shape[0] == len(tokenizer.tokenize(text)) + 2
        found[text] = hidden[1:-1].mean(0)
    return found


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a BERT of BERT-Base's width with random weights and a small WordPiece vocabulary."""
    from transformers import BertConfig, BertModel, BertTokenizer

    where = tmp_path_factory.mktemp("bert")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
    pieces += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"] + ["left", "right", "hand", "some", "##thing"]
    (where.parent / "bert-vocab.txt").write_text("\n".join(pieces))
    BertTokenizer(str(where.parent / "bert-vocab.txt")).save_pretrained(str(where))
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(pieces), hidden_size=768, num_hidden_layers=2, num_attention_heads=12)
    BertModel(config).save_pretrained(str(where))
    return where


def test_the_table_of_minilm_has_its_word_vectors() -> None:
    vocabulary, where = packaged("edge"), weights.locate("minilm")
    table = build_rows(vocabulary, find_language_model(where))
    assert table.shape == (len(vocabulary.parts), len(vocabulary.states), 3 * 384)
    assert table.dtype == torch.float32
    texts = {word for part, state in vocabulary.pairs() for word in vocabulary.triple(part, state)}
    direct = words_one_by_one(sorted(texts), where)
    assert table[torch.from_numpy(~vocabulary.mask())].abs().sum() == 0
    for part, state in vocabulary.pairs():
        row = table[vocabulary.part_index(part), vocabulary.state_index(state.label)].numpy()
        expected = np.concatenate([direct[word] for word in vocabulary.triple(part, state)])
        assert np.abs(row - expected).max() <= 1e-5 * np.abs(expected).max()


def hand(*labels: str) -> Vocabulary:
    """Return a vocabulary of one hand with these states."""
    return Vocabulary(
        parts=("left_hand",),
        states=tuple(State.parse(label) for label in labels),
        states_of={"left_hand": labels},
        actions=("stand",),
    )


def test_a_table_is_built_once_per_model_and_vocabulary(bert: Path, tmp_path: Path) -> None:
    first = prior_table(hand("none", "hold"), bert, tmp_path)
    (file,) = tmp_path.iterdir()
    before = file.stat().st_mtime_ns
    again = prior_table(hand("none", "hold"), bert, tmp_path)
    assert torch.equal(first.rows, again.rows) and file.stat().st_mtime_ns == before
    assert (again.language_model, again.language_model_sha256) == (str(bert), LanguageModel("", bert).sha256())
    prior_table(hand("none", "grab"), bert, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2, "another vocabulary"
    other = tmp_path / "other"
    shutil.copytree(bert, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 0.1}))
    changed = prior_table(hand("none", "hold"), other, tmp_path)
    assert not torch.equal(changed.rows, first.rows), "another model of the same sizes"


def test_a_damaged_table_is_rebuilt_and_a_cache_that_cannot_be_written_is_no_error(bert: Path, tmp_path: Path) -> None:
    first = prior_table(hand("none"), bert, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-7])
    assert torch.equal(prior_table(hand("none"), bert, tmp_path).rows, first.rows)
    save_file({"rows": torch.zeros(3, 3)}, file)
    assert torch.equal(prior_table(hand("none"), bert, tmp_path).rows, first.rows)
    assert torch.equal(prior_table(hand("none"), bert, file / "below").rows, first.rows)


def test_a_folder_without_the_necessary_files_is_rejected_with_their_names(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(LanguageModelError, match="no such folder"):
        find_language_model(tmp_path / "nowhere")
    shutil.copy(bert / "config.json", tmp_path / "config.json")
    with pytest.raises(LanguageModelError, match=r"it lacks model\.safetensors or pytorch_model\.bin, and tokenizer"):
        find_language_model(tmp_path)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use empty caches of Hugging Face and of ours, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("PARTSTREAM_CACHE", str(tmp_path / "ours"))
    return tmp_path / "hub"


def test_a_model_is_found_by_name_in_the_hubs_cache(bert: Path, hub: Path) -> None:
    folder = hub / "models--someone--small-bert"
    shutil.copytree(bert, folder / "snapshots" / ("a" * 40))
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("a" * 40)
    found = find_language_model("someone/small-bert")
    assert found.folder.is_relative_to(hub)
    assert found.sha256() == LanguageModel("", bert).sha256()


def test_without_a_network_the_error_lists_the_files_to_add_by_hand(hub: Path) -> None:
    with pytest.raises(LanguageModelError, match="someone/small-bert"):
        find_language_model("someone/small-bert")
    with pytest.raises(LanguageModelError) as error:
        find_language_model("bert-base-uncased")
    for words in (str(weights.folder("bert-base-uncased")), "7160e155", "68d45e23", "07eced37"):
        assert words in str(error.value)
