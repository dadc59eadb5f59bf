//! Text that can't be guessed, made from any corpus with a fixed seed. A language model's prior
//! flatters reconstruction; what is left of it here is memory.

use c3_nn::Tokenizer;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use unicode_segmentation::UnicodeSegmentation;

use super::passages::at_most;
use super::{Corpus, Sample};
use crate::Result;

/// A way to make text unguessable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Its words in another order; in Chinese, its characters.
    WordShuffle,
    /// Its sentences in another order.
    SentenceShuffle,
    /// Each letter replaced by another one, white space and punctuation kept.
    RandomLetters,
    /// Numbers and UUIDs.
    Digits,
    /// A table of its words and of numbers.
    Table,
    /// Every other word replaced by letters of another script.
    MixedScripts,
}

/// First and last letters of scripts.
const SCRIPTS: [(char, char); 8] = [
    ('α', 'ω'),
    ('а', 'я'),
    ('あ', 'ん'),
    ('ア', 'ヲ'),
    ('ا', 'ي'),
    ('א', 'ת'),
    ('अ', 'ह'),
    ('가', '힣'),
];

impl Kind {
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::WordShuffle,
        Self::SentenceShuffle,
        Self::RandomLetters,
        Self::Digits,
        Self::Table,
        Self::MixedScripts,
    ];

    /// The name in files and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WordShuffle => "word_shuffle",
            Self::SentenceShuffle => "sentence_shuffle",
            Self::RandomLetters => "random_letters",
            Self::Digits => "digits",
            Self::Table => "table",
            Self::MixedScripts => "mixed_scripts",
        }
    }

    /// The text made unguessable, at least as long in characters where it isn't a rearrangement.
    fn apply(self, text: &str, rng: &mut ChaCha8Rng) -> String {
        match self {
            Self::WordShuffle => shuffle_words(text, rng),
            Self::SentenceShuffle => {
                let mut sentences: Vec<&str> =
                    text.unicode_sentences().map(str::trim).filter(|s| !s.is_empty()).collect();
                reorder(&mut sentences, rng);
                sentences.join(" ")
            }
            Self::RandomLetters => text.chars().map(|c| other_letter(c, rng)).collect(),
            Self::Digits => until(text, rng, |rng| format!("{} ", number_or_uuid(rng))),
            Self::Table => {
                let words: Vec<&str> = text.unicode_words().collect();
                until(text, rng, |rng| row(&words, rng))
            }
            Self::MixedScripts => {
                let foreign = |(place, word): (usize, &str)| match place % 2 {
                    0 => word.to_owned(),
                    _ => foreign_word(word.chars().count(), rng),
                };
                let words: Vec<String> = text.split_whitespace().enumerate().map(foreign).collect();
                words.join(" ")
            }
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Corpus {
    /// Every text made unguessable, at most as many tokens as it had. The result depends on the text
    /// and its place in the corpus alone. A text that would stay as it is, such as a single sentence whose
    /// sentences are shuffled, is left out and counted; perhaps none is left.
    ///
    /// # Errors
    /// Where the tokenizer fails.
    pub fn unguessable(&self, kind: Kind, tokenizer: &Tokenizer) -> Result<Self> {
        let make = |(number, sample): (usize, &Sample)| {
            let mut rng = ChaCha8Rng::seed_from_u64(kind as u64);
            rng.set_stream(number as u64);
            let made = kind.apply(&sample.text, &mut rng);
            let tokens = tokenizer.encode(&sample.text)?.len();
            let same = made.split_whitespace().eq(sample.text.split_whitespace());
            let text = at_most(tokenizer, &made, tokens)?.trim_end().to_owned();
            let made = Sample { text, ..sample.clone() };
            Ok((!same && !made.text.is_empty()).then_some(made))
        };
        let samples = self.samples.iter().enumerate().map(make).collect::<Result<Vec<_>>>()?;
        let samples: Vec<Sample> = samples.into_iter().flatten().collect();
        let left_out = self.samples.len() - samples.len();
        Ok(Self { kind: Some(kind), left_out, samples, ..self.clone() })
    }
}

/// Words in another order. A text with hardly any white space is taken by characters.
fn shuffle_words(text: &str, rng: &mut ChaCha8Rng) -> String {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    if words.len() * 20 >= text.chars().count() {
        reorder(&mut words, rng);
        return words.join(" ");
    }
    let mut chars: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    reorder(&mut chars, rng);
    chars.into_iter().collect()
}

/// Another order, where there is one: of two parts, every other shuffle leaves both where they are.
fn reorder<T: PartialEq + Copy>(parts: &mut [T], rng: &mut ChaCha8Rng) {
    let before = parts.to_vec();
    parts.shuffle(rng);
    if *parts == *before && parts.len() > 1 {
        parts.rotate_left(1);
    }
}

/// Another letter of the same sort: Latin in either case, a digit, or a common Chinese character.
fn other_letter(c: char, rng: &mut ChaCha8Rng) -> char {
    match c {
        'a'..='z' => rng.random_range('a'..='z'),
        'A'..='Z' => rng.random_range('A'..='Z'),
        '0'..='9' => rng.random_range('0'..='9'),
        '\u{4e00}'..='\u{9fa5}' => rng.random_range('\u{4e00}'..='\u{9fa5}'),
        c if c.is_alphabetic() => rng.random_range('a'..='z'),
        c => c,
    }
}

/// Pieces until there are as many bytes as the text has.
fn until(text: &str, rng: &mut ChaCha8Rng, piece: impl Fn(&mut ChaCha8Rng) -> String) -> String {
    let mut made = String::new();
    while made.len() < text.len() {
        made.push_str(&piece(rng));
    }
    made
}

fn number_or_uuid(rng: &mut ChaCha8Rng) -> String {
    match rng.random_range(0..4) {
        0 => uuid(rng),
        1 => format!("{}.{}", rng.random_range(0..10_000), rng.random_range(0..1_000)),
        _ => {
            let digits = rng.random_range(1..10);
            rng.random_range(0..10u64.pow(digits)).to_string()
        }
    }
}

/// A random UUID, version 4 (RFC 9562).
fn uuid(rng: &mut ChaCha8Rng) -> String {
    let bits = rng.random::<u128>() & !(0xf << 76) & !(0x3 << 62) | 4 << 76 | 2 << 62;
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// A line of a table in Markdown.
fn row(words: &[&str], rng: &mut ChaCha8Rng) -> String {
    let word = words.choose(rng).copied().unwrap_or("x");
    let other = words.choose(rng).copied().unwrap_or("y");
    let (count, share) = (rng.random_range(0..100_000), rng.random_range(0.0..100.0));
    format!("| {word} | {count} | {share:.1}% | {other} |\n")
}

/// Letters of one other script.
fn foreign_word(length: usize, rng: &mut ChaCha8Rng) -> String {
    let (first, last) = *SCRIPTS.choose(rng).unwrap_or(&SCRIPTS[0]);
    (0..length.clamp(1, 8)).map(|_| rng.random_range(first..=last)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "It is a truth. Everybody knows it! What of it? 12 Men.";

    fn made(kind: Kind, text: &str) -> String {
        kind.apply(text, &mut ChaCha8Rng::seed_from_u64(1))
    }

    #[test]
    fn shuffles_keep_what_they_shuffle() {
        let sorted = |text: &str| {
            let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            words.sort();
            words
        };
        for kind in [Kind::WordShuffle, Kind::SentenceShuffle] {
            let shuffled = made(kind, TEXT);
            assert_ne!(shuffled, TEXT);
            assert_eq!(sorted(&shuffled), sorted(TEXT), "{kind}");
        }
        assert!(made(Kind::SentenceShuffle, TEXT).contains("Everybody knows it!"));
        let chinese = "小明硕士毕业于中国科学院计算机所后在日本京都大学深造";
        let shuffled = made(Kind::WordShuffle, chinese);
        assert_ne!(shuffled, chinese);
        assert_eq!(shuffled.chars().count(), chinese.chars().count());
    }

    /// Of two parts every other shuffle would leave both where they are.
    #[test]
    fn what_has_another_order_gets_one() {
        for seed in 0..20 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let made = Kind::SentenceShuffle.apply("One came. Two went.", &mut rng);
            assert_eq!(made, "Two went. One came.");
            assert_eq!(Kind::WordShuffle.apply("one two", &mut rng), "two one");
            assert_eq!(Kind::SentenceShuffle.apply("Only one came.", &mut rng), "Only one came.");
        }
    }

    #[test]
    fn letters_stay_letters() {
        let letters = made(Kind::RandomLetters, TEXT);
        let sort = |c: char| (c.is_ascii_lowercase(), c.is_ascii_digit(), c.is_whitespace());
        assert!(letters.chars().map(sort).eq(TEXT.chars().map(sort)), "{letters}");
        assert_ne!(letters, TEXT);
    }

    /// Texts of another program version would be other texts: results could not be compared.
    #[test]
    fn what_is_made_is_pinned() {
        let text = format!("{TEXT} {TEXT}\n小明硕士毕业于中国科学院。他去了日本。");
        let hashes = [
            (Kind::WordShuffle, "6a781311d542a37a"),
            (Kind::SentenceShuffle, "a1e7cdcb443a2cb2"),
            (Kind::RandomLetters, "8934ef9f9732ea77"),
            (Kind::Digits, "8ee9d26e7673864a"),
            (Kind::Table, "2b9e6c9491134511"),
            (Kind::MixedScripts, "9e2db9adaa6417fa"),
        ];
        assert_eq!(hashes.map(|(kind, _)| kind), Kind::ALL);
        let sha256 = |kind| {
            let mut hasher = c3_core::SourceHasher::new();
            hasher.update(made(kind, &text).as_bytes());
            format!("{:.16}", hasher.finish().sha256.to_string())
        };
        let found = Kind::ALL.map(|kind| (kind, sha256(kind)));
        assert_eq!(found, hashes.map(|(kind, hash)| (kind, hash.to_owned())));
    }

    #[test]
    fn uuids_have_their_version_and_variant() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for _ in 0..100 {
            let uuid = uuid(&mut rng);
            assert_eq!(uuid.len(), 36);
            assert_eq!(&uuid[14..15], "4");
            assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_text_and_another_one_another() {
        for kind in Kind::ALL {
            assert_eq!(made(kind, TEXT), made(kind, TEXT));
            let other = kind.apply(TEXT, &mut ChaCha8Rng::seed_from_u64(2));
            assert_ne!(made(kind, TEXT), other, "{kind}");
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            // Nothing to make a text of is no reason to fail.
            made(kind, "");
            made(kind, "?");
        }
        assert!(made(Kind::Table, TEXT).starts_with("| "));
        let mixed = made(Kind::MixedScripts, TEXT);
        assert!(mixed.contains(|c: char| !c.is_ascii()) && mixed.contains("Everybody"), "{mixed}");
    }
}
