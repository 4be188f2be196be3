"""The networks of CIFAR-10: ResNet-18 for accuracy, `fast` for speed on a GPU, `tiny` for CPUs.

Belongs here: their layers and first weights. Does not belong here: how they are trained (`module.py`), baselines
(`baselines.py`). Pure torch. Each takes normalised float images (n, 3, 32, 32) and returns logits (n, classes).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def build(network: str, classes: int, width: int) -> nn.Module:
    """A network by its name in a recipe, with random first weights drawn from torch's generator."""
    kinds: dict[str, type[nn.Module]] = {"resnet18": ResNet18, "fast": Fast, "tiny": Tiny}
    return kinds[network](classes, width)


class _Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016, arXiv:1512.03385, section 3.3, option B)."""

    def __init__(self, wide_in: int, wide: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(wide_in, wide, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(wide)
        self.second = nn.Conv2d(wide, wide, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(wide)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or wide_in != wide:
            self.shortcut = nn.Sequential(nn.Conv2d(wide_in, wide, 1, stride, bias=False), nn.BatchNorm2d(wide))

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(self.second_norm(self.second(y)) + self.shortcut(x))


class ResNet18(nn.Module):
    """ResNet-18 for small images: a 3x3 stem and no pooling after it. 11.17 million parameters at width 64."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        blocks: list[nn.Module] = []
        wide_in = width
        for group in range(4):
            wide = width << group
            blocks += [_Residual(wide_in, wide, 2 if group else 1), _Residual(wide, wide, 1)]
            wide_in = wide
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(wide_in, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class _Shift(nn.BatchNorm2d):
    """Batch normalisation that learns a bias and no scale; its statistics follow fast, since trainings are short."""

    def __init__(self, wide: int) -> None:
        super().__init__(wide, eps=1e-12, momentum=0.4)  # 0.4 of each new batch: some dozen steps are remembered
        self.weight.requires_grad_(False)


class _Group(nn.Module):
    """Two 3x3 convolutions that start as the identity of their first channels, the picture halved after the first."""

    def __init__(self, wide_in: int, wide: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(wide_in, wide, 3, padding=1, bias=False)
        self.first_norm = _Shift(wide)
        self.second = nn.Conv2d(wide, wide, 3, padding=1, bias=False)
        self.second_norm = _Shift(wide)
        for convolution in (self.first, self.second):
            with torch.no_grad():
                nn.init.dirac_(convolution.weight[: convolution.in_channels])

    def forward(self, x: Tensor) -> Tensor:
        x = functional.gelu(self.first_norm(functional.max_pool2d(self.first(x), 2)))
        return functional.gelu(self.second_norm(self.second(x)))


class Fast(nn.Module):
    """A small network that learns in few steps, after Jordan's "airbench" (2024, arXiv:2404.00498, section 3).

    Its first layer is fixed from the training images by `whiten`; three groups of two convolutions follow (channels:
    width, 4 width, 4 width), and a head whose output is divided by its input's width.
    """

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        patch = 2 * 2 * 3
        self.whitening = nn.Conv2d(3, 2 * patch, 2)  # each direction and its opposite; 32 pixels become 31
        self.whitening.weight.requires_grad_(False)
        nn.init.zeros_(self.whitening.bias)  # type: ignore[arg-type]  # it has one
        self.groups = nn.Sequential(_Group(2 * patch, width), _Group(width, 4 * width), _Group(4 * width, 4 * width))
        self.head = nn.Linear(4 * width, classes, bias=False)
        with torch.no_grad():
            self.head.weight.div_(self.head.weight.std())

    @torch.no_grad()
    def whiten(self, images: Tensor, eps: float = 5e-4) -> None:
        """Fix the first layer so that its outputs are uncorrelated: eigenvectors of the images' 2x2 patches.

        `images` are normalised training images, some thousand; a direction of variance v is scaled by 1/sqrt(v + eps).
        """
        patches = functional.unfold(images.contiguous(), 2).transpose(1, 2).flatten(0, 1)
        patches = (patches.cpu() if patches.device.type == "mps" else patches).double()  # MPS has no float64
        values, vectors = torch.linalg.eigh((patches.T @ patches / len(patches)).cpu())
        directions = (vectors / (values + eps).sqrt()).T.reshape(-1, 3, 2, 2)
        self.whitening.weight.copy_(torch.cat([directions, -directions]))

    def forward(self, x: Tensor) -> Tensor:
        x = self.groups(functional.gelu(self.whitening(x)))
        x = functional.max_pool2d(x, x.shape[2]).flatten(1)
        return self.head(x) / x.shape[1]


class Tiny(nn.Module):
    """Four 3x3 convolutions (channels: width, 2, 4 and 4 times that), the picture halved after the first three."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        wide_in = 3
        for wide in (width, 2 * width, 4 * width, 4 * width):
            layers.append(nn.Conv2d(wide_in, wide, 3, padding=1, bias=False))
            if wide_in != 4 * width:
                layers.append(nn.MaxPool2d(2))  # before the normalisation: a quarter of the work for what follows
            layers += [nn.BatchNorm2d(wide), nn.ReLU()]
            wide_in = wide
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(wide_in, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x).amax((2, 3)))
