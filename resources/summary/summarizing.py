"""How a transcript becomes a summary: the resource, and which way it goes.

Belongs here: the choice between the built-in summarizer and a model, and putting the summary together.
Does not belong here: how sentences are chosen (`extractive.py`), terms found (`key_terms.py`), models asked
(`writing.py`), topics told apart (`chapters.py`).
"""

from typing import Any

import dagster as dg
from pydantic import Field, SecretStr

from resources.speech.documents import Transcript
from resources.store.partial import Partial
from resources.summary import chapters, coverage, encoder, key_terms, titles, writing
from resources.summary import length as summary_length
from resources.summary.chapters import Stretch
from resources.summary.documents import Bullet, Chapter, Summary
from resources.summary.extractive import Chooser
from resources.summary.languages import language_name
from resources.summary.sentences import Sentence, sentences
from resources.summary.similarity import ByMeaning, ByWords, Similarity
from resources.summary.support import Support
from resources.summary.vocabulary import Vocabulary
from resources.summary.writer import Writer
from resources.summary.writing import Written

EXTRACTIVE = "extractive"
BY_WORDS = "their words (TF-IDF)"


class Summarizer(dg.ConfigurableResource[Any]):
    """Summarizes transcripts: by sentences of the transcript itself, by a text model of transformers, or by one behind
    an OpenAI-compatible endpoint.

    `key` is that endpoint's, a `pydantic.SecretStr`, if it wants one. It is written nowhere.
    """

    model: str = Field(
        "auto",
        description="`auto`, `extractive`, a transformers model (name, folder or .gguf file), or the model's name at"
        " the endpoint.",
    )
    url: str | None = Field(None, description="Base URL of an OpenAI-compatible endpoint, if one writes the summary.")
    # A resource's fields stand in the UI and in Dagster's database; what it depends on does not.
    key: dg.ResourceDependency[Any] = None  # type: ignore[assignment]
    timeout_s: float = Field(120.0, gt=0, description="An answer of the endpoint is waited for so long.")
    encoder: str = Field(
        "auto", description="Sentence encoder: `auto` (one that is installed, for English), `none`, name or folder."
    )
    device: str = Field("auto", description="Where a model runs: auto, cpu, cuda, cuda:0 or mps.")
    cache: str = Field("", description="Folder for models that are fetched; empty for Hugging Face's own.")
    offline: bool = Field(False, description="Never ask a model hub.")

    def __repr__(self) -> str:
        return f"Summarizer(model={self.model!r}, url={self.url!r}, encoder={self.encoder!r})"  # without the key

    __str__ = __repr__

    @property
    def writes(self) -> bool:
        """Whether a model writes the summary. It may take long then, and keeps partial results."""
        return self.model != EXTRACTIVE and (self.url is not None or self.model != "auto")

    def identity(self, language: str) -> str:
        """What shapes the summary besides the transcript. It holds no secret."""
        return "\n".join([self.model, self.url or "", self.compared_by(language)])

    def compared_by(self, language: str) -> str:
        """What sentences of this language are compared by: an encoder's name, or their words.

        Raises: MissingModel, MissingExtra for an encoder that was asked for by name.
        """
        found = encoder.find(self.encoder, language, self.cache, self.offline)
        return found.name if found else BY_WORDS

    def summarize(self, transcript: Transcript, log: Any, partial: Partial | None = None) -> Summary:
        """The summary of `transcript`; a model's answers are kept in `partial` until it is whole. Empty if nobody
        speaks.

        Raises: MissingExtra, MissingModel, WriterFailed, EndpointFailed with a model.
        """
        said = sentences(transcript)
        language = transcript.language
        if not said:
            return Summary(
                language=language,
                bullets=[],
                key_terms=[],
                method=EXTRACTIVE,
                reason="No words were recognised, so there is nothing to summarize.",
            )
        vocabulary = Vocabulary(language)
        vocabulary.learn(sentence.text for sentence in said)
        similarity, compared = self._similarity(said, vocabulary)
        found = chapters.stretches(said, similarity, language)
        chooser = Chooser(said, vocabulary, similarity, found)
        speech_s = transcript.speech_s or transcript.duration_s
        wanted = summary_length.bullets_for(speech_s)
        if self.writes:
            writer = self._writer(log)
            name = language_name(language)
            support = Support(said, vocabulary)
            made = writing.write(said, found, support, writer, name, wanted, log, partial)
            method, reason = writer.name, self._reason(writer)
        else:
            made = _chosen(said, found, chooser, wanted)
            method = EXTRACTIVE
            reason = (
                "The built-in summarizer chose sentences of the transcript because it was asked for by name."
                if self.model == EXTRACTIVE
                else "No summary model is set, so the built-in summarizer chose sentences of the transcript."
            )
        told = made.bullets + made.points
        added = coverage.left_out(said, vocabulary, found, chooser, told)
        points = _in_order(made.points + [_quoted(said[index]) for index in added])
        # Of a short recording the same points stand in the whole and in their chapters: each counts once.
        written = {bullet for bullet in told if not bullet.quoted}
        judged = len(written) + len(dropped := list(dict.fromkeys(made.dropped)))
        return Summary(
            language=language,
            bullets=made.bullets,
            key_terms=key_terms.key_terms(said, vocabulary, summary_length.terms_for(speech_s)),
            method=method,
            reason=f"{reason} Sentences were compared by {compared}.",
            chapters=_chapters(said, found, titles.titles(said, found, vocabulary, made.titles), made.bullets, points),
            faithfulness=round(sum(b.supported for b in written) / judged, 4) if judged else 1.0,
            dropped=_in_order(dropped),
        )

    def _similarity(self, said: list[Sentence], vocabulary: Vocabulary) -> tuple[Similarity, str]:
        found = encoder.find(self.encoder, vocabulary.language, self.cache, self.offline)
        if found is None:
            return ByWords(said, vocabulary), BY_WORDS
        vectors = encoder.encode(found, [sentence.text for sentence in said], self.device)
        return ByMeaning(vectors, said, vocabulary), found.name

    def _secret(self) -> str | None:
        key: SecretStr | None = self.key
        return key.get_secret_value() if key else None

    def _writer(self, log: Any) -> Writer:
        writer: Writer
        if self.url is not None:
            from resources.summary.endpoint import EndpointWriter

            writer = EndpointWriter(self.url, self.model, self._secret(), self.timeout_s)
        else:
            from resources.summary import transformers_models

            path = transformers_models.find(self.model, self.cache, self.offline)
            writer = transformers_models.TransformersWriter(self.model, path, self.device)
        log.info(f"summary by {writer.name} on {writer.where}")
        return writer

    def _reason(self, writer: Writer) -> str:
        if self.url is not None and self.model == "auto":
            return f"{writer.name} is the first model that {writer.where} lists."
        return f"{writer.name} was asked for by name; it ran on {writer.where}."


def _chosen(said: list[Sentence], found: list[Stretch], chooser: Chooser, wanted: int) -> Written:
    """What the built-in summarizer makes: nothing but quotations."""
    bullets = [_quoted(said[index]) for index in chooser.bullets(wanted)]
    points = [_quoted(said[index]) for stretch in found for index in chooser.points(stretch)]
    return Written(bullets=bullets, points=points, titles=[], dropped=[])


def _quoted(sentence: Sentence) -> Bullet:
    return Bullet(time_s=sentence.start_s, text=sentence.text, quoted=True)


def _in_order(bullets: list[Bullet]) -> list[Bullet]:
    return sorted(bullets, key=lambda bullet: bullet.time_s)


def _chapters(
    said: list[Sentence], found: list[Stretch], names: list[str], bullets: list[Bullet], points: list[Bullet]
) -> list[Chapter]:
    """Chapters without a gap, each with the points that are said in it.

    A point that stands among the bullets is not repeated, unless its chapter would be left with none of several.
    """
    starts = [said[stretch.first].start_s for stretch in found]
    ends = [*starts[1:], max(said[-1].end_s, starts[-1])]
    repeated = {bullet.text for bullet in bullets}
    made = []
    for stretch, start_s, end_s, name in zip(found, starts, ends, names, strict=True):
        inside = [p for p in points if stretch.first <= coverage.at_time(said, p.time_s) < stretch.last]
        more = [point for point in inside if point.text not in repeated]
        kept = more if more or len(found) == 1 else inside
        made.append(Chapter(start_s=start_s, end_s=end_s, title=name, points=kept))
    return made
