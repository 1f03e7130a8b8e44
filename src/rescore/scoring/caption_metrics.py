"""Metrics of generated captions: BLEU, METEOR, ROUGE-L and CIDEr as `pycocoevalcap` has them (What and How Well, Table 5).

    captions ─► tokens (Penn Treebank, Java) ─► statistics of each caption ─► metric of any weighted resample of captions

BLEU and METEOR are no means over captions: they are computed from sums over the corpus. Each caption's share in these sums is
kept, so that a bootstrap resample is one weighted sum and nothing is counted or aligned twice.

BLEU (Papineni et al. 2002), METEOR 1.5 (Denkowski & Lavie 2014) and ROUGE-L (Lin 2004) lie in 0..1; CIDEr is CIDEr-D
(Vedantam et al. 2015) with the package's factor of 10. METEOR and the tokeniser are Java programs that lie in the package.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from rescore.engine.errors import RescoreError

METRICS = {
    "B1": "bleu_1",
    "B2": "bleu_2",
    "B3": "bleu_3",
    "B4": "bleu_4",
    "M": "meteor",
    "R": "rouge_l",
    "C": "cider",
}
"""Columns of the paper's Table 5, in its order, and what they are called in scores."""
NO_JAVA = "needs Java, which is not on this machine: install openjdk-17-jre-headless (Debian) and run again"
PLAIN_TOKENS = f"tokenised by a rule of this project in the place of the Penn Treebank's, which {NO_JAVA}"
TOKENISER = ("-cp", "tokenizer/stanford-corenlp-3.4.1.jar", "edu.stanford.nlp.process.PTBTokenizer")
METEOR = ("-Xmx2G", "-jar", "meteor/meteor-1.5.jar", "-", "-", "-stdio", "-l", "en", "-norm")
TIME_LIMIT = 900  # seconds of a Java program; METEOR takes 5 to start and aligns some hundred captions a second
ORDERS = 4  # words of the longest n-gram
TINY, SMALL = 1e-15, 1e-9  # the package's own guards against division by zero

# METEOR 1.5's parameters for English (its task "rank", the program's default).
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.20, 0.60, 0.75
STAGE_WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])  # exact, stem, synonym, paraphrase
METEOR_FIELDS = 4 + 4 * len(STAGE_WEIGHTS) + 3

CONTRACTION = re.compile(r"(?<=\w)(n't|'(?:s|m|d|ll|re|ve))(?!\w)")
MARKS = '"`.,?!:;()[]{}'


@dataclass(frozen=True)
class CaptionStatistics:
    """What each caption adds to the metrics."""

    bleu: np.ndarray
    """(n, 10): candidates' n-grams of 1..4 words, those also in the reference, length of candidate and of reference."""
    meteor: np.ndarray | None
    """(n, 23): the statistics that METEOR prints of an alignment; None without Java."""
    rouge: np.ndarray
    """(n,)"""
    cider: np.ndarray
    """(n,), its document frequencies being those of all n references."""


@cache
def package_directory() -> Path:
    """Where pycocoevalcap and its Java programs lie; found without importing it."""
    specification = find_spec("pycocoevalcap")
    places = list(specification.submodule_search_locations or []) if specification else []
    if not places:
        raise RescoreError("pycocoevalcap is not installed. Set the environment up again (`make env`).")
    return Path(places[0])


def has_java() -> bool:
    return shutil.which("java") is not None


def run_java(arguments: Sequence[str], text: str) -> list[str]:
    """Give `text` to one of the package's Java programs and return the lines it prints.

    The program ends with its input or with this process, whichever comes first; where it takes too long it is killed.

    Raises:
        RescoreError: it cannot be started, fails, or takes longer than TIME_LIMIT.
    """
    command = [
        "java",
        "-XX:+UseSerialGC",
        "-Dfile.encoding=UTF-8",
        *arguments,
    ]  # the serial collector takes half the memory
    try:
        done = subprocess.run(
            command, input=text.encode(), capture_output=True, check=True, cwd=package_directory(), timeout=TIME_LIMIT
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip()
        raise RescoreError(
            f"`{' '.join(command)}` failed ({error}). {said[-500:]}\n"
            "Remedy: check `java -version` (17 is known to work; Debian: openjdk-17-jre-headless); METEOR takes 0.6 GB of memory."
        ) from error
    return done.stdout.decode().split("\n")[:-1]


def tokenise(captions: Sequence[str], treebank: bool = True) -> list[str]:
    """Captions as tokens with single spaces, lower case, without punctuation.

    With Java they are the Penn Treebank's, as in pycocoevalcap; without it, or where `treebank` is False, `plain_tokens` stands
    in (PLAIN_TOKENS says so).
    """
    if not (treebank and has_java()):
        return [plain_tokens(caption) for caption in captions]
    from pycocoevalcap.tokenizer.ptbtokenizer import PUNCTUATIONS

    lines = [" ".join(caption.split()) for caption in captions]  # one line a caption, whatever white space it holds
    found = run_java([*TOKENISER, "-preserveLines", "-lowerCase"], "".join(f"{line}\n" for line in lines))
    if len(found) != len(lines):
        raise RescoreError(
            f"the tokeniser made {len(found)} lines of {len(lines)} captions. Look for odd characters in them."
        )
    return [" ".join(word for word in line.split() if word not in PUNCTUATIONS) for line in found]


def plain_tokens(caption: str) -> str:
    """Lower case, contractions apart (`it 's`, `does n't`), no marks around words: the Treebank's rules that matter here."""
    words = CONTRACTION.sub(r" \1", caption.lower()).split()
    return " ".join(stripped for word in words if (stripped := word.strip(MARKS)).strip("'-"))


def caption_statistics(
    pairs: Sequence[tuple[Sequence[str], Sequence[str]]], treebank: bool = True, meteor: bool = True
) -> list[CaptionStatistics]:
    """Statistics of several sets of captions; each Java program is started once for all of them.

    Args:
        pairs: (references, candidates) of each set, as written; one reference a candidate, none empty.
        treebank: whether Java's tokeniser is used where Java is.
        meteor: whether METEOR's alignments are made where Java is.

    Raises:
        RescoreError: unequal numbers, an empty set or reference, or a Java program that fails.
    """
    for references, candidates in pairs:
        if len(references) != len(candidates) or not references or not all(text.strip() for text in references):
            raise RescoreError(
                f"{len(candidates)} captions and {len(references)} references, "
                f"{sum(not text.strip() for text in references)} of them empty: every caption needs one reference."
            )
    if not pairs:
        return []
    texts = sorted({text for pair in pairs for side in pair for text in side})
    tokens = dict(zip(texts, tokenise(texts, treebank), strict=True))
    tokenised = [([tokens[text] for text in left], [tokens[text] for text in right]) for left, right in pairs]
    matches = {match for left, right in tokenised for match in zip(left, right, strict=True)}
    aligned = meteor_alignments(matches) if meteor else None
    return [statistics_of(left, right, aligned) for left, right in tokenised]


def statistics_of(
    references: list[str], candidates: list[str], aligned: dict[tuple[str, str], np.ndarray] | None
) -> CaptionStatistics:
    """Statistics of one set of tokenised captions."""
    from pycocoevalcap.bleu.bleu_scorer import BleuScorer
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    scorer, rouge = BleuScorer(n=ORDERS), Rouge()
    for reference, candidate in zip(references, candidates, strict=True):
        scorer += (candidate, [reference])
    bleu = [[*part["guess"], *part["correct"], part["testlen"], part["reflen"][0]] for part in scorer.ctest]
    matches = list(zip(references, candidates, strict=True))
    _, cider = Cider().compute_score(
        {place: [reference] for place, reference in enumerate(references)},
        {place: [candidate] for place, candidate in enumerate(candidates)},
    )
    return CaptionStatistics(
        bleu=np.array(bleu, dtype=float),
        meteor=None if aligned is None else np.stack([aligned[match] for match in matches]),
        rouge=np.array([rouge.calc_score([candidate], [reference]) for reference, candidate in matches]),
        cider=np.asarray(cider),
    )


def meteor_alignments(matches: set[tuple[str, str]]) -> dict[tuple[str, str], np.ndarray] | None:
    """(reference, candidate) -> the (23,) statistics of METEOR's alignment; None without Java."""
    if not has_java():
        return None
    ordered = sorted(matches)
    lines = run_java(METEOR, "".join(f"SCORE ||| {bare(left)} ||| {bare(right)}\n" for left, right in ordered))
    table = [np.array(line.split(), dtype=float) for line in lines]
    if len(table) != len(ordered) or any(len(row) != METEOR_FIELDS for row in table):
        raise RescoreError(
            f"METEOR gave {len(table)} alignments of {len(ordered)} captions. Look for odd characters in them."
        )
    return dict(zip(ordered, table, strict=True))


def bare(caption: str) -> str:
    """Without METEOR's separator."""
    return caption.replace("|||", "")


def metric_values(statistics: CaptionStatistics, metric: str, counts: np.ndarray) -> np.ndarray:
    """A metric in each weighted resample of captions.

    Args:
        metric: a key of METRICS.
        counts: (resamples, n) how often each caption was drawn.

    Returns:
        (resamples,); NaN for METEOR without Java.
    """
    counts = np.asarray(counts, dtype=float)
    if metric.startswith("B"):
        return bleu(counts @ statistics.bleu, int(metric[1:]))
    if metric == "M":
        if statistics.meteor is None:
            return np.full(len(counts), np.nan)
        return meteor(counts @ without_perfect_chunks(statistics.meteor))
    each = statistics.rouge if metric == "R" else statistics.cider
    return counts @ each / counts.sum(axis=1)


def bleu(sums: np.ndarray, order: int) -> np.ndarray:
    """BLEU of n-grams up to `order` words from (..., 10) sums over a corpus, with the brevity penalty; no smoothing."""
    guessed, correct = sums[..., :ORDERS], sums[..., ORDERS : 2 * ORDERS]
    precision = (correct + TINY) / (guessed + SMALL)
    ratio = (sums[..., -2] + TINY) / (sums[..., -1] + SMALL)
    penalty = np.where(ratio < 1, np.exp(1 - 1 / np.minimum(ratio, 1)), 1.0)
    return np.prod(precision[..., :order], axis=-1) ** (1 / order) * penalty


def without_perfect_chunks(alignments: np.ndarray) -> np.ndarray:
    """METEOR adds up alignments without the one chunk of a perfect match, which is no fragmentation."""
    perfect = (
        (alignments[:, 21] == alignments[:, 0]) & (alignments[:, 22] == alignments[:, 1]) & (alignments[:, 20] == 1)
    )
    summands = alignments.copy()
    summands[perfect, 20] = 0
    return summands


def meteor(sums: np.ndarray) -> np.ndarray:
    """METEOR 1.5 from (..., 23) sums of alignments: weighted F of unigrams times one minus the fragmentation penalty.

    Fields: words of candidate and reference, function words of both; matches of content and function words in each, for each
    stage; chunks; matched words of candidate and reference.
    """
    stages = sums[..., 4:20].reshape(*sums.shape[:-1], len(STAGE_WEIGHTS), 4)

    def weigh(content: np.ndarray, function: np.ndarray) -> np.ndarray:
        return DELTA * content + (1 - DELTA) * function

    with np.errstate(divide="ignore", invalid="ignore"):
        precision, recall = (
            (weigh(stages[..., side], stages[..., side + 2]) @ STAGE_WEIGHTS)
            / weigh(sums[..., side] - sums[..., side + 2], sums[..., side + 2])
            for side in (0, 1)
        )
        mean = 1 / ((1 - ALPHA) / precision + ALPHA / recall)
        fragmentation = sums[..., 20] / ((sums[..., 21] + sums[..., 22]) / 2)
        score = mean * (1 - GAMMA * fragmentation**BETA)
    return np.where(sums[..., 21] > 0, np.nan_to_num(score), 0.0)
