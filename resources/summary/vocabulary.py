"""The words of a text as summaries and key terms need them: tokens, stems, and which words carry no subject.

Belongs here: what depends on the language. Pure: no Dagster, no numpy.
Does not belong here: how words are weighed (`extractive.py`, `key_terms.py`).

Stems come from `snowballstemmer` (36 languages; elsewhere a word is its own stem). Words that carry no subject come
from `stop-words` (33 languages). Its English and Russian lists also hold subjects of lectures ("computer",
"information", "invention", "мир", "жизнь"), so for these two languages the closed classes below are used, and its list
only tells which words are common. For a language without any list they are told by how evenly they are spread.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

# Vowel signs and accents: `\w` knows none of them, and without them words of Hindi, Tamil or Thai fall to pieces.
_MARKS = "".join(char for char in map(chr, range(0x300, 0x11FFF)) if unicodedata.category(char) in ("Mn", "Mc"))
# One token: a run of katakana, one other character of a script without blanks, or a word with inner ' and -.
_LETTER = r"[^\W_\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
_TOKEN = re.compile(
    r"[\u30a1-\u30ff]+|[\u3041-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|"
    rf"{_LETTER}+(?:[{_MARKS}]+{_LETTER}*|(?:['’\-‑]|[\u200c\u200d]+)[^\W_]+)*"
)
_NO_BLANKS = frozenset({"zh", "ja", "yue"})

_STEMMERS = {
    "ar": "arabic", "hy": "armenian", "eu": "basque", "ca": "catalan", "cs": "czech", "da": "danish", "nl": "dutch",
    "en": "english", "eo": "esperanto", "et": "estonian", "fi": "finnish", "fr": "french", "de": "german",
    "el": "greek", "hi": "hindi", "hu": "hungarian", "id": "indonesian", "ga": "irish", "it": "italian",
    "lt": "lithuanian", "ne": "nepali", "no": "norwegian", "nn": "norwegian", "fa": "persian", "pl": "polish",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "es": "spanish", "sv": "swedish",
    "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip

# Closed classes (articles, pronouns, prepositions, conjunctions, auxiliaries, particles), number words, and the verbs
# and adverbs that any talk is full of. Nothing a talk could be about.
_FUNCTION_WORDS = {
    "en": """
        a an the this that these those such same other another each every either neither both all any some none
        no few many much more most several enough less least one ones two three four five six seven eight nine
        ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty
        fifty sixty seventy eighty ninety hundred thousand million billion first second third last next i me my
        mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers
        herself it its itself they them their theirs themselves who whom whose which what whatever whichever
        whoever where when why how there here then than as at by for from in into of off on onto out over to
        toward towards under until till up upon with within without about above across after against along among
        amongst around before behind below beneath beside besides between beyond despite down during except
        inside like near outside past per since through throughout via and but or nor so yet if unless because
        although though while whereas whether once am is are was were be been being do does did done doing have
        has had having can could may might must shall should will would ought need not n't don't doesn't didn't
        isn't aren't wasn't weren't can't cannot couldn't won't wouldn't shouldn't haven't hasn't hadn't i'm
        i've i'll i'd you're you've you'll you'd he's she's it's we're we've we'll we'd they're they've they'll
        they'd that's there's here's what's who's let's let lets also too very quite rather really just only
        even still already again ever never always often sometimes usually maybe perhaps almost nearly now soon
        later today well okay ok oh um uh ah yeah yes right actually basically indeed however therefore thus
        hence otherwise instead meanwhile moreover furthermore anyway etc get gets getting got go goes going
        gone went come comes came coming make makes made making take takes took taken taking give gives gave
        given giving say says said saying tell tells told see sees saw seen look looks looked looking know knows
        knew known think thinks thought want wants wanted mean means meant call calls called use uses used using
        put puts keep keeps kept seem seems seemed become becomes became show shows showed shown find finds
        found thing things something anything nothing everything someone anyone everyone way ways lot lots kind
        kinds sort bit different certain able likely particular especially mostly mainly simply exactly finally
        together else away back far long little good better best great new old own sure try tries tried trying
        talk talks talked talking start starts started begin begins began happen happens happened anywhere
        everywhere somewhere whole part parts case cases example examples instance time times
    """,
    "ru": """
        а и но или либо да ни не нет же ли бы б ведь вот вон даже лишь только уже ещё еще пусть пускай разве
        неужели в во на с со к ко у о об обо от ото до из изо за по под подо над надо при про для без безо через
        сквозь между среди перед передо около возле вокруг после кроме ради из-за из-под против вместо внутри
        вне вдоль согласно благодаря ввиду насчёт насчет я меня мне мной мною мы нас нам нами ты тебя тебе тобой
        вы вас вам вами он его него ему нему им ним нём нем она её ее неё нее ей ней ею нею оно они их них ими
        ними себя себе собой мой моя моё мое мои моего моей моих моим моими наш наша наше наши нашего нашей
        наших нашим нашу нашем твой твоя ваш ваша ваше ваши вашего вашей ваших свой своя своё свое свои своего
        своей своих своим своими свою своём своем этот эта это эти этого этой этих этим этими эту этом этому тот
        та то те того той тех тем теми ту том тому такой такая такое такие такого таких таким такими такую таком
        кто кого кому кем ком что чего чему чем чём который которая которое которые которого которой которых
        которым которыми которую котором которому какой какая какое какие какого каких каким какую чей чья чьё
        сам сама само сами самого самой самих самый самая самое самые самым самую весь вся всё все всего всей
        всех всем всеми всю каждый каждая каждое каждые каждого каждой каждом любой любая любое любые любого
        другой другая другое другие другого других другим другую иной иная иные некоторый некоторые некоторых
        некоторая несколько много многие многих мало немного больше меньше более менее очень слишком совсем
        почти чуть весьма довольно достаточно намного гораздо хорошо плохо лучше хуже далеко близко просто
        именно как так там тут здесь туда сюда где куда откуда когда тогда пока потом затем сейчас теперь
        сегодня вчера завтра всегда никогда иногда часто редко опять снова уж если чтобы чтоб потому поэтому
        почему зачем хотя однако зато причём причем притом также тоже итак значит например конечно наверное
        может быть можно нельзя нужно должен должна должно должны необходимо был была было были буду будем будет
        будут будешь есть суть является являются являлся являться имеет имеют иметь могут мог могла могли можем
        можете мочь стал стала стало стали стать становится становятся делать делает делают делаем сделать
        сделал говорить говорит говорят говорим говорил сказать сказал скажем знать знает знаем знаете видеть
        видим видите видно смотреть смотрим посмотрим рассмотрим хотеть хотим хочу хочет называется называются
        называют назвать назовём используется используются использовать используют используем позволяет
        позволяют даёт дает дают давать давайте получить получается получаем получает бывает бывают происходит
        находится зависит ну короче типа собственно вообще кстати один одна одно одни одного одной одном одним
        одну два две двух двум три трёх трех четыре пять шесть семь восемь девять десять первый первая первое
        первые первого первой второй вторая второе вторые третий третья раз раза сначала наконец вместе вдруг
        сразу такой-же образом случае случай случаях пример вещь вещи дело часть части время времени
    """,
}

# Endings of adverbs, comparatives and verbs, which seldom name a subject.
_COMMON_ENDINGS = {"en": ("ly",), "ru": ("ее", "ться", "тся", "ит", "ает", "яет", "ует", "еет", "ют")}

# A sentence that starts with one of these leans on the one before it, and says less when it stands alone.
_LEANING_WORDS = {
    "en": """it this that these those they them he she his her their its such so but and or nor then thus hence
        therefore however also too because which who there here another both either neither otherwise instead yet
        besides moreover furthermore similarly well okay now all second third finally""",
    "ru": """это этот эта эти этого этой этих этим тот та те того он она оно они его её ее их им ему ей такой такая
        такое такие так но а и или однако поэтому потому тогда затем потом также тоже зато причём причем который которая
        которые ведь там тут здесь итак значит например во-вторых в-третьих наконец ну вот""",
}


@dataclass(frozen=True)
class Token:
    """A word at `start:end` of its text. `empty` words carry no subject, `common` ones seldom do alone."""

    start: int
    end: int
    surface: str
    stem: str
    empty: bool
    common: bool


class Vocabulary:
    """Tokens and stems of one language (ISO 639-1 code, as Whisper names it)."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.joiner = "" if language in _NO_BLANKS else " "
        listed = _listed(language)
        own = _FUNCTION_WORDS.get(language)
        self._empty = frozenset(map(_fold, own.split())) if own else listed
        self._common = listed if own else frozenset()
        self._common_endings = _COMMON_ENDINGS.get(language, ())
        self._leaning = frozenset(map(_fold, _LEANING_WORDS.get(language, "").split()))
        self._stems: dict[str, str] = {}
        algorithm = _STEMMERS.get(language)
        self._stemmer = None
        if algorithm:
            import snowballstemmer

            self._stemmer = snowballstemmer.stemmer(algorithm)

    def learn(self, sentences: Iterable[str]) -> None:
        """For a language without a list: words found in at least a tenth of the sentences carry no subject.

        Needs twenty sentences to tell; with fewer, or where a list is known, nothing is learnt.
        """
        if self._empty:
            return
        found = [{_fold(match[0]) for match in _TOKEN.finditer(sentence)} for sentence in sentences]
        if len(found) < 20:
            return
        counts = Counter(word for words in found for word in words)
        self._empty = frozenset(word for word, count in counts.items() if count * 10 >= len(found))

    def stem(self, folded: str) -> str:
        known = self._stems.get(folded)
        if known is None:
            known = self._stems[folded] = self._stemmer.stemWord(folded) if self._stemmer else folded
        return known

    def tokens(self, text: str) -> list[Token]:
        """Every word of `text`, in order. A lone letter and a number count as empty: no talk is named after one."""
        tokens = []
        for match in _TOKEN.finditer(text):
            surface = match[0]
            word = _fold(surface)
            lone = len(word) < 2 and not _without_blanks(word)
            empty = lone or word in self._empty or word[0].isdigit()
            common = word in self._common or word.endswith(self._common_endings)
            tokens.append(Token(match.start(), match.end(), surface, self.stem(word), empty, common))
        return tokens

    def leans(self, sentence: str) -> bool:
        """Whether `sentence` starts with a word that refers back to the sentence before it."""
        match = _TOKEN.search(sentence)
        return match is not None and _fold(match[0]) in self._leaning


def _listed(language: str) -> frozenset[str]:
    import stop_words

    code = {"no": "nb", "nn": "nb", "yue": "zh"}.get(language, language)
    if code not in stop_words.LANGUAGE_MAPPING:
        return frozenset()
    return frozenset(map(_fold, stop_words.get_stop_words(code)))


def _fold(word: str) -> str:
    """Lower case, one apostrophe, one hyphen, and ё as е, which Russian writes either way."""
    folded = unicodedata.normalize("NFC", word).casefold().replace("’", "'").replace("‑", "-").replace("ё", "е")
    return folded.removesuffix("'s")


def _without_blanks(word: str) -> bool:
    return "\u3041" <= word[0] <= "\u9fff" or "\uf900" <= word[0] <= "\ufaff"
