"""Layers, first weights and sizes of the networks."""

import pytest

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from assets.cifar10 import network  # noqa: E402


def _parameters(built: "torch.nn.Module") -> int:
    return sum(parameter.numel() for parameter in built.parameters())


@pytest.mark.parametrize(("name", "width"), [("resnet18", 4), ("fast", 8), ("tiny", 4)])
def test_images_become_logits_and_every_weight_learns(name: str, width: int) -> None:
    torch.manual_seed(0)
    built = network.build(name, 7, width)
    logits = built(torch.randn(5, 3, 32, 32))
    assert logits.shape == (5, 7)
    functional.cross_entropy(logits, torch.arange(5)).backward()
    still = [name for name, p in built.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert still == []


def test_resnet18_is_the_published_one_for_small_images() -> None:
    # 11,173,962: the usual count of ResNet-18 for CIFAR-10 with a 3x3 stem and a head for ten classes.
    assert _parameters(network.build("resnet18", 10, 64)) == 11_173_962
    stem = network.build("resnet18", 10, 4).stem
    assert stem(torch.randn(1, 3, 32, 32)).shape[2:] == (32, 32)


def test_the_first_layer_of_fast_whitens_what_it_was_fixed_on() -> None:
    generator = torch.Generator().manual_seed(0)
    smooth = functional.avg_pool2d(torch.randn(200, 3, 34, 34, generator=generator), 3, stride=1)  # neighbours alike
    built = network.build("fast", 10, 8)
    built.whiten(smooth)
    with torch.no_grad():
        out = built.whitening(smooth).transpose(0, 1).flatten(1)
    second_moments = out[:12] @ out[:12].T / out.shape[1]
    # 1 but for eps = 5e-4 against variances of at least about 0.01.
    assert torch.allclose(second_moments, torch.eye(12), atol=0.1)
    assert torch.equal(built.whitening.weight[12:], -built.whitening.weight[:12])
    assert not built.whitening.weight.requires_grad


def test_fast_starts_by_passing_its_first_channels_on() -> None:
    torch.manual_seed(0)
    group = network.build("fast", 10, 32).groups[0]
    x = torch.randn(2, 24, 31, 31)
    assert torch.allclose(group.first(x)[:, :24], x, atol=1e-6)
    assert not torch.allclose(group.first(x)[:, 24:], torch.zeros(()))


def test_fast_normalises_without_a_scale_and_divides_its_output() -> None:
    torch.manual_seed(0)
    built = network.build("fast", 10, 64)
    trained = [name for name, parameter in built.named_parameters() if parameter.requires_grad]
    assert not any("norm.weight" in name for name in trained)
    assert built.head.weight.std().item() == pytest.approx(1.0, rel=1e-5)
    assert built(torch.randn(8, 3, 32, 32)).abs().max() < 1  # 256 products of about 1, divided by 256
