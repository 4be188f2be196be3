"""How a transcript becomes a summary: the resource, and which way it goes.

Belongs here: the choice between the built-in summarizer and a model, and putting the summary together.
Does not belong here: how sentences are chosen (`extractive.py`), terms found (`key_terms.py`), models asked
(`transformers_summary.py`).
"""

from typing import Any

import dagster as dg
from pydantic import Field

from resources.errors import BadInput
from resources.speech.documents import Transcript
from resources.summary import extractive, key_terms
from resources.summary import length as summary_length
from resources.summary.documents import Bullet, Summary
from resources.summary.sentences import Sentence, sentences
from resources.summary.transformers_summary import Partial
from resources.summary.vocabulary import Vocabulary

EXTRACTIVE = "extractive"


class Summarizer(dg.ConfigurableResource[Any]):
    """Summarizes transcripts: by sentences of the transcript itself, or by a text model of transformers."""

    model: str = Field("auto", description="`auto`, `extractive`, or a transformers model: name, folder or .gguf file.")
    device: str = Field("auto", description="Where a model runs: auto, cpu, cuda, cuda:0 or mps.")
    cache: str = Field("", description="Folder for models that are fetched; empty for Hugging Face's own.")
    offline: bool = Field(False, description="Never ask a model hub.")

    @property
    def writes(self) -> bool:
        """Whether a model writes the summary. It may take long then, and keeps partial results."""
        return self.model not in ("auto", EXTRACTIVE)

    def summarize(self, transcript: Transcript, log: Any, partial: Partial | None = None) -> Summary:
        """The summary of `transcript`; a model's answers are kept in `partial` until it is whole.

        Raises: BadInput for a transcript without words; MissingExtra, MissingModel, WriterFailed with a model.
        """
        said = sentences(transcript)
        if not said:
            raise BadInput("The transcript holds no words.", "Check that the recording holds speech that can be heard.")
        vocabulary = Vocabulary(transcript.language)
        vocabulary.learn(sentence.text for sentence in said)
        speech_s = transcript.speech_s or transcript.duration_s
        wanted = summary_length.bullets_for(speech_s)
        if self.writes:
            bullets, method, reason = self._written(said, vocabulary, transcript.language, wanted, log, partial)
        else:
            chosen = extractive.choose(said, vocabulary, wanted)
            bullets = [Bullet(time_s=sentence.start_s, text=sentence.text) for sentence in chosen]
            method = EXTRACTIVE
            reason = (
                "The built-in summarizer chose sentences of the transcript because it was asked for by name."
                if self.model == EXTRACTIVE
                else "No summary model is set, so the built-in summarizer chose sentences of the transcript."
            )
        terms = key_terms.key_terms(said, vocabulary, summary_length.terms_for(speech_s))
        return Summary(language=transcript.language, bullets=bullets, key_terms=terms, method=method, reason=reason)

    def _written(
        self,
        said: list[Sentence],
        vocabulary: Vocabulary,
        language: str,
        wanted: int,
        log: Any,
        partial: Partial | None,
    ) -> tuple[list[Bullet], str, str]:
        from resources.summary import transformers_models, transformers_summary

        path = transformers_models.find(self.model, self.cache, self.offline)
        writer = transformers_models.Writer(self.model, path, self.device)
        log.info(f"summary by {self.model} on {writer.device}")
        name = transformers_models.language_name(language)
        bullets = transformers_summary.write(said, vocabulary, writer, name, wanted, log, partial)
        reason = f"{self.model} was asked for by name; it ran on {writer.device}."
        return bullets, self.model, reason
