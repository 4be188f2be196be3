"""Languages that a folder of the inbox may be named after.

Belongs here: the codes, and the way from a file's place to its language. Pure: strings and paths.
Does not belong here: which language is spoken (`resources/speech`).
"""

from __future__ import annotations

import os
from pathlib import Path

LANGUAGES = frozenset({
    "af", "am", "ar", "as", "az", "ba", "be", "bg", "bn", "bo", "br", "bs", "ca", "cs", "cy", "da", "de", "el",
    "en", "es", "et", "eu", "fa", "fi", "fo", "fr", "gl", "gu", "ha", "haw", "he", "hi", "hr", "ht", "hu", "hy",
    "id", "is", "it", "ja", "jw", "ka", "kk", "km", "kn", "ko", "la", "lb", "ln", "lo", "lt", "lv", "mg", "mi",
    "mk", "ml", "mn", "mr", "ms", "mt", "my", "ne", "nl", "nn", "no", "oc", "pa", "pl", "ps", "pt", "ro", "ru",
    "sa", "sd", "si", "sk", "sl", "sn", "so", "sq", "sr", "su", "sv", "sw", "ta", "te", "tg", "th", "tk", "tl",
    "tr", "tt", "uk", "ur", "uz", "vi", "yi", "yo", "yue", "zh",
})  # fmt: skip
"""The languages that multilingual Whisper models know, by its codes: ISO 639-1, but for `haw`, `yue` and `jw`
(Javanese, `jv` today). Written out here because the package that knows them takes a second to import."""


def folder_language(path: Path, inbox: Path) -> str | None:
    """The language that `path` is filed under: the nearest folder below `inbox` whose name is a code, in any case.

    Every such folder counts, also one that is called `it` or `no` for another reason. None if there is none, or if
    the file lies elsewhere.
    """
    for root in (inbox, Path(os.path.realpath(inbox))):
        if path.is_relative_to(root):
            folders = path.relative_to(root).parts[:-1]
            return next((name.lower() for name in reversed(folders) if name.lower() in LANGUAGES), None)
    return None
