"""What Whisper writes where nobody speaks: phrases from the subtitles it was trained on, by language.

Belongs here: the phrases and how they are compared. Does not belong here: when one is believed (`gate.py`).

A phrase is compared with a whole sentence, never with a part of one: "Thank you for watching the children" is speech.
"""

from __future__ import annotations

import re


def key(text: str) -> str:
    """Letters and digits only, without case; ё as е. Equal keys are the same phrase whatever the punctuation."""
    return "".join(letter for letter in text.casefold().replace("ё", "е") if letter.isalnum())


CREDITS = frozenset(
    map(
        key,
        (
            # English
            "Subtitles by the Amara.org community",
            "Transcription by CastingWords",
            "Transcribed by otter.ai",
            "Subtitles by SteamTeamExtra",
            # Russian
            "Субтитры сделал DimaTorzok",
            "Субтитры создавал DimaTorzok",
            "Субтитры добавил DimaTorzok",
            "Субтитры подогнал «Симон»",
            "Субтитры подготовил DimaTorzok",
            "Субтитры делал DimaTorzok",
            "Редактор субтитров А.Семкин Корректор А.Егорова",
            "Редактор субтитров А.Синецкая Корректор А.Егорова",
            "Редактор субтитров А.Семкин",
            "Редактор субтитров А.Синецкая",
            "Редактор субтитров А.Захарова Корректор А.Егорова",
            "Корректор А.Егорова",
            "Корректор А.Кулакова",
            "Субтитры сообщества Amara.org",
            # German, French, Spanish, Italian, Portuguese, Dutch, Polish, Turkish
            "Untertitel der Amara.org-Community",
            "Untertitel im Auftrag des ZDF für funk, 2017",
            "Untertitelung des ZDF, 2020",
            "Untertitelung aufgrund der Amara.org-Community",
            "Sous-titres réalisés par la communauté d'Amara.org",
            "Sous-titres réalisés para la communauté d'Amara.org",
            "Sous-titrage Société Radio-Canada",
            "Sous-titrage ST' 501",
            "Subtítulos realizados por la comunidad de Amara.org",
            "Subtítulos por la comunidad de Amara.org",
            "Sottotitoli creati dalla comunità Amara.org",
            "Sottotitoli e revisione a cura di QTSS",
            "Legendas pela comunidade Amara.org",
            "Ondertitels ingediend door de Amara.org gemeenschap",
            "Napisy stworzone przez społeczność Amara.org",
            "Altyazı M.K.",
            # Chinese, Japanese
            "字幕由Amara.org社区提供",
            "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
        ),
    )
)
"""Credits of subtitlers. Nobody says one as a sentence of its own."""

COURTESIES = frozenset(
    map(
        key,
        (
            # English
            "You",
            "Oh",
            "Okay",
            "So",
            "Bye",
            "Bye bye",
            "Thank you",
            "Thank you so much",
            "Thank you very much",
            "Thank you for watching",
            "Thank you for listening",
            "Thank you for your attention",
            "Thank you so much for watching",
            "Thanks for watching",
            "Thanks for listening",
            "Thanks for watching and I'll see you in the next video",
            "I'll see you next time",
            "We'll see you next time",
            "We will see you next time",
            "We'll see you in the next video",
            "We will see you in the next video",
            "I will see you in the next video",
            "I'll see you in the next video",
            "See you next time",
            "See you in the next video",
            "Please subscribe",
            "Please subscribe to my channel",
            "Please like and subscribe",
            "Like and subscribe",
            "Don't forget to like and subscribe",
            "Don't forget to subscribe",
            "I'm sorry",
            "I don't know",
            "Music",
            "Applause",
            "Laughter",
            "Silence",
            # Russian
            "Продолжение следует",
            "Спасибо",
            "Спасибо за внимание",
            "Спасибо за просмотр",
            "Спасибо за субтитры",
            "Спасибо за субтитры Алексею Дубровскому",
            "Благодарю за внимание",
            "Подписывайтесь на канал",
            "Подписывайтесь на мой канал",
            "Подписывайтесь на наш канал",
            "Ставьте лайки и подписывайтесь на канал",
            "Ставьте лайки",
            "До новых встреч",
            "До свидания",
            "До скорой встречи",
            "Всем пока",
            "Пока",
            "Поехали",
            "Музыка",
            "Аплодисменты",
            "Смех",
            "Играет музыка",
            "Спокойная музыка",
            "Динамичная музыка",
            # Ukrainian
            "Дякую за перегляд",
            "Дякую за увагу",
            # German
            "Vielen Dank",
            "Vielen Dank fürs Zuschauen",
            "Vielen Dank für Ihre Aufmerksamkeit",
            "Bis zum nächsten Mal",
            "Das war's für heute",
            # French
            "Merci",
            "Merci d'avoir regardé cette vidéo",
            "Merci d'avoir regardé",
            "Abonnez-vous",
            "À bientôt",
            # Spanish, Italian, Portuguese
            "Gracias",
            "Gracias por ver el video",
            "Gracias por ver",
            "Suscríbete al canal",
            "Grazie",
            "Grazie a tutti",
            "Grazie per la visione",
            "Obrigado",
            "Obrigado por assistir",
            # Polish, Dutch, Turkish
            "Dziękuję",
            "Dziękuję za uwagę",
            "Dziękuję za oglądanie",
            "Bedankt voor het kijken",
            "İzlediğiniz için teşekkür ederim",
            # Chinese, Japanese, Korean
            "谢谢观看",
            "谢谢大家",
            "ご視聴ありがとうございました",
            "シーユーネクストビデオ",
            "시청해주셔서 감사합니다",
            "감사합니다",
        ),
    )
)
"""Said by people too: believed unless a second sign speaks against them."""

_JOINTS = re.compile(r"[,;:.!?–—]+|\s(?:and|и|und|et|y|e)\s", re.IGNORECASE)


def courteous(text: str) -> bool:
    """Whether a sentence is such a phrase, or several of them and nothing else ("Thank you, and see you next time")."""
    parts = [part for part in map(key, _JOINTS.split(text)) if part]
    return key(text) in COURTESIES or (bool(parts) and COURTESIES.issuperset(parts))
