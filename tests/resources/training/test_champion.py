"""Who becomes champion, who stays, and what the verdict says about it."""

import numpy as np
import pytest

from resources.errors import BadInput, MissingArtifact
from resources.training.champion import crown, markdown
from resources.training.documents import Evaluation, Verdict

DATA, OLD_DATA = "d" * 64, "0" * 64
EASE = np.random.default_rng(0).random(3_000)  # of each sample: below a model's accuracy it is right, most of the time


def classifier(name: str, accuracy: float, *, baseline: bool = False, test: float = 0.5, seed: int = 1, **fields):
    """An evaluation with exactly that accuracy on 3,000 samples, and 1 % of the answers changed by chance."""
    noisy = EASE + np.random.default_rng([seed, *name.encode()]).normal(0, 0.01, size=len(EASE))
    right = np.argsort(np.argsort(noisy)) < round(accuracy * len(EASE))
    values = {
        "product": "cifar10",
        "model": name,
        "baseline": baseline,
        "data_version": DATA,
        "checkpoint": f"{name}-{seed}",
        "metric": "accuracy",
        "statistic": "mean",
        "scores": tuple(right.astype(float)),
        "metrics": {"validation": {"accuracy": accuracy}, "test": {"accuracy": test}},
        "details": {},
    }
    return Evaluation(**(values | fields))


def regressor(name: str, scale: float, **fields):
    """An evaluation of errors of that RMSE on 1,000 samples of 250 houses."""
    errors = np.random.default_rng(2).normal(size=1_000) * scale
    houses = tuple(i // 4 for i in range(1_000))
    own = {"metric": "rmse", "statistic": "rms", "scores": tuple(errors), "groups": houses, "product": "housing"}
    return classifier(name, 0.5, **(own | fields))


def decided(*evaluations: Evaluation, reigning: Evaluation | None = None, **options) -> Verdict:
    verdict = crown({each.model: each for each in evaluations}, reigning, DATA, **options)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
    return verdict


def states(verdict: Verdict) -> dict[str, str]:
    return {f"{row.model} {row.checkpoint}".split("-")[0].split()[0]: row.state for row in verdict.candidates}


def test_the_first_champion_is_the_best_on_validation_whatever_its_test_score() -> None:
    verdict = decided(
        classifier("fast", 0.93, test=0.99),
        classifier("resnet18", 0.95, test=0.10),
        classifier("majority", 0.10, baseline=True),
    )
    assert (verdict.champion, verdict.changed, verdict.baseline) == ("resnet18", True, False)
    assert "resnet18 (accuracy 0.95 on validation) is the first champion: it is the best of 3" in verdict.reason
    assert "It gains +0.85" in verdict.reason
    assert [row.model for row in verdict.candidates] == ["resnet18", "fast", "majority"]
    assert verdict.candidates[1].gain == pytest.approx(-0.02)


def test_a_baseline_that_wins_is_champion_and_says_so() -> None:
    verdict = decided(regressor("ensemble", 3.1), regressor("boosting", 2.9, baseline=True))
    assert (verdict.champion, verdict.baseline) == ("boosting", True)
    assert verdict.validation == pytest.approx(2.9, rel=0.05)  # 1,000 normal numbers: rms known to 2 %
    assert "boosting (a baseline; rmse" in verdict.reason
    assert "No trained model is better than this baseline" in verdict.reason
    assert states(verdict)["ensemble"] == "not better than the baseline boosting"


def test_of_equals_the_baseline_wins_then_the_first_name() -> None:
    same = classifier("net", 0.9)
    twin = same.model_copy(update={"model": "base", "baseline": True, "checkpoint": "base-1"})
    assert decided(same, twin).champion == "base"
    assert [row.model for row in decided(same, twin.model_copy(update={"model": "zero"})).candidates] == ["zero", "net"]
    other = same.model_copy(update={"model": "another", "checkpoint": "another-1"})
    assert decided(same, other).champion == "another"


def test_only_this_data_version_and_finite_scores_compete_and_the_others_are_named() -> None:
    verdict = decided(
        classifier("old", 0.99, data_version=OLD_DATA),
        classifier("broken", 0.99, scores=(*[1.0] * 2_999, float("nan"))),
        classifier("empty", 0.99, scores=()),
        classifier("fast", 0.90),
    )
    assert verdict.champion == "fast"
    found = states(verdict)
    assert "other data (000000000000)" in found["old"]
    assert "diverged" in found["broken"]
    assert "diverged" in found["empty"]
    with pytest.raises(MissingArtifact, match="old: other data"):
        decided(classifier("old", 0.99, data_version=OLD_DATA))
    with pytest.raises(MissingArtifact, match="there is none"):
        decided()


def test_a_champion_is_replaced_only_beyond_chance() -> None:
    reigning = classifier("fast", 0.930)
    chance = decided(reigning, classifier("resnet18", 0.931), reigning=reigning)
    assert (chance.champion, chance.changed) == ("fast", False)
    assert "fast (accuracy 0.93 on validation) stays champion. The best challenger is resnet18" in chance.reason
    assert "not better beyond chance" in chance.reason
    assert states(chance) == {"resnet18": "not better beyond chance", "fast": "stays champion"}

    real = decided(reigning, classifier("resnet18", 0.950), reigning=reigning)
    assert (real.champion, real.changed, real.against) == ("resnet18", True, "fast-1")
    assert "resnet18 (accuracy 0.95 on validation) replaces fast" in real.reason
    assert "Gain +0.02 (+0.0" in real.reason
    assert states(real)["fast"] == "was champion"

    wanted = decided(reigning, classifier("resnet18", 0.950), reigning=reigning, margin=0.03)
    assert (wanted.champion, wanted.margin) == ("fast", 0.03)
    assert "more than 0.03 better" in wanted.reason


def test_each_challenger_counts() -> None:
    """A gain that convinces alone does not among 40 that were tried."""
    reigning = classifier("fast", 0.930)
    alone = decided(reigning, classifier("a", 0.935), reigning=reigning)
    assert alone.champion == "a"
    assert alone.comparisons == 1
    crowd = [classifier(f"b{i}", 0.92) for i in range(39)]
    among = decided(reigning, classifier("a", 0.935), *crowd, reigning=reigning)
    assert (among.champion, among.comparisons) == ("fast", 40)
    assert "one of 40 challengers" in among.reason


def test_what_loses_to_a_baseline_is_no_challenger() -> None:
    reigning = classifier("fast", 0.90)
    verdict = decided(
        reigning, classifier("resnet18", 0.95), classifier("mean", 0.97, baseline=True), reigning=reigning
    )
    assert (verdict.champion, verdict.comparisons) == ("mean", 1)
    assert states(verdict)["resnet18"] == "not better than the baseline mean"


def test_a_champion_that_loses_to_a_baseline_steps_down_without_a_gate() -> None:
    reigning = classifier("fast", 0.90)
    close = decided(reigning, classifier("mean", 0.901, baseline=True), reigning=reigning)
    assert (close.champion, close.changed) == ("mean", True)
    assert "fast (accuracy 0.9 on validation), champion so far, is not better than mean (a baseline" in close.reason
    behind = decided(reigning, classifier("mean", 0.899, baseline=True), reigning=reigning)
    assert (behind.champion, behind.changed) == ("fast", False)


def test_other_data_dethrone() -> None:
    reigning = classifier("fast", 0.99, data_version=OLD_DATA)
    verdict = decided(classifier("fast", 0.90, seed=2), classifier("resnet18", 0.91), reigning=reigning)
    assert (verdict.champion, verdict.changed) == ("resnet18", True)
    assert verdict.reason.startswith("fast is dethroned: it was champion of data version 000000000000, and the data")


def test_a_preset_trained_again_is_a_challenger() -> None:
    reigning = classifier("fast", 0.930)
    worse = decided(classifier("fast", 0.929, seed=2), reigning=reigning)
    assert (worse.checkpoint, worse.changed) == ("fast-1", False)
    assert {row.checkpoint for row in worse.candidates} == {"fast-1", "fast-2"}
    assert "fast `fast-2`" in markdown(worse)
    better = decided(classifier("fast", 0.960, seed=2), reigning=reigning)
    assert (better.champion, better.checkpoint, better.changed) == ("fast", "fast-2", True)
    assert "replaces its earlier training" in better.reason


def test_the_same_checkpoint_stays_even_if_evaluated_anew_or_in_another_way() -> None:
    reigning = classifier("fast", 0.930)
    alone = decided(reigning, reigning=reigning)
    assert (alone.changed, alone.reason) == (
        False,
        "fast (accuracy 0.93 on validation) stays champion. There is no challenger.",
    )
    halves = {"scores": tuple(reigning.scores[:1_500])}
    again = reigning.model_copy(update=halves)
    other = classifier("resnet18", 0.931).model_copy(
        update={"scores": tuple(classifier("resnet18", 0.931).scores[:1_500])}
    )
    assert not decided(again, other, reigning=reigning).changed
    gone = decided(other, reigning=reigning)
    assert gone.champion == "resnet18"
    assert "fast is dethroned: it was evaluated in another way" in gone.reason


def test_a_champion_without_an_evaluation_among_the_candidates_still_defends_itself() -> None:
    reigning = classifier("fast", 0.95)
    verdict = decided(classifier("resnet18", 0.93), reigning=reigning)
    assert (verdict.champion, verdict.changed) == ("fast", False)
    assert not decided(reigning=reigning).changed


def test_other_samples_or_metrics_are_an_error_that_names_them() -> None:
    fast = classifier("fast", 0.95)
    for other in (
        classifier("short", 0.9, scores=(1.0, 0.0)),
        classifier("short", 0.9, metric="f1"),
        classifier("short", 0.9, groups=tuple(range(3_000))),
    ):
        with pytest.raises(BadInput, match="short"):
            decided(fast, other)


def test_groups_reach_the_gate() -> None:
    """1,000 samples of one house are one piece of evidence."""
    old = regressor("a", 3.0, groups=(1,) * 1_000)
    verdict = decided(old, regressor("b", 2.0, groups=(1,) * 1_000), reigning=old)
    assert verdict.champion == "a"
    assert "too few differ" in markdown(verdict)
    grouped = regressor("a", 3.0)
    assert decided(grouped, regressor("b", 2.0), reigning=grouped).champion == "b"


def test_the_table_shows_every_candidate_under_the_reason() -> None:
    reigning = classifier("fast", 0.930, test=0.921)
    verdict = decided(
        reigning,
        classifier("resnet18", 0.950, test=0.941),
        classifier("majority", 0.1, baseline=True, test=0.1),
        classifier("old", 0.9, data_version=OLD_DATA),
        reigning=reigning,
    )
    lines = markdown(verdict).splitlines()
    assert lines[0] == verdict.reason
    assert lines[2] == "| model | accuracy, validation | accuracy, test | gain on fast | state |"
    assert lines[4].startswith("| **resnet18** | 0.95 | 0.941 | +0.02 (+0.0")
    assert lines[5] == "| fast | 0.93 | 0.921 | – | was champion |"
    assert lines[6].startswith("| majority (baseline) | 0.1 | 0.1 | -0.83 (")
    assert lines[7] == "| old | – | – | – | other data (000000000000): train it again |"
    assert "corrected for 2 challengers" in lines[-1]
