"""Parts made absent in training, as if a detector had missed them."""

from __future__ import annotations

import torch
from torch import Tensor


def missed_parts(
    sequences: int, steps: int, parts: int, probability: float, device: torch.device | str = "cpu"
) -> Tensor:
    """Draw which parts are made absent: bool [sequences, steps, parts].

    With this probability a part is absent from one uniformly drawn step to another, because a detector that misses a
    part usually misses it for several steps. On average a third of a sequence is absent then.
    """
    chosen = torch.rand(sequences, 1, parts, device=device) < probability
    first, last = torch.randint(steps, (2, sequences, 1, parts), device=device).sort(0).values
    step = torch.arange(steps, device=device)[:, None]
    return chosen & (step >= first) & (step <= last)
