"""Which image is for training, validation or test, and which images are there more than once.

Belongs here: drawing the parts and counting. Does not belong here: reading images (`source.py`). Pure: NumPy.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from blake3 import blake3

TRAIN, VALIDATION, TEST = 0, 1, 2
PARTS = ("train", "validation", "test")
TEST_SHARE = 1 / 6
"""Where the source has no test part: the share it has in CIFAR-10, 10,000 of 60,000."""


@dataclass(frozen=True)
class Copies:
    """Images of which there are equal ones, pixel by pixel. `once` bool (n,): it is there only once.

    `across` counts test images that are also outside the test part, `within` the other surplus copies, `disputed`
    images with a copy that has another label.
    """

    once: Any
    across: int
    within: int
    disputed: int


def copies(images: Any, labels: Any, test: Any | None) -> Copies:
    """Find equal images among uint8 (n, ...)."""
    import numpy as np

    places: dict[bytes, list[int]] = defaultdict(list)
    for i, image in enumerate(images):
        places[blake3(image.tobytes()).digest()].append(i)
    once = np.ones(len(images), bool)
    across = within = disputed = 0
    for same in places.values():
        if len(same) == 1:
            continue
        once[same] = False
        inside = 0 if test is None else int(test[same].sum())
        outside = len(same) - inside
        across += inside if outside else 0
        within += outside - 1 if outside else inside - 1
        disputed += len(same) if len(set(labels[same].tolist())) > 1 else 0
    return Copies(once, across, within, disputed)


def split(labels: Any, test: Any | None, once: Any, validation_share: float, seed: int) -> Any:
    """The part of each image: uint8 (n,), 0 train, 1 validation, 2 test.

    Validation is `validation_share` of every class outside the test part, drawn by `seed`; test likewise where the
    source has none. Both are drawn among images that are there once, so that no copy of them is in another part.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    parts = np.full(len(labels), TRAIN, np.uint8)

    def draw(part: int, share: float) -> None:
        for label in np.unique(labels):
            pool = (labels == label) & (parts == TRAIN)
            wanted = max(1, round(share * int(pool.sum())))
            parts[random.permutation(np.flatnonzero(pool & once))[:wanted]] = part

    if test is None:
        draw(TEST, TEST_SHARE)
    else:
        parts[test] = TEST
    draw(VALIDATION, validation_share)
    return parts


def counts(labels: Any, parts: Any, classes: int) -> Any:
    """Images by class and part: int (classes, 3)."""
    import numpy as np

    return np.stack([np.bincount(labels[parts == part], minlength=classes) for part in (TRAIN, VALIDATION, TEST)], 1)
