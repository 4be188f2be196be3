"""What a model does when its device has no room for a batch: smaller ones, and at last the CPU if it may choose."""

from pathlib import Path
from typing import Any

import pytest

from resources.summary.transformers_models import TransformersWriter

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]


def test_out_of_memory_halves_the_batch_then_moves_to_the_cpu(untrained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    writer = TransformersWriter("tiny", untrained, "auto")
    requests = [f"{number} Moons pull." for number in range(8)]
    alone = [writer.ask([request], 6)[0] for request in requests]
    writer.batch, writer._device = 8, "cuda:0"  # what it believes; the memory below is as small as it gets
    generate, sizes = writer._model.generate, []

    def short_of_memory(**inputs: Any) -> Any:
        sizes.append(len(inputs["input_ids"]))
        if writer._device != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(**inputs)

    monkeypatch.setattr(writer._model, "generate", short_of_memory)
    assert writer.ask(requests, 6) == alone
    assert sizes[:5] == [8, 4, 2, 1, 1]
    assert writer.where == "cpu, float32, after a step to batch 4 and batch 2 and batch 1 and the CPU"


def test_a_device_that_was_asked_for_is_not_left(untrained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    writer = TransformersWriter("tiny", untrained, "cpu")
    writer.batch, writer._device = 2, "cuda:0"

    def no_memory(**_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(writer._model, "generate", no_memory)
    with pytest.raises(torch.OutOfMemoryError):
        writer.ask(["One Moon.", "Two Moons."], 6)
    assert writer.batch == 1
