"""`resnet18` on real images with a small, fixed budget, where there is no GPU: accuracy and images a second.

    python benchmarks/cifar10_cpu.py CIFAR10 [epochs] [images]

CIFAR10 is anything that `cifar10_dataset` reads: the official archive, or a folder or zip of images by class. Of its
training part 12,000 images train for 3 epochs and 1,000 others set the temperature; 1,000 of the test part are
what accuracy is measured on. All else is as the preset says, but for a batch of 128: 3 epochs would else be 69 steps.
It says how the code does on photographs, not how good the network becomes: that takes 40 epochs and a GPU.
"""

import logging
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from assets.cifar10 import source
from assets.cifar10.predicting import card_of, logits
from assets.cifar10.recipe import Cifar10Recipe
from assets.cifar10.scoring import scored
from assets.cifar10.training import finish, part, prepare
from resources.training import presets
from resources.training.loop import fit
from resources.training.plan import Plan

PRESETS = Path(__file__).resolve().parent.parent / "assets" / "cifar10" / "presets.yaml"
HELD_OUT = 1_000  # a standard deviation of 1.5 % on an accuracy of 65 %


def chosen(path: Path, images: int) -> dict[str, torch.Tensor]:
    """`images` for training, 1,000 for validation and 1,000 for test, drawn with a seed."""
    read = source.read(path, logging.getLogger("cifar10_cpu"))
    every, labels, test = (torch.from_numpy(each) for each in (read.images, read.labels, read.test))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    learn, tested = order[~test[order]][: images + HELD_OUT], order[test[order]][:HELD_OUT]
    split = torch.zeros(len(learn) + len(tested), dtype=torch.uint8)
    split[images : len(learn)], split[len(learn) :] = 1, 2
    those = torch.cat([learn, tested])
    names = torch.tensor(list("\n".join(read.names).encode()), dtype=torch.uint8)
    return {"images": every[those], "labels": labels[those].long(), "split": split, "class_names": names}


def main(path: Path, epochs: int, images: int) -> None:
    preset = presets.read(PRESETS, Cifar10Recipe)["resnet18"]
    recipe = presets.overridden(preset, {"epochs": epochs, "batch_size": 128, "learning_rate": 0.1})
    begun = time.perf_counter()
    dataset = chosen(path, images)
    print(f"read in {time.perf_counter() - begun:.1f} s; load {os.getloadavg()}, {torch.get_num_threads()} threads")
    prepared = prepare(dataset, recipe, "cpu")
    assert prepared.module is not None
    training = fit(
        prepared.module,
        prepared.train,
        prepared.validation,
        Plan.of(recipe, "cpu"),
        on_epoch=lambda numbers: print({name: round(value, 4) for name, value in numbers.items()}, flush=True),
    )
    checkpoint = finish(prepared, training, preset="resnet18", overrides={}, data_version="benchmark", device="cpu")
    tested = part(dataset, "test", "cpu")
    scores = scored(logits(checkpoint, tested.images, "cpu"), tested.labels, card_of(checkpoint).temperature)
    print(f"load {os.getloadavg()}; {images} images, {epochs} epochs, {training.wall_s:.0f} s, test {scores.metrics}")
    # A sentence, not lines for run.py's table: there is no aim for such a budget.
    print(
        f"resnet18 on the CPU, {epochs} epochs of {images:,} images: {scores.accuracy:.2%} of {HELD_OUT:,} test images"
        f" right, trained at {training.samples_per_s:,.0f} images/s"
    )


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(str(__doc__))
    main(
        Path(sys.argv[1]),
        int(sys.argv[2]) if len(sys.argv) > 2 else 3,
        int(sys.argv[3]) if len(sys.argv) > 3 else 12_000,
    )
