"""What the training loop costs: steps a second of `fit` (Lightning within) against a bare PyTorch loop.

    python benchmarks/lightning_overhead.py [rounds]

Both sides train a network of its own, with the same first weights, over the same device batches of 512 with the same
augmentation, optimiser and learning rates, without validation. Ours also tallies loss and accuracy, shows progress and
keeps the clocks, and is all that a product's training runs. Set-up and the first step are left out on both sides.

- `tiny`: the preset's own network.
- `linear`: one linear layer without augmentation. Its steps are so short that the loop's own work is all there is to
  see; no training is like it, so it is shown without an aim.

One training of each side in turn; the median of the rounds' ratios is compared with the aim.
"""

import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch import nn
from torch.nn import functional

from assets.cifar10.module import Cifar10Module, one_cycle
from assets.cifar10.recipe import Cifar10Recipe
from assets.cifar10.training import Prepared, prepare
from resources.training.loop import fit
from resources.training.plan import Plan

AIM = 0.9  # from the issue that asked for it
BATCH, EPOCHS = 512, 3


def recipe(augmented: bool) -> Cifar10Recipe:
    options: dict[str, Any] = {"translate": 2, "flip": "alternating"} if augmented else {"flip": "none"}
    return Cifar10Recipe(
        description="A benchmark.",
        network="tiny",
        width=16,
        epochs=EPOCHS,
        batch_size=BATCH,
        learning_rate=0.1,
        **options,
    )


def made(dataset: dict[str, torch.Tensor], kind: str, device: str) -> Prepared:
    """A fresh start: the same first weights and batches every time."""
    prepared = prepare(dataset, recipe(kind == "tiny"), device)
    if kind == "linear":
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
        return Prepared(**{**vars(prepared), "network": network, "module": Cifar10Module(network, prepared.recipe)})
    return prepared


def ours(prepared: Prepared, device: str) -> float:
    """Steps a second, by the training's own clock."""
    plan = Plan.of(prepared.recipe, device)
    assert prepared.module is not None
    training = fit(prepared.module, prepared.train, None, plan, on_step=lambda done, total: None)
    return training.samples_per_s / BATCH


def bare(prepared: Prepared, device: str) -> float:
    """Steps a second of the loop that everybody writes."""
    recipe, steps = prepared.recipe, EPOCHS * len(prepared.train)
    network = prepared.network.to(device).train()
    optimizer = torch.optim.SGD(
        network.parameters(), recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
    )
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, one_cycle(steps, recipe.warm_up))
    begun, done = 0.0, 0
    for _ in range(EPOCHS):
        for batch in prepared.train:
            with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                loss = functional.cross_entropy(network(batch["images"]), batch["labels"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            done += 1
            if done == 1:
                if device == "cuda":
                    torch.cuda.synchronize()
                begun = time.perf_counter()
    if device == "cuda":
        torch.cuda.synchronize()
    return (done - 1) / (time.perf_counter() - begun)


def main(rounds: int) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.benchmark = device == "cuda"
    generator = torch.Generator().manual_seed(0)
    count = BATCH * 12
    dataset = {
        "images": torch.randint(0, 256, (count + BATCH, 3, 32, 32), dtype=torch.uint8, generator=generator),
        "labels": torch.randint(0, 10, (count + BATCH,), generator=generator),
        "split": (torch.arange(count + BATCH) >= count).to(torch.uint8),
        "class_names": torch.tensor(list("\n".join("abcdefghij").encode()), dtype=torch.uint8),
    }
    for kind in ("tiny", "linear"):
        rates: dict[str, list[float]] = {"ours": [], "bare": []}
        for number in range(rounds + 1):
            sides = {"ours": ours, "bare": bare}
            for side in sides if number % 2 else reversed(sides):
                measured = sides[side](made(dataset, kind, device), device)
                if number:  # the first round pays for imports and first allocations
                    rates[side].append(measured)
        ratio = statistics.median(a / b for a, b in zip(rates["ours"], rates["bare"], strict=True))
        us, them = (statistics.median(rates[side]) for side in ("ours", "bare"))
        print(
            f"{kind}: ours {us:,.1f} steps/s, bare {them:,.1f}; {1000 * (1 / us - 1 / them):.2f} ms a step are the"
            f" loop's; n={rounds}, batch {BATCH}, {device}, {torch.get_num_threads()} threads"
        )
        if kind == "tiny":
            print(f"lightning_overhead {ratio:.2f} {AIM} {'ok' if ratio >= AIM else 'short'}")
        else:
            print(f"lightning_overhead_linear {ratio:.2f} - unmeasured")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
