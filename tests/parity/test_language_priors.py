"""The priors' table holds what the language model itself says of the words, for MiniLM and for BERT-Base's sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, BertTokenizer

from stages import weights
from stages.language_priors import LanguageModelError, build_priors, word_vectors
from stages.vocabulary import State, Vocabulary, packaged


def words_one_by_one(texts: list[str], where: Path) -> dict[str, np.ndarray]:
    """Each text through the model alone: mean of the last hidden states between [CLS] and [SEP], in float64."""
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
    """A BERT of BERT-Base's width with random weights, and a small WordPiece vocabulary."""
    where = tmp_path_factory.mktemp("bert")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
    pieces += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"] + ["left", "right", "hand", "some", "##thing"]
    (where / "vocab.txt").write_text("\n".join(pieces))
    BertTokenizer(str(where / "vocab.txt")).save_pretrained(str(where))
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(pieces), hidden_size=768, num_hidden_layers=2, num_attention_heads=12)
    BertModel(config).save_pretrained(str(where))
    return where


def check(vocabulary: Vocabulary, where: Path, hidden: int) -> None:
    table = build_priors(vocabulary, where)
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


def test_minilms_table_is_what_minilm_says_of_each_word() -> None:
    check(packaged("edge"), weights.locate("minilm"), 384)


def test_a_bert_of_768_goes_through_the_same_code(bert: Path) -> None:
    vocabulary = Vocabulary(
        parts=("head", "left_hand"),
        states=(State("none"), State("step_on"), State("hold", "cup")),
        states_of={"head": ("none",), "left_hand": ("none", "step_on", "hold cup")},
        actions=("drink",),
    )
    check(vocabulary, bert, 768)


def test_an_absent_object_is_something_and_underscores_are_spaces(bert: Path) -> None:
    vectors = word_vectors(["something", "left hand", "left", "hand"], bert)
    table = build_priors(
        Vocabulary(
            parts=("left_hand",), states=(State("none"),), states_of={"left_hand": ("none",)}, actions=("stand",)
        ),
        bert,
    )
    assert torch.allclose(table[0, 0, :768], vectors["left hand"], atol=1e-5)
    assert torch.allclose(table[0, 0, 2 * 768 :], vectors["something"], atol=1e-5)


def test_a_missing_language_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LanguageModelError, match=r"can't be loaded.*weights fetch minilm"):
        build_priors(packaged("edge"), tmp_path / "nowhere")
