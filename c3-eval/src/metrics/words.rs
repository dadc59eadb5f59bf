//! Words, as the Fox benchmark's script takes them.

use std::borrow::Cow;
use std::sync::OnceLock;

use jieba_rs::Jieba;

/// Cuts texts into words. jieba's dictionary is loaded when the first Chinese text comes.
#[derive(Default)]
pub struct Words {
    jieba: OnceLock<Jieba>,
}

impl Words {
    /// Nothing loaded yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The words of a pair of texts: jieba's where either has Chinese, white space and punctuation
    /// among them; else what stands between white space.
    pub fn of<'a>(&self, reference: &'a str, output: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
        if is_chinese(reference) || is_chinese(output) {
            let jieba = self.jieba.get_or_init(Jieba::new);
            let cut = |text| jieba.cut(text, true).into_iter().map(|token| token.word).collect();
            return (cut(reference), cut(output));
        }
        let split = |text: &'a str| text.split(is_space).filter(|word| !word.is_empty()).collect();
        (split(reference), split(output))
    }
}

/// Whether a text has one of the characters that the Fox script looks for.
fn is_chinese(text: &str) -> bool {
    text.contains(|c| ('\u{4e00}'..='\u{9fa5}').contains(&c))
}

/// White space as Python knows it: Unicode's, and the four separators of ASCII.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// Lower case.
pub(super) fn lower(word: &str) -> Cow<'_, str> {
    match word.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        true => Cow::Borrowed(word),
        false => Cow::Owned(word.to_lowercase()),
    }
}
