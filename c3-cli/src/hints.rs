//! What to do about the libraries' errors.

use crate::hub::RepoId;

/// Advice for the first cause that there is some for.
pub fn of(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(of_cause)
}

fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(error) = cause.downcast_ref() {
        return of_core(error).map(str::to_owned);
    }
    if let Some(error) = cause.downcast_ref() {
        return of_encoder(error).map(str::to_owned);
    }
    if let Some(error) = cause.downcast_ref() {
        return of_decoder(error);
    }
    if let Some(error) = cause.downcast_ref() {
        return of_exact(error);
    }
    None
}

fn of_core(error: &c3_core::Error) -> Option<&'static str> {
    use c3_core::Error;
    match error {
        Error::Exists(_) => Some("-f overwrites it"),
        Error::IsDirectory(_) => Some("name a file in it"),
        Error::UnsupportedVersion { .. } => Some("use the c3 that wrote it, or a newer one"),
        Error::Truncated { .. } | Error::PayloadHash { .. } | Error::LatentsHash { .. } => {
            Some("make it again with `c3 compress`, or copy it again from where it came")
        }
        Error::HeaderTooLong { .. } | Error::BadHeader(_) | Error::NotC3 => {
            Some("`c3 compress` makes .c3 files from text")
        }
        _ => None,
    }
}

fn of_encoder(error: &c3_encoder::Error) -> Option<&'static str> {
    use c3_encoder::Error;
    match error {
        Error::InvalidUtf8 { .. } => {
            Some("--exact brings every byte back, and --lossy replaces what is not UTF-8 by U+FFFD")
        }
        Error::NoSuchRatio { .. } | Error::NoSuchLatents { .. } => {
            Some("`c3 models show MODEL` lists what a model offers")
        }
        _ => None,
    }
}

fn of_exact(error: &c3_exact::Error) -> Option<String> {
    use c3_exact::Error;
    match error {
        Error::Budget { least, .. } => Some(format!("--budget {least} is the least that will do")),
        Error::Encoder(error) => of_encoder(error).map(str::to_owned),
        Error::Decoder(error) => of_decoder(error),
        Error::Core(error) => of_core(error).map(str::to_owned),
        _ => None,
    }
}

fn of_decoder(error: &c3_decoder::Error) -> Option<String> {
    use c3_decoder::Error;
    let made_by = match error {
        Error::OtherEncoder { made_by, .. } => made_by,
        Error::OtherDecoder { .. } => {
            return Some(
                "--model names the model to decode with; --any-model decodes all the same, and \
                 passes on only what is right"
                    .to_owned(),
            );
        }
        Error::BrokenPromise { .. } => {
            let text = "decode with the model, --dtype and --device that it was made with; \
                        --segment decodes the others";
            return Some(text.to_owned());
        }
        _ => return None,
    };
    let model = match made_by.parse::<RepoId>() {
        Ok(repo) => format!("--model {repo} decodes with the model that made them"),
        Err(_) => "--model names the model to decode with".to_owned(),
    };
    Some(format!("{model}; --any-model decodes all the same, most likely to nonsense"))
}
