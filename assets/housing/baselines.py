"""What the ensemble has to beat: mean, least squares, boosted trees, a Gaussian process; one model for each split.

Belongs here: fitting them, as tensors, and computing predictions from those tensors. Scikit-learn fits the last two;
what it found is kept as plain numbers and evaluated here, so that predictions need neither it nor a pickle.
Does not belong here: intervals and averages over splits (`predicting.py`). Pure: torch, numpy, scikit-learn.

All are in float64 on the CPU: they are small, and equal scikit-learn's to the last digits.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assets.housing.card import HousingCard
from assets.housing.recipe import HousingRecipe
from assets.housing.splits import TRAIN, Scales, standardised

Weights = Mapping[str, Tensor]
Step = Callable[[int], object]

MOST_PROCESS_ROWS = 2000
"""Train rows of a Gaussian process: its time grows with their cube, and 2,000 take about a minute a split. Of more,
so many are drawn by the preset's seed."""

_CHUNK = 2048  # rows predicted at a time; bounds memory


def fit(recipe: HousingRecipe, values: Tensor, target: Tensor, splits: Tensor, of: Scales, step: Step) -> Weights:
    """The tensors of a baseline fitted on the train rows of each split. `step` hears how many splits are done.

    values (rows, columns), target (rows,) in 1000 USD, splits (splits, rows), all on the CPU.
    """
    x, logs = standardised(values, of).double().numpy(), target.double().log().numpy()
    price, parts = target.double().numpy(), splits.numpy()
    fitted: list[dict[str, np.ndarray]] = []
    for split, part in enumerate(parts):
        train = part == TRAIN
        if recipe.model == "mean":
            fitted.append({"price": np.array(price[train].mean())})
        elif recipe.model == "least_squares":
            fitted.append(_least_squares(x[split][train], price[train]))
        elif recipe.model == "gradient_boosting":
            fitted.append(_boosted(recipe, x[split][train], logs[train], split))
        else:
            centred = (logs[train] - float(of.log_mean[split])) / float(of.log_std[split])
            fitted.append(_process(recipe, x[split][train], centred, split))
        step(split + 1)
    # Splits may differ in their number of trees' nodes or rows: zeros fill up, and count for nothing.
    return {f"{recipe.model}_{name}": torch.from_numpy(_stacked([one[name] for one in fitted])) for name in fitted[0]}


def predict(by: HousingCard | HousingRecipe, weights: Weights, x: Tensor, of: Scales) -> tuple[Tensor, Tensor]:
    """Price in 1000 USD of standardised x (splits, rows, columns), and how unsure its logarithm is, relatively.

    Both are float64 (splits, rows). Only a Gaussian process is surer of some rows than of others; else it is 1.
    """
    mine = {name.removeprefix(f"{by.model}_"): tensor.double().cpu() for name, tensor in weights.items()}
    if by.model == "gradient_boosting":
        mine |= {name: weights[f"{by.model}_{name}"].cpu().long() for name in ("feature", "left", "right")}
    given = [_predict(by, mine, piece, of) for piece in x.double().cpu().split(_CHUNK, 1)]
    price, spread = zip(*given, strict=True)
    return torch.cat(price, 1), torch.cat(spread, 1)


def _predict(by: HousingCard | HousingRecipe, mine: dict[str, Tensor], x: Tensor, of: Scales) -> tuple[Tensor, Tensor]:
    ones = torch.ones(x.shape[:2], dtype=torch.float64)
    if by.model == "mean":
        return mine["price"][:, None] * ones, ones
    if by.model == "least_squares":
        return torch.einsum("sni,si->sn", x, mine["coefficients"]) + mine["intercept"][:, None], ones
    if by.model == "gradient_boosting":
        return _boosted_logs(mine, x, by.depth).exp(), ones
    mean, std = _process_logs(mine, x)
    log_std = of.log_std.double().cpu()[:, None]
    return (mean * log_std + of.log_mean.double().cpu()[:, None]).exp(), std * log_std


def _least_squares(x: np.ndarray, price: np.ndarray) -> dict[str, np.ndarray]:
    solved, *_ = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), price, rcond=None)
    return {"coefficients": solved[:-1], "intercept": np.array(solved[-1])}


def _boosted(recipe: HousingRecipe, x: np.ndarray, logs: np.ndarray, split: int) -> dict[str, np.ndarray]:
    """Trees as arrays (trees, nodes): the column a node cuts, where, its children (itself at a leaf), its value."""
    from sklearn.ensemble import GradientBoostingRegressor

    model = boosting(recipe, split).fit(x, logs)
    assert isinstance(model, GradientBoostingRegressor)
    trees = [tree.tree_ for (tree,) in model.estimators_]
    most = max(tree.node_count for tree in trees)
    arrays = {
        name: np.zeros((len(trees), most), kind)
        for name, kind in (("feature", np.int16), ("left", np.int16), ("right", np.int16))
    }
    arrays |= {"threshold": np.zeros((len(trees), most)), "value": np.zeros((len(trees), most))}
    for number, tree in enumerate(trees):
        count = tree.node_count
        is_leaf = tree.children_left < 0
        itself = np.arange(count)
        arrays["feature"][number, :count] = np.where(is_leaf, 0, tree.feature)
        arrays["left"][number, :count] = np.where(is_leaf, itself, tree.children_left)
        arrays["right"][number, :count] = np.where(is_leaf, itself, tree.children_right)
        arrays["threshold"][number, :count] = tree.threshold
        arrays["value"][number, :count] = tree.value[:, 0, 0] * recipe.shrinkage
    return {**arrays, "start": np.array(float(np.ravel(model.init_.constant_)[0]))}


def boosting(recipe: HousingRecipe, split: int) -> Any:
    """Scikit-learn's gradient boosting as the preset wants it; least squares on the logarithm of the price."""
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(
        n_estimators=recipe.trees,
        max_depth=recipe.depth,
        learning_rate=recipe.shrinkage,
        subsample=recipe.row_share,
        max_features=recipe.column_share,
        # Below 2^32, as scikit-learn wants it, for every seed and split.
        random_state=int(np.random.SeedSequence([recipe.seed, split]).generate_state(1)[0]),
    )


def _boosted_logs(mine: dict[str, Tensor], x: Tensor, depth: int) -> Tensor:
    """Every row goes down every tree at once, a level at a time: x (splits, rows, columns) -> (splits, rows)."""
    x = x.float()  # as in scikit-learn, whose trees see float32 and compare it with float64 thresholds
    splits, rows, _ = x.shape
    out = mine["start"][:, None].repeat(1, rows)
    for split in range(splits):
        feature, threshold = mine["feature"][split], mine["threshold"][split]
        left, right, value = mine["left"][split], mine["right"][split], mine["value"][split]
        node = torch.zeros(len(feature), rows, dtype=torch.long)
        columns = x[split].T.double()
        row = torch.arange(rows)
        for _ in range(depth):
            goes_left = columns[feature.gather(1, node), row] <= threshold.gather(1, node)
            node = torch.where(goes_left, left.gather(1, node), right.gather(1, node))
        out[split] += value.gather(1, node).sum(0)
    return out


def _process(recipe: HousingRecipe, x: np.ndarray, y: np.ndarray, split: int) -> dict[str, np.ndarray]:
    """Train rows, alpha = K^-1 y, the Cholesky factor of K, and the kernel's parameters."""
    if len(x) > MOST_PROCESS_ROWS:
        some = np.random.default_rng([recipe.seed, split]).choice(len(x), MOST_PROCESS_ROWS, replace=False)
        x, y = x[some], y[some]
    from threadpoolctl import threadpool_limits

    model = process(recipe, x.shape[1])
    # Threads gain nothing on matrices this small, and on a busy machine they wait for each other most of the time.
    with threadpool_limits(1), warnings.catch_warnings():
        # A parameter at its bound, or no full convergence: the fit is used as it is, and judged by its scores.
        warnings.simplefilter("ignore")
        model.fit(x, y)
    smooth, noise = model.kernel_.k1, model.kernel_.k2
    shape = smooth.k2
    return {
        "rows": x,
        "alpha": model.alpha_,
        "factor": model.L_,
        "amplitude": np.array(smooth.k1.constant_value),
        "noise": np.array(noise.noise_level),
        "scale": np.broadcast_to(shape.length_scale, x.shape[1]).astype(float),
        "mixture": np.array(getattr(shape, "alpha", 0.0)),
    }


def process(recipe: HousingRecipe, columns: int) -> Any:
    """Scikit-learn's Gaussian process as the preset wants it; its parameters maximise the marginal likelihood."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, RationalQuadratic, WhiteKernel

    if recipe.kernel == "rational_quadratic":
        shape: Any = RationalQuadratic(3.0, 1.0)
    else:
        shape = RBF([3.0] * columns if recipe.own_scales else 3.0)
    # Where the search starts: standardised columns, a tenth of the variance taken for noise.
    return GaussianProcessRegressor(ConstantKernel(1.0) * shape + WhiteKernel(0.1))


def _process_logs(mine: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (noise included) of the standardised logarithm: (splits, rows) each.

    Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006), algorithm 2.1; the rational quadratic
    covariance is their (4.19).
    """
    out_mean, out_std = [], []
    for split in range(len(x)):
        scale, alpha = mine["scale"][split], mine["alpha"][split]
        squares = torch.cdist(x[split] / scale, mine["rows"][split] / scale).square()
        mixture = mine["mixture"][split]
        shape = (1 + squares / (2 * mixture)) ** -mixture if mixture > 0 else torch.exp(-squares / 2)
        # Rows that only fill up have a row of zeros in the factor, too: they must not count.
        real = mine["factor"][split].diagonal() > 0
        covariance = mine["amplitude"][split] * shape[:, real]
        factor = mine["factor"][split][real][:, real]
        solved = torch.linalg.solve_triangular(factor, covariance.T, upper=False)
        variance = mine["amplitude"][split] + mine["noise"][split] - solved.square().sum(0)
        out_mean.append(covariance @ alpha[real])
        out_std.append(variance.clamp_min(0).sqrt())
    return torch.stack(out_mean), torch.stack(out_std)


def _stacked(arrays: list[np.ndarray]) -> np.ndarray:
    """(splits, ...), smaller ones filled up with zeros."""
    shape = np.max([array.shape for array in arrays], axis=0).astype(int)
    if not len(shape):
        return np.array(arrays)
    out = np.zeros((len(arrays), *shape), arrays[0].dtype)
    for number, array in enumerate(arrays):
        out[number][tuple(slice(size) for size in array.shape)] = array
    return out
