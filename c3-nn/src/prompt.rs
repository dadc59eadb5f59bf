//! What the decoder reads around the latents, as token ids.

use crate::{Error, Prompt, Result, Tokenizer};

/// The ids before and after the latents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptIds {
    /// Before the latents.
    pub before: Vec<u32>,
    /// After them; the answer follows.
    pub after: Vec<u32>,
}

enum Part {
    Special(u32),
    Text(String),
}

impl Prompt {
    /// Tokenises the prompt, with `question` in place of its own where one is given.
    ///
    /// Special tokens are recognised in the template and in `before` and `after`; in the system
    /// message and in the question they are plain text, so that no question can end its own turn.
    ///
    /// # Errors
    /// [`Error::MissingSpecialToken`] where the chat template's are missing.
    pub fn ids(&self, tokenizer: &Tokenizer, question: Option<&str>) -> Result<PromptIds> {
        let special = |name: &str| -> Result<Part> {
            let ids = tokenizer.require_special(&[name])?;
            Ok(Part::Special(ids[0]))
        };
        let mut before = Vec::new();
        if let Some(system) = &self.system {
            before.push(special("<|im_start|>")?);
            before.push(Part::Text(format!("system\n{system}")));
            before.push(special("<|im_end|>")?);
            before.push(special("<|im_start|>")?);
            before.push(Part::Text("user\n".into()));
        }
        before.extend(split_special(&self.before, tokenizer));
        let mut after = split_special(&self.after, tokenizer);
        after.push(Part::Text(question.unwrap_or(&self.question).to_owned()));
        if self.system.is_some() {
            after.push(special("<|im_end|>")?);
            after.push(special("<|im_start|>")?);
            after.push(Part::Text("assistant\n".into()));
        }
        Ok(PromptIds { before: ids(before, tokenizer)?, after: ids(after, tokenizer)? })
    }
}

/// Cuts `text` at the special tokens written out in it.
fn split_special(mut text: &str, tokenizer: &Tokenizer) -> Vec<Part> {
    let mut parts = Vec::new();
    'text: while !text.is_empty() {
        for (start, _) in text.match_indices('<') {
            for (end, _) in text[start..].match_indices('>') {
                if let Some(id) = tokenizer.special(&text[start..=start + end]) {
                    parts.push(Part::Text(text[..start].to_owned()));
                    parts.push(Part::Special(id));
                    text = &text[start + end + 1..];
                    continue 'text;
                }
            }
        }
        parts.push(Part::Text(text.to_owned()));
        break;
    }
    parts
}

/// Tokenises runs of text as a whole, as the authors' tokenizer does between special tokens.
fn ids(parts: Vec<Part>, tokenizer: &Tokenizer) -> Result<Vec<u32>, Error> {
    let (mut ids, mut run) = (Vec::new(), String::new());
    for part in parts {
        match part {
            Part::Text(text) => run.push_str(&text),
            Part::Special(id) => {
                ids.extend(tokenizer.encode(&run)?);
                run.clear();
                ids.push(id);
            }
        }
    }
    ids.extend(tokenizer.encode(&run)?);
    Ok(ids)
}
