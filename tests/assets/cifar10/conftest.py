"""A dataset for networks that is learnt in a second."""

from typing import Any

import pytest


@pytest.fixture(scope="session")
def bands() -> dict[str, Any]:
    """A dataset learnt in a second: four classes, told apart by where a bright band lies; 480, 120 and 120 images."""
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(720) % 4
    images = torch.randint(0, 120, (720, 3, 32, 32), generator=generator)
    for label in range(4):
        images[labels == label, :, 8 * label : 8 * label + 8] += 100
    split = torch.zeros(720, dtype=torch.uint8)
    split[480:600], split[600:] = 1, 2
    names = "top\nupper\nlower\nbottom"
    return {
        "images": images.to(torch.uint8),
        "labels": labels,
        "split": split,
        "class_names": torch.tensor(list(names.encode()), dtype=torch.uint8),
    }
