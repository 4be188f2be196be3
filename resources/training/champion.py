"""Which checkpoint of a product is champion, and why, in words a person understands.

Belongs here: who may compete, who wins, the written verdict. Does not belong here: the statistics (`gate.py`), reading
evaluations or keeping the champion's weights (assets). Pure: no Dagster, no MLflow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from resources.errors import BadInput, MissingArtifact
from resources.training.documents import Candidate, Evaluation, Verdict
from resources.training.gate import Gate, Scores, better

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class _Runner:
    """An evaluation that competes, with its metric computed from its scores."""

    evaluation: Evaluation
    value: float

    @property
    def merit(self) -> float:
        return self.value if self.evaluation.statistic == "mean" else -self.value

    @property
    def order(self) -> tuple[float, bool, str, str]:
        """Best first; of equals the baseline, then the first name."""
        return -self.merit, not self.evaluation.baseline, self.evaluation.model, self.evaluation.checkpoint

    @property
    def said(self) -> str:
        kind = "a baseline; " if self.evaluation.baseline else ""
        return f"{self.evaluation.model} ({kind}{self.evaluation.metric} {self.value:.4g} on validation)"


def crown(
    evaluations: Mapping[str, Evaluation], reigning: Evaluation | None, data_version: str, margin: float = 0.0
) -> Verdict:
    """Decide who is champion among `evaluations` (the newest of each preset) and the `reigning` champion, if any.

    Only what was evaluated on `data_version` competes, with finite scores. A trained model has to be better than the
    best baseline, also one that reigns. The first champion is the best on validation; one that reigns is replaced only
    by a challenger that gains more than `margin` (in the metric's unit) beyond chance, each counted among all
    challengers. A preset trained again is a challenger too: it is the checkpoint that reigns. Test scores are copied
    into the table and decide nothing.

    Raises: MissingArtifact if nobody competes; BadInput if the evaluations are not of one product, metric and set of
    samples.
    """
    runners, others = _sorted_out([*evaluations.values()], data_version)
    before, fate = _compared(reigning, runners, data_version)
    if before is not None and before not in runners:
        runners.append(before)
    if not runners:
        raise MissingArtifact(
            f"No evaluation of data version {_short(data_version)} can be champion"
            + (f": {'; '.join(f'{row.model}: {row.state}' for row in others)}." if others else ": there is none."),
            "Train and evaluate a preset on it.",
        )
    runners.sort(key=lambda runner: runner.order)
    _same_samples(runners)
    bar = next((runner for runner in runners if runner.evaluation.baseline), None)
    if before is not None and bar is not None and not before.evaluation.baseline and bar.merit >= before.merit:
        fate = f"{fate} {before.said}, champion so far, is not better than {bar.said} and steps down.".strip()
        before = None
    eligible = [runner for runner in runners if bar is None or runner.merit > bar.merit or runner.evaluation.baseline]
    if before is None:
        champion, gates = eligible[0], {}
        reason = _first(champion, runners, margin)
        against = champion
    else:
        challengers = [runner for runner in eligible if runner is not before]
        gates = {id(runner): _gate(runner, before, margin, len(challengers)) for runner in challengers}
        champion = next((runner for runner in challengers if gates[id(runner)].promoted), before)
        reason = _contest(champion, before, challengers, gates, bar)
        against = before
    rows = [_row(runner, champion, before, against, bar, gates, margin) for runner in runners]
    return Verdict(
        product=champion.evaluation.product,
        champion=champion.evaluation.model,
        checkpoint=champion.evaluation.checkpoint,
        baseline=champion.evaluation.baseline,
        changed=reigning is None or champion.evaluation.checkpoint != reigning.checkpoint,
        reason=f"{fate} {reason}".strip(),
        data_version=data_version,
        metric=champion.evaluation.metric,
        validation=champion.value,
        margin=margin,
        confidence=_CONFIDENCE,
        comparisons=max(1, len(gates)),
        against=against.evaluation.checkpoint,
        candidates=(*rows, *others),
    )


def markdown(verdict: Verdict) -> str:
    """The verdict's reason, and under it a table of all candidates, best first."""
    against = next(row for row in verdict.candidates if row.checkpoint == verdict.against)
    names = [row.model for row in verdict.candidates]
    lines = [
        verdict.reason,
        "",
        f"| model | {verdict.metric}, validation | {verdict.metric}, test | gain on {against.model} | state |",
        "|---|---:|---:|---:|---|",
    ]
    for row in verdict.candidates:
        # Two checkpoints of one preset are told apart by their digests.
        name = row.model if names.count(row.model) == 1 else f"{row.model} `{_short(row.checkpoint)}`"
        name = f"**{name}**" if row.checkpoint == verdict.checkpoint else name
        gain = "–" if row.gain is None else f"{row.gain:+.4g} ({_span(row.lower, row.upper)})"
        figures = " | ".join("–" if value is None else f"{value:.4g}" for value in (row.validation, row.test))
        lines.append(f"| {name}{' (baseline)' if row.baseline else ''} | {figures} | {gain} | {row.state} |")
    corrected = f", corrected for {verdict.comparisons} challengers" if verdict.comparisons > 1 else ""
    legend = (
        "Chosen on validation alone; test is for information. A gain is positive where the model is better, and "
        f"replaces a champion where its lower bound is above {verdict.margin:.4g} (paired bootstrap, one-sided "
        f"{verdict.confidence:.0%}{corrected})."
    )
    return "\n".join([*lines, "", legend])


def _sorted_out(evaluations: Sequence[Evaluation], data_version: str) -> tuple[list[_Runner], list[Candidate]]:
    """Those that compete, and table rows of the others."""
    runners, others = [], []
    for evaluation in sorted(evaluations, key=lambda evaluation: evaluation.model):
        if evaluation.data_version != data_version:
            others.append(_out(evaluation, f"other data ({_short(evaluation.data_version)}): train it again"))
        elif not evaluation.scores or not all(map(math.isfinite, evaluation.scores)):
            others.append(_out(evaluation, "diverged: not all its scores are numbers"))
        else:
            runners.append(_runner(evaluation))
    return runners, others


def _out(evaluation: Evaluation, state: str) -> Candidate:
    return Candidate(
        model=evaluation.model, checkpoint=evaluation.checkpoint, baseline=evaluation.baseline, state=state
    )


def _runner(evaluation: Evaluation) -> _Runner:
    count = len(evaluation.scores)
    if evaluation.statistic == "rms":
        return _Runner(evaluation, math.sqrt(math.fsum(score * score for score in evaluation.scores) / count))
    return _Runner(evaluation, math.fsum(evaluation.scores) / count)


def _compared(reigning: Evaluation | None, runners: list[_Runner], data_version: str) -> tuple[_Runner | None, str]:
    """The champion so far as one of those who compete, and otherwise a sentence that says why it is no longer one."""
    if reigning is None:
        return None, ""
    # Evaluated again (with newer code, say), the same checkpoint stands on the same ground as its challengers.
    same = [runner for runner in runners if runner.evaluation.checkpoint == reigning.checkpoint]
    if same:
        return same[0], ""
    if reigning.data_version != data_version:
        return None, (
            f"{reigning.model} is dethroned: it was champion of data version {_short(reigning.data_version)}, and the "
            f"data are now {_short(data_version)}."
        )
    usable, _ = _sorted_out([reigning], data_version)
    if not usable or (runners and _ground(reigning) != _ground(runners[0].evaluation)):
        return None, f"{reigning.model} is dethroned: it was evaluated in another way than the candidates."
    return usable[0], ""


def _ground(evaluation: Evaluation) -> tuple[object, ...]:
    """What two evaluations must share so that their scores are pairs."""
    return evaluation.product, evaluation.metric, evaluation.statistic, len(evaluation.scores), evaluation.groups


def _same_samples(runners: Sequence[_Runner]) -> None:
    odd = [runner for runner in runners if _ground(runner.evaluation) != _ground(runners[0].evaluation)]
    if odd:
        names = ", ".join(runner.evaluation.model for runner in odd)
        raise BadInput(
            f"These were evaluated in another way than {runners[0].evaluation.model}: {names}.",
            "Evaluate every preset again: product, metric and validation samples have to be the same.",
        )


def _scores(runner: _Runner) -> Scores:
    return Scores(runner.evaluation.scores, runner.evaluation.statistic, runner.evaluation.groups)


def _gate(runner: _Runner, against: _Runner, margin: float, comparisons: int = 1) -> Gate:
    return better(
        _scores(runner), _scores(against), margin=margin, confidence=_CONFIDENCE, comparisons=max(1, comparisons)
    )


def _first(champion: _Runner, runners: Sequence[_Runner], margin: float) -> str:
    """Why the best on validation is champion where nobody reigned. `runners` are sorted."""
    name = champion.evaluation.model
    if len(runners) == 1:
        return f"{champion.said} is the first champion: it is the only candidate."
    reason = f"{champion.said} is the first champion: it is the best of {len(runners)} candidates on validation."
    trained = next((runner for runner in runners if not runner.evaluation.baseline), None)
    baseline = next((runner for runner in runners if runner.evaluation.baseline), None)
    if champion.evaluation.baseline:
        if trained is None:
            return f"{reason} No trained model competed."
        gate = _gate(trained, champion, margin)
        return f"{reason} No trained model is better than this baseline; the best of them is {trained.said}: " + (
            f"{_gain(gate)} on {name}."
        )
    if baseline is None:
        return f"{reason} No baseline competed, so there is nothing that it is known to beat."
    gate = _gate(champion, baseline, margin)
    return f"{reason} It gains {_gain(gate)} over the best baseline, {baseline.evaluation.model}."


def _contest(
    champion: _Runner, before: _Runner, challengers: Sequence[_Runner], gates: Mapping[int, Gate], bar: _Runner | None
) -> str:
    """Why the reigning champion stays or goes."""
    if champion is not before:
        again = champion.evaluation.model == before.evaluation.model
        whom = "its earlier training" if again else before.said
        return f"{champion.said} replaces {whom}. Gain {gates[id(champion)].sentence}"
    reason = f"{before.said} stays champion."
    if not challengers:
        reason += " There is no challenger."
    else:
        best = challengers[0]
        twin = best.evaluation.model == before.evaluation.model
        whom = f"{best.said}, trained again as {_short(best.evaluation.checkpoint)}" if twin else best.said
        reason += f" The best challenger is {whom}. Gain {gates[id(best)].sentence}"
    if bar is not None and bar is not before and bar.merit >= before.merit:
        reason += f" The baseline {bar.evaluation.model} is not worse than the champion: mind that."
    return reason


def _row(
    runner: _Runner,
    champion: _Runner,
    before: _Runner | None,
    against: _Runner,
    bar: _Runner | None,
    gates: Mapping[int, Gate],
    margin: float,
) -> Candidate:
    gate = gates.get(id(runner)) or (None if runner is against else _gate(runner, against, margin))
    tried = id(runner) in gates
    if runner is champion:
        state = "stays champion" if runner is before else "champion"
    elif runner is before:
        state = "was champion"
    elif bar is not None and not runner.evaluation.baseline and runner.merit <= bar.merit:
        state = f"not better than the baseline {bar.evaluation.model}"
    elif tried and gate is not None and gate.promoted:
        state = "better than the champion before, but not the best"
    elif tried:
        state = "not better beyond chance" if gate is not None and gate.difference > 0 else "not better"
    else:
        state = "candidate"
    bounded = gate is not None and math.isfinite(gate.lower)
    return Candidate(
        model=runner.evaluation.model,
        checkpoint=runner.evaluation.checkpoint,
        baseline=runner.evaluation.baseline,
        state=state,
        validation=runner.value,
        test=runner.evaluation.metrics.get("test", {}).get(runner.evaluation.metric),
        gain=None if gate is None else gate.difference,
        lower=gate.lower if gate is not None and bounded else None,
        upper=gate.upper if gate is not None and bounded else None,
    )


def _gain(gate: Gate) -> str:
    bounds = (gate.lower, gate.upper) if math.isfinite(gate.lower) else (None, None)
    return f"{gate.difference:+.4g} ({_span(*bounds)})"


def _span(lower: float | None, upper: float | None) -> str:
    return "too few differ" if lower is None or upper is None else f"{lower:+.4g} to {upper:+.4g}"


def _short(digest: str) -> str:
    return digest.removeprefix("blake3:")[:12]
