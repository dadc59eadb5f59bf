use super::{HubSettings, Pulled, RepoId};
use crate::ui::Ui;

/// Whether this build can fetch models.
pub const COMPILED_IN: bool = false;

/// Says that this build can't.
pub fn pull(_: &RepoId, _: &HubSettings, _: &Ui) -> anyhow::Result<Pulled> {
    anyhow::bail!("this build can't fetch models: it was made without the feature `hub`")
}
