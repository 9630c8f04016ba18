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

from stages.language import prior_table as tables
from stages.language.prior_table import (
    LanguageModel,
    LanguageModelError,
    build_rows,
    find_language_model,
    prior_table,
    word_vectors,
)
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


def check(vocabulary: Vocabulary, where: Path, hidden: int) -> None:
    table = build_rows(vocabulary, find_language_model(where))
    assert table.shape == (len(vocabulary.parts), len(vocabulary.states), 3 * hidden)
    assert table.dtype == torch.float32
    texts = {word for part, state in vocabulary.pairs() for word in vocabulary.triple(part, state)}
    direct = words_one_by_one(sorted(texts), where)
    mask = vocabulary.mask()
    assert table[torch.from_numpy(~mask)].abs().sum() == 0
    for part, state in vocabulary.pairs():
        row = table[vocabulary.part_index(part), vocabulary.state_index(state.label)].numpy()
        expected = np.concatenate([direct[word] for word in vocabulary.triple(part, state)])
        assert np.abs(row - expected).max() <= 1e-5 * np.abs(expected).max()


def test_the_table_of_minilm_has_its_word_vectors() -> None:
    check(packaged("edge"), weights.locate("minilm"), 384)


def hand(*labels: str) -> Vocabulary:
    """Return a vocabulary of one hand with these states."""
    return Vocabulary(
        parts=("left_hand",),
        states=tuple(State.parse(label) for label in labels),
        states_of={"left_hand": labels},
        actions=("stand",),
    )


def test_a_table_is_built_once_per_model_and_vocabulary(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counted(words: list[str], model: LanguageModel) -> dict[str, torch.Tensor]:
        asked.append(len(words))
        return word_vectors(words, model)

    monkeypatch.setattr(tables, "word_vectors", counted)
    first, again = (prior_table(hand("none", "hold"), bert, tmp_path) for _ in range(2))
    assert torch.equal(first.rows, again.rows) and len(asked) == 1
    assert (again.language_model, again.language_model_sha256) == (str(bert), LanguageModel("", bert).sha256())
    assert len(list(tmp_path.iterdir())) == 1, "no partial file is left"
    prior_table(hand("none", "grab"), bert, tmp_path)
    assert len(asked) == 2, "another vocabulary"
    other = tmp_path / "other"
    shutil.copytree(bert, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 0.1}))
    changed = prior_table(hand("none", "hold"), other, tmp_path)
    assert len(asked) == 3 and not torch.equal(changed.rows, first.rows), "another model of the same sizes"


def test_a_damaged_table_is_rebuilt_and_a_cache_that_cannot_be_written_is_no_error(bert: Path, tmp_path: Path) -> None:
    first = prior_table(hand("none"), bert, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-7])
    assert torch.equal(prior_table(hand("none"), bert, tmp_path).rows, first.rows)
    save_file({"rows": torch.zeros(3, 3)}, file)
    assert torch.equal(prior_table(hand("none"), bert, tmp_path).rows, first.rows)
    assert torch.equal(prior_table(hand("none"), bert, file / "below").rows, first.rows)


def test_a_folder_without_the_necessary_files_is_rejected_with_their_names(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(
        LanguageModelError, match=r"(?s)nowhere.*there is no such folder.*weights fetch minilm"
    ) as error:
        find_language_model(tmp_path / "nowhere")
    assert "config.json, model.safetensors or pytorch_model.bin, and tokenizer.json or vocab.txt" in str(error.value)
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


def cached(hub: Path, name: str, source: Path, commit: str = "a" * 40) -> None:
    """Copy a model into a cache in the layout of the hub's client."""
    folder = hub / f"models--{name.replace('/', '--')}"
    shutil.copytree(source, folder / "snapshots" / commit)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)


def test_a_model_is_found_by_name_in_the_hubs_cache(bert: Path, hub: Path) -> None:
    cached(hub, "someone/small-bert", bert)
    found = find_language_model("someone/small-bert")
    assert found.folder.is_relative_to(hub)
    assert found.sha256() == LanguageModel("", bert).sha256()


def test_without_a_network_the_error_lists_the_files_to_add_by_hand(hub: Path) -> None:
    with pytest.raises(LanguageModelError) as error:
        find_language_model("someone/small-bert")
    message = str(error.value)
    assert "'someone/small-bert' was not found: Hugging Face's hub, someone/small-bert" in message
    assert "Give a folder with its config.json" in message
    with pytest.raises(LanguageModelError) as error:
        find_language_model("bert-base-uncased")
    message = str(error.value)
    assert str(weights.folder("bert-base-uncased")) in message
    for name, hash_begins in (
        ("config.json", "7160e155"),
        ("model.safetensors", "68d45e23"),
        ("vocab.txt", "07eced37"),
    ):
        assert f"{name} as {name} (SHA-256 {hash_begins}" in message
    assert "weights add bert-base-uncased" in message
