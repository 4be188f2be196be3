"""The report on a comparison, as Markdown and as PDF.

Belongs here: its words and tables. Does not belong here: figures (`comparing.py`), pictures (`comparison_pictures.py`),
setting pages (`resources/training/report_pages.py`). Pure: no Dagster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from assets.tweets import comparison_pictures
from assets.tweets.comparison_document import CompletionComparison, Example, Figure, System
from assets.tweets.metrics import DRAWS
from resources.commonmark import escape
from resources.training import report_pages
from resources.training.plots import as_markdown, curves
from resources.training.report_pages import Block, Heading, Paragraph, Picture, Table

_CURVES = 0.72
"""Of the width: two trainings then fit on a page."""

TITLE = "Completing tweets: an LSTM against transformers"
MARKDOWN, PDF = "comparison.md", "comparison.pdf"

_FIGURES = ("model", "validation bits", "bits per character", "perplexity", "next word, top 1", "top 3")
_ROUGES = ("model", "mode", "ROUGE-1", "ROUGE-2", "ROUGE-L")
_WORDING = ("model", "mode", "distinct-1", "distinct-2", "words")


@dataclass(frozen=True)
class Shown:
    """A picture by its file's name, with words for who can't see it, and its caption."""

    name: str
    png: bytes
    alt: str
    caption: str


@dataclass(frozen=True)
class Report:
    """The report's files by name, its pictures, and the number of the PDF's pages."""

    files: dict[str, bytes]
    pictures: tuple[Shown, ...]
    pages: int

    def inline(self) -> dict[str, str]:
        """Each picture as an inline image of Markdown, by its name without suffix."""
        return {one.name.removesuffix(".png"): as_markdown(one.png, one.alt) for one in self.pictures}


def made(comparison: CompletionComparison, cache: Path, created: datetime) -> Report:
    """All of it; fonts for the PDF, whose date is `created`, are cut into `cache` once.

    Raises: MissingExtra without the font packages."""
    shown = pictures(comparison)
    pdf = report_pages.typeset(TITLE, _blocks(comparison, shown), cache, created)
    files = {MARKDOWN: _markdown(comparison, shown).encode(), PDF: pdf.pdf, **{one.name: one.png for one in shown}}
    return Report(files, tuple(shown), pdf.pages)


def pictures(comparison: CompletionComparison) -> list[Shown]:
    """Bits per character, ROUGE-L and the next word of all models; the curves of each that was trained."""
    best = next(one for one in comparison.systems if one.name == comparison.best)
    shown = [
        Shown(
            "bits_per_character.png",
            comparison_pictures.bits(comparison),
            f"Bits per character of each model; {best.name} has the fewest, {best.bits_per_character.value:.3f}.",
            "Bits per character of what follows the prompt. Lines are 95 % intervals.",
        ),
        Shown(
            "rouge_l.png",
            comparison_pictures.rouge(comparison),
            "ROUGE-L of each model's completions, greedy and sampling.",
            "ROUGE-L of the completions. Lines are 95 % intervals.",
        ),
        Shown(
            "next_word.png",
            comparison_pictures.next_word(comparison),
            "How often each model's likeliest next word is the right one, or one of the three likeliest is.",
            "How often the next word is the likeliest one, or among the three likeliest. Lines are 95 % intervals.",
        ),
    ]
    for one in comparison.systems:
        if one.epochs:
            shown.append(
                Shown(
                    f"curves_{one.name.replace('/', '_')}.png",
                    curves(one.epochs),
                    f"Loss, perplexity and ROUGE-L of {one.name} over its training.",
                    f"The training of {one.name}, validated at the end of each round. Loss is in nats per token.",
                )
            )
    return shown


def figures_table(comparison: CompletionComparison) -> str:
    """The tables of figures as Markdown."""
    rouges, wording = _mode_rows(comparison)
    tables = ((_FIGURES, _figure_rows(comparison)), (_ROUGES, rouges), (_WORDING, wording))
    return "\n\n".join(_table(header, rows) for header, rows in tables)


def examples_table(comparison: CompletionComparison) -> str:
    """Prompts and completions, model × mode, as Markdown."""
    parts = []
    for number, example in enumerate(comparison.examples, start=1):
        head = f"**{number}. {escape(example.prompt)}** … {escape(example.reference)}"
        parts.append(f"{head}\n\n{_table(('model', 'greedy', 'sampling'), _example_rows(example))}")
    return "\n\n".join(parts)


def _markdown(comparison: CompletionComparison, shown: Sequence[Shown]) -> str:
    parts = [f"# {TITLE}", escape(comparison.verdict), *map(escape, _facts(comparison))]
    parts += ["## Figures", figures_table(comparison)]
    parts += [escape(line) for line in _notes(comparison)]
    parts += [f"![{escape(one.alt)}]({one.name})\n\n*{escape(one.caption)}*" for one in shown]
    parts += ["## Completions", escape(_EXAMPLES_SAID), examples_table(comparison)]
    return "\n\n".join(parts) + "\n"


def _blocks(comparison: CompletionComparison, shown: Sequence[Shown]) -> list[Block]:
    strong = frozenset(at for at, one in enumerate(comparison.systems) if one.name == comparison.best)
    blocks: list[Block] = [Paragraph(comparison.verdict, "lead")]
    blocks += [Paragraph(line) for line in _facts(comparison)]
    blocks.append(Heading("Figures"))
    shares = (80, 50, 92, 48, 98, 98)
    blocks.append(Table(_FIGURES, _figure_rows(comparison), shares, frozenset(range(1, 6)), strong))
    rouges, wording = _mode_rows(comparison)
    strong_modes = frozenset(at for at, row in enumerate(rouges) if row[0] == comparison.best)
    blocks.append(Table(_ROUGES, rouges, (80, 43, 106, 106, 106), frozenset({2, 3, 4}), strong_modes))
    blocks.append(Table(_WORDING, wording, (80, 43, 106, 106, 106), frozenset({2, 3, 4}), strong_modes))
    blocks += [Paragraph(line, "small") for line in _notes(comparison)]
    first, rest = shown[:3], shown[3:]
    blocks.append(Heading("Pictures"))
    blocks += [Picture(one.png, one.alt, one.caption) for one in first]
    if rest:
        blocks.append(Heading("Trainings"))
        blocks += [Picture(one.png, one.alt, one.caption, _CURVES) for one in rest]
    blocks.append(Heading("Completions", new_page=True))
    blocks.append(Paragraph(_EXAMPLES_SAID))
    for number, example in enumerate(comparison.examples, start=1):
        blocks.append(Paragraph(f"{number}. {example.prompt} …", "prompt", keep=True))
        blocks.append(Paragraph(f"What followed: {example.reference}", "small", keep=True))
        blocks.append(Table(("model", "greedy", "sampling"), _example_rows(example), (1.2, 2.0, 2.0)))
    return blocks


_EXAMPLES_SAID = (
    "The first tweets of the sample, which is in random order: the prompt, what really followed, and what each model"
    " made of it. Names and links are placeholders."
)


def _facts(comparison: CompletionComparison) -> list[str]:
    """How the figures came about, for who reads them."""
    of = comparison.settings
    models = ", ".join(f"{one.name} ({one.base})" if one.base else one.name for one in comparison.systems)
    said = [
        f"Compared are {models}. Each was given the first {of.share * 100:g} % of the words of the same"
        f" {of.tweets:,} tweets of the test split, which no training here has seen, and had to continue them:"
        f" {comparison.characters:,} characters in all."
        f" A completion ends where the model ends the tweet, or {of.extra_words} words after the length of what really"
        f" followed. Sampling draws at temperature {of.temperature:g} from the likeliest tokens that hold"
        f" {of.top_p * 100:g} % of the probability."
    ]
    transformers = {one.baseline for one in comparison.systems if one.kind == "transformer"}
    for baseline, what in ((True, "as it was released"), (False, "after fine-tuning")):
        if baseline not in transformers:
            said.append(f"No transformer is compared {what}: train one, and compare again, to see what training gains.")
    if comparison.passed_over:
        said.append(f"Not compared: {'; '.join(comparison.passed_over)}.")
    return said


def _notes(comparison: CompletionComparison) -> list[str]:
    """What each column means."""
    return [
        "Bits per character: −log₂ of the probability of what really followed, divided by its characters with the space"
        " before them, without the mark at a tweet's end. It does not depend on how a model cuts texts into tokens."
        f" Validation bits are those of {comparison.settings.validation_tweets:,} validation tweets, which choose the"
        " best model; all else is of test tweets, which had no part in that. Perplexity is per token of the model's own"
        " tokenizer, and not comparable.",
        "Next word: how often the likeliest word, by a beam search over tokens, is exactly the one that follows, or one"
        " of the three likeliest is. ROUGE is F1 by the package rouge_score without stemmer, which knows Latin letters"
        " and digits only. Distinct-n: different n-grams of all completions, divided by all of them.",
        f"In brackets: 95 % intervals by {DRAWS:,} bootstrap samples of the tweets. The unigram baseline knows how"
        " frequent tokens and words of the train split are, and nothing of the prompt.",
    ]


def _figure_rows(comparison: CompletionComparison) -> tuple[tuple[str, ...], ...]:
    return tuple(_figure_row(one) for one in [*comparison.systems, comparison.unigram])


def _figure_row(one: System) -> tuple[str, ...]:
    return (
        one.name,
        f"{one.validation_bits_per_character.value:.3f}",
        _interval(one.bits_per_character, "{:.3f}"),
        f"{one.perplexity:,.1f}",
        _interval(one.next_word_top_1, "{:.1%}"),
        _interval(one.next_word_top_3, "{:.1%}"),
    )


def _mode_rows(comparison: CompletionComparison) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """Of each model and mode: how like the truth its completions are, and what words they are made of."""
    every = [(one.name, mode) for one in comparison.systems for mode in one.modes]
    rouges = tuple(
        (name, mode.mode, *(_interval(figure, "{:.4f}") for figure in (mode.rouge_1, mode.rouge_2, mode.rouge_l)))
        for name, mode in every
    )
    wording = tuple(
        (name, mode.mode, f"{mode.distinct_1:.3f}", f"{mode.distinct_2:.3f}", f"{mode.words:.1f}")
        for name, mode in every
    )
    return rouges, wording


def _example_rows(example: Example) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (name, modes.get("greedy") or "–", modes.get("sampling") or "–") for name, modes in example.completions.items()
    )


def _interval(figure: Figure, form: str) -> str:
    return f"{form.format(figure.value)} [{form.format(figure.low)}, {form.format(figure.high)}]"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    lines += [f"| {' | '.join(escape(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)
