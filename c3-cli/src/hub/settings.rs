//! The hub's settings, as its other clients understand them.

use std::path::{Path, PathBuf};

use crate::environment::Environment;

/// Where the cache is, whom to ask, as whom, and whether to ask at all.
pub struct HubSettings {
    /// Folder of the cache.
    pub cache: PathBuf,
    /// Address of the server, without a slash at its end.
    pub endpoint: String,
    /// Whether every request is forbidden.
    pub offline: bool,
    token: Option<String>,
    token_file: PathBuf,
}

/// Where the token comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenSource {
    Environment,
    File,
    None,
}

impl HubSettings {
    pub fn new(environment: &Environment) -> Self {
        let caches = environment
            .xdg_cache_home
            .clone()
            .or_else(|| environment.home.as_ref().map(|home| home.join(".cache")));
        let home = environment
            .hf_home
            .clone()
            .unwrap_or_else(|| caches.unwrap_or_else(std::env::temp_dir).join("huggingface"));
        let endpoint = environment.hf_endpoint.as_deref().unwrap_or("https://huggingface.co");
        let offline = environment.hf_hub_offline.as_deref().is_some_and(is_true);
        Self {
            cache: environment.hf_hub_cache.clone().unwrap_or_else(|| home.join("hub")),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            offline,
            token: environment.hf_token.clone(),
            token_file: environment.hf_token_path.clone().unwrap_or_else(|| home.join("token")),
        }
    }

    /// The user's token, if there is one.
    #[cfg(feature = "hub")]
    pub fn token(&self) -> Option<String> {
        self.token.clone().or_else(|| read_token(&self.token_file))
    }

    /// Where the token comes from; never the token.
    pub fn token_source(&self) -> TokenSource {
        match (&self.token, read_token(&self.token_file)) {
            (Some(_), _) => TokenSource::Environment,
            (None, Some(_)) => TokenSource::File,
            (None, None) => TokenSource::None,
        }
    }
}

fn is_true(value: &str) -> bool {
    ["1", "on", "yes", "true"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

fn read_token(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_follow_the_hubs_own_order() {
        let home = Some(PathBuf::from("/home/u"));
        let of = |environment: Environment| HubSettings::new(&environment).cache;
        let plain = Environment { home: home.clone(), ..Environment::default() };
        assert_eq!(of(plain), Path::new("/home/u/.cache/huggingface/hub"));
        let xdg = Some(PathBuf::from("/xdg"));
        let with_xdg = Environment { home, xdg_cache_home: xdg.clone(), ..Environment::default() };
        assert_eq!(of(with_xdg), Path::new("/xdg/huggingface/hub"));
        let hf_home = Some(PathBuf::from("/hf"));
        let with_hf = Environment { xdg_cache_home: xdg, hf_home, ..Environment::default() };
        assert_eq!(of(with_hf), Path::new("/hf/hub"));
        let hf_hub_cache = Some(PathBuf::from("/c"));
        assert_eq!(of(Environment { hf_hub_cache, ..Environment::default() }), Path::new("/c"));
    }

    #[test]
    fn offline_is_what_the_hub_calls_true() {
        for (value, offline) in
            [("1", true), ("TRUE", true), ("yes", true), ("0", false), ("", false)]
        {
            let hf_hub_offline = Some(value.to_owned());
            let environment = Environment { hf_hub_offline, ..Environment::default() };
            assert_eq!(HubSettings::new(&environment).offline, offline, "{value}");
        }
    }
}
