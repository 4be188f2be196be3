"""Names of languages in the languages notes have words for.

Belongs here: the names, by ISO 639-1 code, of the languages most often recorded. Does not belong here: what is said
about a language (`wording.py`). Pure.
"""

from __future__ import annotations

ENGLISH = {
    "ar": "Arabic", "be": "Belarusian", "bg": "Bulgarian", "cs": "Czech", "de": "German", "el": "Greek",
    "en": "English", "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French",
    "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "it": "Italian", "ja": "Japanese", "kk": "Kazakh",
    "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "nl": "Dutch", "pl": "Polish", "pt": "Portuguese",
    "ro": "Romanian", "ru": "Russian", "sr": "Serbian", "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian",
    "zh": "Chinese",
}  # fmt: skip

RUSSIAN = {
    "ar": "арабский", "be": "белорусский", "bg": "болгарский", "cs": "чешский", "de": "немецкий", "el": "греческий",
    "en": "английский", "es": "испанский", "et": "эстонский", "fa": "персидский", "fi": "финский",
    "fr": "французский", "he": "иврит", "hi": "хинди", "hu": "венгерский", "it": "итальянский", "ja": "японский",
    "kk": "казахский", "ko": "корейский", "lt": "литовский", "lv": "латышский", "nl": "нидерландский",
    "pl": "польский", "pt": "португальский", "ro": "румынский", "ru": "русский", "sr": "сербский",
    "sv": "шведский", "tr": "турецкий", "uk": "украинский", "zh": "китайский",
}  # fmt: skip
