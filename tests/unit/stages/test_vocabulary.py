"""A vocabulary names outputs and masks states by part; an invalid one is rejected with the reason."""

from __future__ import annotations

import pytest

from stages.vocabulary import PARTS, State, Vocabulary, VocabularyError, packaged


def small(**changes: object) -> Vocabulary:
    fields: dict[str, object] = {
        "parts": ("head", "left_hand"),
        "states": (State("none"), State("hold", "cup"), State("turn")),
        "states_of": {"head": ("none", "turn"), "left_hand": ("none", "hold cup")},
        "actions": ("drink", "other"),
    }
    return Vocabulary(**{**fields, **changes})  # pyright: ignore[reportArgumentType]


def test_a_part_has_only_its_own_states() -> None:
    assert small().mask().tolist() == [[True, False, True], [True, True, False]]
    assert [(part, state.label) for part, state in small().pairs()] == [
        ("head", "none"),
        ("head", "turn"),
        ("left_hand", "none"),
        ("left_hand", "hold cup"),
    ]


def test_the_words_of_a_part_state_are_part_verb_and_object_or_something() -> None:
    vocabulary = small(words={"left_hand": "left palm"})
    assert vocabulary.triple("left_hand", State("hold", "cup")) == ("left palm", "hold", "cup")
    assert vocabulary.triple("head", State("none")) == ("head", "none", "something")
    assert vocabulary.triple("head", State("step_on")) == ("head", "step on", "something")


def test_json_preserves_everything_and_equal_vocabularies_have_equal_hashes() -> None:
    vocabulary = small(words={"drink": "to drink"})
    again = Vocabulary.from_json(vocabulary.to_json())
    assert again == vocabulary
    assert again.sha256() == vocabulary.sha256() != small().sha256()


def test_the_packaged_edge_vocabulary_has_ten_parts_in_order_and_the_documented_actions_and_states() -> None:
    edge = packaged("edge")
    assert edge.parts == PARTS
    documented = {"stand", "walk", "run", "jump", "crouch", "sit", "wave", "clap", "punch", "kick"}
    assert documented <= set(edge.actions)
    assert len([state for _, state in edge.pairs() if state.verb != "none"]) >= 20
    assert all("none" in edge.states_of[part] for part in edge.parts)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actions": ()}, "`actions` is empty"),
        ({"actions": ("a", "a")}, "a more than once"),
        ({"states_of": {"head": ("none",)}}, "one entry for each of `parts`"),
        ({"states_of": {"head": ("none",), "left_hand": ("fly",)}}, "states_of.left_hand"),
        ({"ignored_verbs": ("none",)}, "none can't be both a state and in `ignored_verbs`"),
    ],
)
def test_an_inconsistent_vocabulary_is_rejected_by_field(changes: dict[str, object], message: str) -> None:
    with pytest.raises(VocabularyError, match=message):
        small(**changes)
