"""`make bench`: figures as ratios to a reference measured in the same run, one JSON object a line.

Rules and articles are generated from a fixed seed. Each figure is the median over several rounds in which what is
measured and its reference take turns, so that a change of the machine's pace falls on both.
"""

import gc
import json
import multiprocessing
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import ahocorasick_rs

from monitor.matching import folding
from monitor.matching.folding import fold, fold_terms, unspaced
from monitor.matching.matcher import Matcher
from monitor.models import FIELD_BREAK, Article, Source
from monitor.rules import expression
from monitor.rules.expression import parse
from monitor.rules.lexicon import Lexicon, shipped
from monitor.rules.schema import Rule
from tests.conftest import REPOSITORY
from tests.daemon import configure, daemon
from tests.site import Reply, item, rss, serving, wait_until

Automaton = ahocorasick_rs.AhoCorasick
Turn = tuple[Callable[[], object], Callable[[], object]]  # what is measured, and its reference

ALPHABETS = {
    "en": "etaoinshrdlucmfwypvbgk", "de": "enisratdhulcgmobwfkzäöü", "fi": "aintesloukämvrjhypdö",
    "id": "anetigmrukdslbphoyj", "tr": "aeinrlıkdmyutsboüşzgçhğvcöp", "ru": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэф",
    "uk": "оанивтріеслкумдпязьбгчйхжїшюцщєф", "ar": "اليمونترعبدسكفهحقشجصطخذ", "he": "יוהלארבתמשנעכדקפחגסצטז",
    "hi": "कतरनसलमपहदगबजवयचटशखथभधडआइउ", "ko": "가나다라마바사아자차카하고노도로모보소오지기니리시이정부대한국",
    "ja": "のにはをたがでてとしれさいるなあかきくこすせそただちつ日本国人政府首相会議発表事件経済市",
    "zh-Hans": "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出",
    "th": "กขคงจชซญดตถทนบปผพฟมยรลวสหอาิีุูเแโไ",
}  # fmt: skip
UNSPACED = {"ja", "zh-Hans", "th"}
LENGTH = 3_600  # characters of an article
ROUND = 56  # articles: four of each script
KNOWN = 25  # rounds before the first that is timed: 100 articles of each language, of which years will see more


def words_of(language: str, chance: random.Random, count: int) -> list[str]:
    letters = ALPHABETS[language]
    longest = 4 if language in UNSPACED or language == "ko" else 10
    return ["".join(chance.choices(letters, k=chance.randint(2, longest))) for _ in range(count)]


def make_articles(lexicon: Lexicon, count: int, chance: random.Random, length: int = LENGTH) -> list[Article]:
    """Articles of all the scripts in turn: words by Zipf's law, one in 25 a term of the lexicon."""
    articles = []
    vocabulary = {language: words_of(language, chance, 4000) for language in ALPHABETS}
    weights = [1 / (rank + 5) for rank in range(4000)]
    concepts = [concept for concept in lexicon.concepts.values() if concept.terms]
    for number in range(count):
        language = list(ALPHABETS)[number % len(ALPHABETS)]
        text, space = "", "" if language in UNSPACED else " "
        while len(text) < length:
            run = chance.choices(vocabulary[language], weights, k=25)
            terms = chance.choice(concepts).terms.get(language, ())
            if terms:
                run.append(chance.choice(terms).strip("=*"))
            text += space.join(run) + (". " if space else "。") + ("\n" if chance.random() < 0.1 else "")
        title, body = text[:60], text[60:]
        articles.append(Article(str(number), Source("bench"), body, title=title, language=language))
    return articles


def make_rules(lexicon: Lexicon, count: int, chance: random.Random) -> list[Rule]:
    """Rules as analysts write them: concepts with each other, with names of firms, with what to leave out."""
    concepts = [name for name, concept in lexicon.concepts.items() if concept.terms]
    names = [" ".join(words_of(chance.choice(["en", "ru", "tr", "de"]), chance, 2)).title() for _ in range(3 * count)]
    rules = []
    for number in range(count):
        one, two, three = (f"@{name}" for name in chance.sample(concepts, 3))
        a, b, c = (f'"{name}"' for name in chance.sample(names, 3))
        shapes = [
            f"{one} + ({a} | {b} | {c})", f"{a} | {b}", f"{one} + {two} + {a}", f"({one} | {two}) + {b} - {three}",
            f"{one} ~10 {a}", f"title: {a} | {b} + {two}", f"2 of ({a}, {b}, {one})", f"{one} + {two} + {three} - {c}",
        ]  # fmt: skip
        node = parse(shapes[number % len(shapes)])
        rules.append(Rule(id=str(number), title="", level="info", tags=(), node=node))
    return rules


def median_ratio(turns: Iterable[Turn]) -> tuple[float, float, float]:
    """The medians in seconds of what is measured and of its reference, and the median of their ratios."""
    gc.collect()
    gc.disable()
    pairs = [(_timed(measured), _timed(reference)) for measured, reference in turns]
    gc.enable()
    return (
        *(statistics.median(column) for column in zip(*pairs, strict=True)),
        statistics.median(a / b for a, b in pairs),
    )


def _timed(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def report(name: str, value: float, unit: str, reference: str, ratio: float, target: str) -> None:
    """Print one figure; the target is `<= x` or `>= x` of the ratio."""
    sign, limit = target.split()
    ok = ratio <= float(limit) if sign == "<=" else ratio >= float(limit)
    figure = {"name": name, "value": float(f"{value:.4g}"), "unit": unit, "reference": reference}
    print(json.dumps(figure | {"ratio": float(f"{ratio:.3g}"), "target": target, "ok": ok}), flush=True)


def terms_of(rules: Sequence[Rule], lexicon: Lexicon) -> list[str]:
    """Every term of every rule, folded, with a space wherever its script has one."""
    wanted = {str(term) for rule in rules for term in expression.terms_of(rule.node)}
    concepts = [lexicon.find(text.strip("@")) for text in wanted if text.startswith("@")]
    terms = [text.strip('"') for text in wanted if text.startswith('"')]
    for concept in concepts:
        assert concept
        for group in (concept.terms, concept.names, concept.exceptions):
            terms += [term.strip("=*") for words in group.values() for term in words]
    folded = {term for term in fold_terms(terms) if term}
    return [f"{'' if unspaced(term[0]) else ' '}{term}{'' if unspaced(term[-1]) else ' '}" for term in sorted(folded)]


def scan_all(automaton: Automaton, articles: Sequence[Article]) -> Callable[[], object]:
    """A bare scan of the same folded texts."""
    texts = [fold(f"{article.title}{FIELD_BREAK}{article.text}").text for article in articles]

    def scan() -> None:
        for text in texts:
            automaton.find_matches_as_indexes(text, overlapping=True)

    return scan


def match_all(matcher: Matcher, articles: Sequence[Article]) -> Callable[[], object]:
    def match() -> None:
        for article in articles:
            matcher.match(article)

    return match


def bench_matching(lexicon: Lexicon) -> None:
    """Articles that were matched before, in a loop; and others of which the matcher has met most of the words."""
    articles = make_articles(lexicon, ROUND * (KNOWN + 7), random.Random(1))
    slices = [articles[at : at + ROUND] for at in range(0, len(articles), ROUND)]
    reached = {}
    for count, target in ((1_000, "<= 1.5"), (10_000, "<= 1.5"), (100_000, "<= 3.0")):
        matcher = Matcher(make_rules(lexicon, count, random.Random(2)), lexicon)
        match_all(matcher, articles[: ROUND * KNOWN])()
        automaton = ahocorasick_rs.AhoCorasick(terms_of(matcher.rules, lexicon))

        def turn(some: Sequence[Article], matcher: Matcher = matcher, scan: Automaton = automaton) -> Turn:
            return match_all(matcher, some), scan_all(scan, some)

        whole, _, ratio = median_ratio(map(turn, [slices[0]] * 9))
        fresh, _, fresh_ratio = median_ratio(map(turn, slices[KNOWN:]))
        reached[count] = whole / ROUND
        for which, seconds, found in (("", whole, ratio), (", articles not met before", fresh, fresh_ratio)):
            name = f"match at {count} rules{which}"
            report(name, seconds / ROUND * 1e6, "us/article", "bare ahocorasick_rs scan of all terms", found, target)
        if count == 1_000:
            bench_against_regexes(lexicon, articles, whole / ROUND)
            bench_long_text(lexicon, matcher)
    grown = reached[100_000] / reached[10_000]
    report("match at 100000 rules", reached[100_000] * 1e6, "us/article", "10000 rules", grown, "<= 4")


def bench_against_regexes(lexicon: Lexicon, articles: Sequence[Article], ours: float) -> None:
    """One compiled `re` for each concept and phrase of each rule, as a script of an afternoon would do it."""
    chance = random.Random(2)
    wanted = {
        term
        for rule in make_rules(lexicon, 1_000, chance)
        for term in re.findall(r'@[^+|()~,-]+|"[^"]+"', str(rule.node))
    }
    compiled = []
    for term in wanted:
        concept = lexicon.find(term.strip('@" '))
        terms = [t.strip("=*") for words in concept.terms.values() for t in words] if concept else [term.strip('"')]
        compiled.append(re.compile("|".join(map(re.escape, terms)), re.IGNORECASE))
    # A rule asks for three on average: each of its expressions is searched for each rule anew.
    per_rule = [compiled[number % len(compiled)] for number in range(3_000)]
    sample = articles[0]
    naive = _timed(lambda: [pattern.search(sample.text) for pattern in per_rule])
    report(
        "match at 1000 rules",
        ours * 1e6,
        "us/article",
        "one compiled re per term of each rule",
        naive / ours,
        ">= 5000",
    )


def bench_long_text(lexicon: Lexicon, matcher: Matcher) -> None:
    """The slowest in twenty of 10 KB texts; the reference is the target itself, 20 ms."""
    articles = make_articles(lexicon, 140, random.Random(3), length=10_000)
    times = sorted(_timed(lambda article=article: matcher.match(article)) for article in articles)  # type: ignore[misc]
    p95 = times[int(len(times) * 0.95)]
    report("p95 of a 10 KB text at 1000 rules", p95 * 1e3, "ms", "20 ms", p95 / 0.02, "<= 1")


def normalise(text: str) -> str:
    """What every article is put through: its words, and where there is a script without spaces all of it folded."""
    words = folding.words_of(text)
    return fold(text).text if folding.RUN in words else words


def bench_folding(lexicon: Lexicon) -> None:
    texts = [article.text for article in make_articles(lexicon, ROUND, random.Random(4))]
    turn = (
        lambda: [normalise(text) for text in texts],
        lambda: [unicodedata.normalize("NFKC", text).casefold() for text in texts],
    )
    ours, _, ratio = median_ratio([turn] * 15)
    report("normalise", ours / len(texts) * 1e6, "us/article", "NFKC and casefold", ratio, "<= 0.4")


def _memory(connection: "multiprocessing.connection.Connection") -> None:
    lexicon = shipped()
    rules = make_rules(lexicon, 100_000, random.Random(2))
    gc.collect()
    before = _resident()
    matcher = Matcher(rules, lexicon)
    gc.collect()
    connection.send(_resident() - before)
    del matcher


def _resident() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def bench_memory() -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_memory, args=(theirs,))
    process.start()
    used = ours.recv()
    process.join()
    report("memory of the matcher at 100000 rules", used, "MB", "250 MB", used / 250, "<= 1")


def bench_help() -> None:
    command = [sys.executable, "-m", "monitor", "--help"]
    times = sorted(_timed(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(9))
    report("monitor --help", times[4] * 1e3, "ms", "250 ms", times[4] / 0.25, "<= 1")


def bench_idle() -> None:
    """A daemon whose hundred feeds have been polled: the memory of all its processes."""
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as name, serving() as site:
        folder, paths = Path(name), [f"/feed{number}" for number in range(100)]
        site.replies |= {path: Reply(rss(item("1", "Weather"))) for path in paths}
        feeds = [{"url": site.url + path, "every": "1h"} for path in paths]
        config = configure(folder, site, feeds=feeds, rules=[str(REPOSITORY / "rules")])
        with daemon(config, log=folder / "log") as process:
            wait_until(lambda: {request.path for request in site.requests} >= set(paths), 120)
            used = sum(map(_memory_of, (process.pid, *_children(process.pid))))
            process.terminate()
            process.wait()
    report("an idle daemon with 100 feeds, workers included", used, "MB", "150 MB", used / 150, "<= 1")


def _memory_of(process: int) -> float:
    """What a process has of memory in MB, what it shares by its part."""
    [line] = re.findall(r"^Pss: +(\d+) kB", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE)
    return int(line) * 1024 / 1e6


def _children(process: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    own = [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return [*own, *(one for child in own for one in _children(child))]


def main() -> None:
    lexicon = shipped()
    bench_folding(lexicon)
    bench_matching(lexicon)
    bench_memory()
    bench_help()
    bench_idle()


if __name__ == "__main__":
    main()
