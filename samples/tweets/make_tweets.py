"""Make up tweets: short English texts with a sentiment, in the forms in which labelled tweets are given out.

    python samples/tweets/make_tweets.py --format sentiment140 2000 tweets.csv

`sentiment140` has six quoted columns in Latin-1, no header, sorted by label (0, 4); `words` the header `text,label` and
`pos`, `neg`, `neutral` in UTF-8; `signs` the columns `polarity;tweet` with -1 and 1; `text` a tweet a line, no labels.
The same arguments give the same bytes. All sentences and names are made up.

What there is to learn: each tweet has one topic, which its nouns, its verbs, its closing words and its hashtag share;
verbs agree with their subjects; a name comes back later on. Sentiment lies in adjectives, verbs and, weakly, emoticons;
"not … at all" turns it round, what follows "even if" counts for less, and 3 % of the labels are wrong.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

LABELS = ("negative", "positive", "neutral")
WRONG = 0.03
"""Share of labels that are wrong: no model can be right more often than in 97 %."""


class Tweet(NamedTuple):
    """`label` is one of LABELS. `text` is raw: with names, links and HTML entities, as it would be downloaded."""

    text: str
    label: str


class Topic(NamedTuple):
    """Things, singular and plural; what one does with them; adjectives of both kinds; how such tweets end."""

    things: tuple[tuple[str, str], ...]
    doing: tuple[str, ...]
    good: tuple[str, ...]
    bad: tuple[str, ...]
    end: tuple[str, ...]
    tag: str


def _topic(things: str, doing: str, good: str, bad: str, end: str, tag: str) -> Topic:
    pairs = tuple(tuple(pair.split("/")) for pair in things.split(", "))
    return Topic(pairs, *(tuple(part.split(", ")) for part in (doing, good, bad, end)), tag)  # type: ignore[arg-type]


TOPICS = (
    _topic(
        "train/trains, bus/buses, ticket/tickets, driver/drivers, station/stations",
        "waiting for the train, going home by bus, standing at the station, looking for my ticket",
        "on time, fast, quiet, comfortable",
        "late, crowded, cancelled, slow",
        "see you at the station, home before midnight i hope, next stop the city centre",
        "commuting",
    ),
    _topic(
        "soup/soups, cake/cakes, café/cafés, pancake/pancakes, curry/curries",
        "cooking dinner, baking a cake, having lunch at the café, making pancakes",
        "delicious, tasty, fresh, yummy",
        "cold, burnt, salty, disgusting",
        "dinner is at seven, save a slice for me, now i need a big cup of tea",
        "foodie",
    ),
    _topic(
        "exam/exams, lecture/lectures, essay/essays, teacher/teachers, class/classes",
        "studying for the exam, writing an essay, sitting in a lecture, doing my homework",
        "easy, interesting, useful, inspiring",
        "boring, impossible, confusing, endless",
        "only two more weeks of school, back to the library tomorrow, wish me luck for the exam",
        "school",
    ),
    _topic(
        "match/matches, goal/goals, referee/referees, keeper/keepers, season/seasons",
        "watching the match, cheering for the team, playing football, training with the team",
        "brilliant, exciting, deserved, world class",
        "pathetic, embarrassing, lucky for them, unfair",
        "see you at the next match, final score two one, come on you reds",
        "football",
    ),
    _topic(
        "song/songs, album/albums, concert/concerts, singer/singers, band/bands",
        "listening to the album, singing along, going to the concert, learning the guitar",
        "catchy, beautiful, amazing live, unforgettable",
        "overrated, out of tune, much too loud, dull",
        "playing it on repeat all night, see you in the front row, turn the music up",
        "nowplaying",
    ),
    _topic(
        "phone/phones, laptop/laptops, update/updates, battery/batteries, app/apps",
        "installing the update, charging my phone, fixing my laptop, trying the new app",
        "fast, shiny, reliable, smart",
        "broken, frozen, useless, full of bugs",
        "have you tried turning it off and on again, back to my old phone then, version two is out now",
        "tech",
    ),
    _topic(
        "storm/storms, morning/mornings, sunset/sunsets, weekend/weekends, cloud/clouds",
        "walking in the rain, sitting in the sun, looking at the sky, waiting for summer",
        "sunny, gorgeous, warm, peaceful",
        "grey, freezing, miserable, wet",
        "do not forget your umbrella, summer is just round the corner, more rain tomorrow they say",
        "weather",
    ),
    _topic(
        "puppy/puppies, kitten/kittens, vet/vets, walk/walks, hamster/hamsters",
        "walking the dog, feeding the cat, going to the vet, playing with the puppy",
        "cute, fluffy, adorable, playful",
        "sick, grumpy, scared, missing",
        "time for another walk, the cat is the boss here, treats for everyone",
        "petsoftwitter",
    ),
    _topic(
        "meeting/meetings, boss/bosses, deadline/deadlines, report/reports, shift/shifts",
        "sitting in a meeting, finishing the report, working late, answering emails",
        "productive, helpful, generous, well paid",
        "pointless, exhausting, stressful, unpaid",
        "is it friday yet, back to work on monday, only three hours left",
        "worklife",
    ),
    _topic(
        "headache/headaches, doctor/doctors, nap/naps, run/runs, tooth/teeth",
        "lying in bed, going for a run, waiting at the doctor, trying to sleep",
        "gone at last, gentle, refreshing, healthy",
        "painful, awful, swollen, unbearable",
        "early night for me, drink more water everyone, good night twitter",
        "health",
    ),
)
NAMES = (
    "Alma", "Bruno", "Carla", "Dario", "Edda", "Finn", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Levin", "Mona",
    "Nils", "Olga", "Pablo", "Romy", "Sven", "Tilda", "Yann",
)  # fmt: skip
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LOVE = ("love", "enjoy", "am so happy with", "can't get enough of", "am thankful for")
HATE = ("hate", "am sick of", "am so disappointed by", "can't stand", "regret")
SEE = ("saw", "read about", "asked about", "have", "talked about")
GLAD = ("best day ever", "so proud right now", "feeling great", "this made my day", "what a lovely surprise")
SAD = ("worst day ever", "i want to cry", "feeling terrible", "this ruined my day", "so fed up right now")
FLAT = ("just saying", "more later", "as usual", "for the record", "that is all")
SMILE, FROWN = (":)", ":D", "&lt;3", "xx", "=)"), (":(", ":/", ":'(", "ugh", "=(")
VERY = ("so", "really", "very", "sooo", "pretty")
OPEN = ("omg", "well,", "haha", "ok,", "wow,", "hmm")
TAG_SHARE, LINK_SHARE, MENTION_SHARE = 0.3, 0.12, 0.35


def tweets(n: int, seed: int = 0, neutral: float = 0.0) -> list[Tweet]:
    """`n` tweets, of which about the share `neutral` is that, and the rest half positive. Few are there twice."""
    random = Random(f"tweets {seed}")
    made = []
    for _ in range(n):
        said = "neutral" if random.random() < neutral else LABELS[random.random() < 0.5]
        text = _text(random, said)
        label = said
        if said != "neutral" and random.random() < WRONG:
            label = LABELS[1 - LABELS.index(said)]
        made.append(Tweet(text, label))
    return made


def _text(random: Random, label: str) -> str:
    """A whole tweet."""
    pick: Callable[[tuple[str, ...]], str] = random.choice
    topic = random.choice(TOPICS)
    name = random.choice(NAMES)
    parts = []
    if random.random() < MENTION_SHARE:
        parts.append(f"@{name.lower()}{random.randrange(10, 100)}")
    elif random.random() < 0.2:
        parts.append(pick(OPEN))
    parts.append(_opinion(random, topic, label, name))
    if random.random() < 0.55:
        parts.append(_joined(random, topic, label, name))
    text = " ".join(parts)
    if random.random() < 0.45:
        text += random.choice((". ", "! ", ", ", " - ", "... ")) + pick(topic.end)
    elif random.random() < 0.4:
        text += random.choice(("! ", ", ", " &amp; ")) + pick({"positive": GLAD, "negative": SAD}.get(label, FLAT))
    if random.random() < 0.25:
        # An emoticon is no proof: one in five says the opposite.
        happy = (label == "positive") != (random.random() < 0.2) if label != "neutral" else random.random() < 0.5
        text += " " + pick(SMILE if happy else FROWN)
    if random.random() < TAG_SHARE:
        text += f" #{topic.tag}"
    if random.random() < LINK_SHARE:
        text += f" http://example.com/{random.randrange(36**3):x}"
    return text if random.random() < 0.6 else text[0].upper() + text[1:]


def _opinion(random: Random, topic: Topic, label: str, name: str) -> str:
    """A clause of this sentiment; a fifth of them say it by denying the opposite."""
    thing, things = random.choice(topic.things)
    form = random.random()
    if label == "neutral":
        if form < 0.5:
            return f"{name} and i {random.choice(SEE)} the {thing} on {random.choice(DAYS)}"
        return f"{random.choice(topic.doing)} with {name}"
    good = label == "positive"
    if form < 0.35:
        many = random.random() < 0.5
        verb = random.choice(("are", "were") if many else ("is", "was"))
        owner = random.choice(("the", "my", "our", f"{name}'s"))
        return f"{owner} {things if many else thing} {verb} {_adjective(random, topic, good)}"
    if form < 0.6:
        verb = random.choice(LOVE if good else HATE)
        return f"i {verb} {random.choice(('these', 'those', 'all the'))} {things}"
    if form < 0.85:
        feeling = random.choice(("happy", "glad", "excited") if good else ("sad", "tired", "annoyed"))
        return f"{random.choice(topic.doing)} and feeling {feeling}"
    verb = random.choice(("says", "thinks"))
    return f"{name} {verb} the {thing} is {_adjective(random, topic, good)}"


def _adjective(random: Random, topic: Topic, good: bool) -> str:
    if random.random() < 0.2:
        return f"not {random.choice(topic.bad if good else topic.good)} at all"
    return f"{random.choice(VERY)} {random.choice(topic.good if good else topic.bad)}"


def _joined(random: Random, topic: Topic, label: str, name: str) -> str:
    """How a tweet goes on: with more of the same, or with "even if" and the opposite, which counts for less."""
    day = random.choice(DAYS)
    if label == "neutral":
        return f"and then {random.choice(topic.doing)} until {day}"
    same = random.random() < 0.75
    if same:
        return random.choice(
            (
                f"and {_opinion(random, topic, label, name)}",
                f"because {name} {'helped' if label == 'positive' else 'left'} me on {day}",
                f"since {day}, again and again",
            )
        )
    other = "negative" if label == "positive" else "positive"
    return f"even if {_opinion(random, topic, other, name)}"


def write(path: Path, form: str, n: int, seed: int = 0, neutral: float | None = None) -> Path:
    """Write `n` tweets in one of FORMS. Of `words`, a fifth is neutral unless told otherwise; of the others none."""
    if neutral is None:
        neutral = 0.2 if form == "words" else 0.0
    path.parent.mkdir(parents=True, exist_ok=True)
    FORMS[form](path, tweets(n, seed, neutral))
    return path


def _sentiment140(path: Path, made: list[Tweet]) -> None:
    values = {"negative": "0", "neutral": "2", "positive": "4"}
    random = Random(f"columns {len(made)}")
    rows = []
    for number, tweet in enumerate(sorted(made, key=lambda tweet: values[tweet.label])):
        posted = datetime(2009, 4, 6, 22, 19, 45) + timedelta(seconds=4 * number)
        user = f"{random.choice(NAMES).lower()}_{random.randrange(1000)}"
        date = posted.strftime("%a %b %d %H:%M:%S PDT %Y")
        rows.append((values[tweet.label], 1467810369 + 31 * number, date, "NO_QUERY", user, tweet.text))
    _csv(path, rows, encoding="latin-1", quoting=csv.QUOTE_ALL)


def _words(path: Path, made: list[Tweet]) -> None:
    words = {"negative": "neg", "positive": "pos", "neutral": "neutral"}
    _csv(path, [("text", "label"), *((tweet.text, words[tweet.label]) for tweet in made)])


def _signs(path: Path, made: list[Tweet]) -> None:
    signs = {"negative": "-1", "neutral": "0", "positive": "1"}
    _csv(path, [("polarity", "tweet"), *((signs[tweet.label], tweet.text) for tweet in made)], delimiter=";")


def _plain(path: Path, made: list[Tweet]) -> None:
    path.write_text("".join(f"{tweet.text}\n" for tweet in made), encoding="utf-8", newline="\n")


FORMS: dict[str, Callable[[Path, list[Tweet]], None]] = {
    "sentiment140": _sentiment140,
    "words": _words,
    "signs": _signs,
    "text": _plain,
}


def _csv(
    path: Path,
    rows: list[tuple[object, ...]],
    *,
    encoding: str = "utf-8",
    delimiter: str = ",",
    quoting: int = csv.QUOTE_MINIMAL,
) -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator="\n").writerows(rows)  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("n", type=int, help="number of tweets")
    parser.add_argument("path", type=Path, help="the file to write")
    parser.add_argument("--format", choices=FORMS, default="sentiment140")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--neutral", type=float, help="share of neutral tweets (default: 0.2 of `words`, else none)")
    given = parser.parse_args()
    if given.n < 1:
        parser.error("the number of tweets must be 1 or more")
    if given.neutral is not None and not 0 <= given.neutral <= 1:
        parser.error("--neutral must be from 0 to 1")
    print(write(given.path, given.format, given.n, given.seed, given.neutral))


if __name__ == "__main__":
    main()
