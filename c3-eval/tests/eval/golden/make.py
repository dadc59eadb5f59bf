#!/usr/bin/env python3
"""What the reference implementations say of pairs of texts, for `../metrics.rs`.

    pip install -r requirements.txt && python3 make.py > golden.jsonl

Each line is a pair with its scores. Where a reference implementation refuses or leaves undefined a
text without words, the value is null and the test holds ours to what its documentation says.
"""
import json
import pathlib
import random
import re
import sys
import warnings
from collections import Counter

import jieba
import nltk
from nltk.metrics import f_measure, precision, recall
from nltk.translate import meteor_score
from rapidfuzz.distance import Levenshtein
from rouge import Rouge

sys.setrecursionlimit(1 << 20)  # `rouge` walks back through its table recursively
warnings.simplefilter("ignore")  # NLTK warns of n-grams that don't occur
SAMPLES = pathlib.Path(__file__).parents[4] / "fixtures/samples"


class NoStems:
    """Leaves words as they are, so that METEOR's second stage finds nothing more."""

    def stem(self, word):
        return word


class NoSynonyms:
    """Knows no words, so that METEOR's third stage finds nothing more."""

    def synsets(self, word):
        return []


def words(reference, output):
    chinese = re.compile("[\u4e00-\u9fa5]")
    if chinese.search(reference) or chinese.search(output):
        return jieba.lcut(reference), jieba.lcut(output)
    return reference.split(), output.split()


def rouge_l(reference, output):
    """Of words joined by blanks, as is usual for languages without them."""
    try:
        return Rouge(metrics=["rouge-l"]).get_scores(" ".join(output), " ".join(reference))[0]["rouge-l"]["f"]
    except (ValueError, ZeroDivisionError):
        return None


def token_scores(reference, output):
    """Clipped overlap of two sequences, and how far they agree."""
    overlap = sum((Counter(reference) & Counter(output)).values())
    agree = next((i for i, (a, b) in enumerate(zip(reference, output)) if a != b), min(len(reference), len(output)))
    p = overlap / len(output) if output else None
    r = overlap / len(reference) if reference else None
    return {
        "precision": p,
        "recall": r,
        "f1": 2 * p * r / (p + r) if p and r else None if p is None or r is None else 0.0,
        "prefix": agree / len(reference) if reference else None,
    }


def case(name, reference, output):
    ref, out = words(reference, output)
    longer = max(len(reference), len(output))
    # The published script hands the label to the parameter that is called prediction.
    label, answer = set(ref), set(out)
    return {
        "name": name,
        "reference": reference,
        "output": output,
        "words": [ref, out],
        "char_similarity": 1 - Levenshtein.distance(reference, output) / longer if longer else None,
        "bleu4": nltk.translate.bleu([ref], out),
        "meteor": meteor_score.single_meteor_score(ref, out, stemmer=NoStems(), wordnet=NoSynonyms()),
        "rouge_l": rouge_l(ref, out),
        "fox_precision": precision(answer, label),
        "fox_recall": recall(answer, label),
        "fox_f1": f_measure(answer, label),
        "word_precision": precision(label, answer),
        "tokens": token_scores([ord(c) for c in reference], [ord(c) for c in output]),
    }


def spoilt(text, rng, share):
    """The text with a share of its characters lost, doubled or replaced by others of it."""
    out = []
    for c in text:
        if rng.random() >= share:
            out.append(c)
        else:
            out.extend(rng.choice(([], [c, rng.choice(text)], [rng.choice(text)])))
    return "".join(out)


def shuffled(text, rng):
    """The words of the text in another order."""
    parts = text.split(" ")
    rng.shuffle(parts)
    return " ".join(parts)


def cases():
    pairs = [
        ("both empty", "", ""),
        ("reference empty", "", "some words here"),
        ("output empty", "some words here", ""),
        ("blanks", "  \n ", "\t"),
        ("one word each, equal", "word", "word"),
        ("one word each, other", "word", "sword"),
        ("three words, equal", "just three words", "just three words"),
        ("case only", "The Cat SAT on the mat today", "the cat sat on the mat today"),
        ("repeats are clipped", "the cat is on the mat", "the the the the the the the"),
        ("swapped halves", "a b c d e f g h", "e f g h a b c d"),
        ("output longer", "a b c d e", "a b c d e f g h i j"),
        ("reference longer", "a b c d e f g h i j", "a b c d e"),
        ("sentences", "One. Two words. Three words here.", "One. Two words.. Three words there. More."),
        ("only full stops", "...", "..."),
        ("separators", "a\x1cb\x1fc\x85d\u3000e\u200bf", "a b c d e f"),
        ("emoji and accents", "naïve 🙂 café résumé", "naive 🙂 café resume"),
        ("Greek capitals", "ΟΔΥΣΣΕΥΣ ήλθε ΣΟΦΌΣ", "οδυσσευς ήλθε σοφός"),
        ("digits", "3.14159 and 2,718 or 1e-9", "3.14159 and 2,781 or 1e-6"),
        ("Chinese", "我来到北京清华大学", "我来到北京大学"),
        ("Chinese, equal", "他来到了网易杭研大厦", "他来到了网易杭研大厦"),
        ("Chinese, one character", "小明硕士毕业于中国科学院计算所。", "小明硕士毕业于中国科学院计算机所。"),
        ("Chinese reference, empty output", "上下文压缩", ""),
        ("Chinese in one alone", "plain English words", "plain 英文 words"),
        ("Chinese beyond U+9FA5", "㐀㐁龦龧 words", "㐀㐁龦 words"),
        ("Japanese", "東京都に住んでいます。", "京都に住んでいました。"),
        ("mixed", "用 Rust 1.95 写的 C3，比率是 8×。", "用 Rust 1.59 写的 C3, 比率 8×！"),
    ]
    rng = random.Random(0)
    for kind in ("en-prose", "en-shuffled", "zh-classical", "code"):
        texts = [json.loads(line)["text"] for line in open(SAMPLES / f"{kind}.jsonl", encoding="utf-8")]
        for number, share in enumerate((0, 0.02, 0.1, 0.3, 0.6)):
            text = texts[7 * number]
            pairs.append((f"{kind}, {share} spoilt", text, spoilt(text, rng, share)))
        pairs.append((f"{kind}, shuffled", texts[40], shuffled(texts[40], rng)))
        pairs.append((f"{kind}, half", texts[41], texts[41][: len(texts[41]) // 2]))
        pairs.append((f"{kind}, another text", texts[42], texts[43]))
    return pairs


for pair in cases():
    print(json.dumps(case(*pair), ensure_ascii=False))
