//! The Fox benchmark (Liu et al. 2024, arXiv 2405.14295): pages with their text.

use std::path::Path;

use serde_json::Value;

use super::{Sample, json_kind, malformed, read_text};
use crate::Result;

/// Which pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// The 112 English ones.
    English,
    /// The 100 Chinese ones.
    Chinese,
}

impl Pages {
    /// Both, by their names.
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// `en` or `cn`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "cn",
        }
    }

    /// The file with their annotations.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::English => "en_page_ocr.json",
            Self::Chinese => "cn_page_ocr.json",
        }
    }
}

/// The pages' texts, `[{"image", "conversations": [prompt, ground truth]}]`.
pub(super) fn read(path: &Path) -> Result<Vec<Sample>> {
    let expected = "an array of annotations, each with `image` and `conversations`";
    let file = "the whole file".to_owned();
    let value: Value = serde_json::from_str(&read_text(path)?)
        .map_err(|error| malformed(path, file.clone(), expected, error))?;
    let Value::Array(annotations) = &value else {
        return Err(malformed(path, file, expected, json_kind(Some(&value))));
    };
    annotations.iter().enumerate().map(|page| sample(path, page)).collect()
}

fn sample(path: &Path, (number, annotation): (usize, &Value)) -> Result<Sample> {
    let image = annotation["image"].as_str();
    let place = match image {
        Some(image) => format!("annotation {number} ({image})"),
        None => format!("annotation {number}"),
    };
    let truth = annotation["conversations"].get(1).and_then(|turn| turn.get("value"));
    let text = truth.and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let found = || match truth {
        Some(Value::String(_)) => "no text",
        other => json_kind(other),
    };
    let text = text.ok_or_else(|| {
        malformed(path, place, "the page's text as the second of `conversations`", found())
    })?;
    let id = image.map_or_else(|| number.to_string(), str::to_owned);
    Ok(Sample::document(id, text.into()))
}
