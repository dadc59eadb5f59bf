//! The commands. Each is a validated job and its `run`.

pub mod append;
pub mod bench;
pub mod compare;
pub mod completions;
pub mod compress;
pub mod decompress;
pub mod doctor;
pub mod eval;
pub mod grep;
pub mod inspect;
pub mod man;
pub mod models;
pub mod pull;
pub mod roundtrip;
pub mod train;
pub mod verify;

mod comparison;
mod decoding;
mod diff;
pub mod encoding;
mod findings;
mod foretold;
mod needs;
mod ranges;

use crate::args::GlobalArgs;
use crate::environment::Environment;
use crate::hub::HubSettings;
use crate::ui::Ui;

/// What every command may use.
pub struct Context {
    pub ui: Ui,
    pub hub: HubSettings,
}

impl Context {
    pub fn new(global: &GlobalArgs, environment: &Environment) -> Self {
        Self { ui: Ui::new(global), hub: HubSettings::new(environment) }
    }
}
