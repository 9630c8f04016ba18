"""Action scores from three heads (posture, movement, gesture) in place of one softmax (docs/method.md).

Each action belongs to one head. The heads read the same state and are separate softmaxes; movement and gesture have
one more class, "none". The score of an action is the probability that its own head chooses it and that the heads above
choose "none". With the heads' probabilities P, M and G:

    score of a gesture g   = G(g)
    score of a movement m  = G(none) · M(m)
    score of a posture p   = G(none) · M(none) · P(p)

In a table of posture, movement and gesture, a gesture is (any, any, g), a movement (any, m, none) and a posture
(p, none, none). These rows share no combination and together cover all of them, so the scores sum to 1 without being
normalised. A person who sits and waves is a wave, and the loss of a wave, −log G(wave), has no gradient at the heads of
posture and movement. A general table would have to be normalised over the actions, which makes them compete again.
The answer remains one distribution over the actions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

POSTURE, MOVEMENT, GESTURE = range(3)
HEADS = ("posture", "movement", "gesture")
_NEVER = -1e4
"""Logit of a head's unused columns: its probability is 0, also in half precision."""


class HierarchicalScores(nn.Linear):
    """The logarithms of the actions' probabilities, from a row of weights per action and one for each "none"."""

    def __init__(self, inputs: int, heads: Sequence[int]) -> None:
        """`heads` has POSTURE, MOVEMENT or GESTURE for each action. Raises ValueError if no action is a posture."""
        super().__init__(inputs, len(heads))
        self.none = nn.Linear(inputs, 2)
        members = [[action for action, head in enumerate(heads) if head == wanted] for wanted in range(len(HEADS))]
        if not members[POSTURE]:
            raise ValueError("at least one action must be a posture: people who don't move have one")
        # Columns of the logits, then "no movement", "no gesture", and a column that is never chosen.
        no_movement, no_gesture, unused = range(len(heads), len(heads) + 3)
        rows = [members[POSTURE], [*members[MOVEMENT], no_movement], [*members[GESTURE], no_gesture]]
        width = max(map(len, rows))
        layout = torch.tensor([row + [unused] * (width - len(row)) for row in rows])
        above = {POSTURE: (no_movement, no_gesture), MOVEMENT: (no_gesture,), GESTURE: ()}
        table = torch.zeros(len(heads), len(HEADS) * width)
        for action, head in enumerate(heads):
            for column in (action, *above[head]):
                table[action, layout.flatten().tolist().index(column)] = 1
        self.layout: Tensor
        self.table: Tensor
        self.shift: Tensor
        self.register_buffer("layout", layout.flatten(), persistent=False)
        self.register_buffer("table", table, persistent=False)
        # Set after training, for actions that are rarer or more frequent in use (`apply_prevalence`).
        self.register_buffer("shift", torch.zeros(len(heads)))

    def forward(self, input: Tensor) -> Tensor:
        """Return log-probabilities [..., actions] of states [..., inputs], plus the shift."""
        logits = torch.cat((super().forward(input), self.none(input)), -1)
        columns = F.pad(logits, (0, 1), value=_NEVER).index_select(-1, self.layout)
        chosen = torch.log_softmax(columns.unflatten(-1, (len(HEADS), -1)), -1)
        return F.linear(chosen.flatten(-2), self.table, self.shift)


def heads_of(actions: Sequence[str], postures: Sequence[str], movements: Sequence[str]) -> list[int]:
    """Return each action's head; an action that is neither a posture nor a movement is a gesture.

    Raises ValueError for an unknown action and for one that is both.
    """
    if unknown := sorted({*postures, *movements} - set(actions)):
        raise ValueError(f"posture_actions, movement_actions: there is no action {', '.join(unknown)}; there are "
                         f"{', '.join(actions)}")  # fmt: skip
    if both := sorted(set(postures) & set(movements)):
        raise ValueError(f"{', '.join(both)}: an action belongs to posture_actions or movement_actions, not to both")
    return [POSTURE if name in postures else MOVEMENT if name in movements else GESTURE for name in actions]


def action_scores(inputs: int, actions: int, heads: Sequence[int]) -> nn.Linear:
    """Return the layer that scores actions: one softmax if `heads` is empty."""
    return HierarchicalScores(inputs, heads) if heads else nn.Linear(inputs, actions)
