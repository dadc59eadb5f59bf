//! Commands that compute nothing.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::files;
use crate::commands::inspect::Inspect;
use crate::commands::models::Models;
use crate::hub::RepoId;
use crate::model::ModelName;

/// Show what a .c3 file holds, without any model
///
/// With -v, every segment.
#[derive(Args)]
pub struct InspectArgs {
    /// .c3 file; stdin where absent or `-`
    #[arg(value_name = "FILE")]
    input: Option<PathBuf>,
    /// Read all latents as well, to find damage in them
    #[arg(long)]
    verify: bool,
    /// Print it as JSON, every segment included
    #[arg(long)]
    json: bool,
}

impl InspectArgs {
    pub fn check(self) -> Inspect {
        let input = files::input(self.input);
        Inspect { input, verify: self.verify, json: self.json }
    }
}

/// List the models on this machine, or show one
#[derive(Args)]
pub struct ModelsArgs {
    #[command(subcommand)]
    command: ModelsCommand,
}

#[derive(Subcommand)]
enum ModelsCommand {
    /// List the built-in model and those in the hub's cache
    List {
        /// Print the list as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a model's shape, its compression ratios and its fingerprint
    Show {
        /// `builtin`, a folder, or a hub repository in the cache
        #[arg(value_name = "MODEL", default_value = ModelName::DEFAULT)]
        model: ModelName,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
}

impl ModelsArgs {
    pub fn check(self) -> Models {
        match self.command {
            ModelsCommand::List { json } => Models::List { json },
            ModelsCommand::Show { model, json } => Models::Show { model, json },
        }
    }
}

/// Fetch a model from the Hugging Face hub into its cache
///
/// Resumes what an earlier call left unfinished and verifies every file. Honours HF_HOME,
/// HF_HUB_CACHE, HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE.
#[derive(Args)]
pub struct PullArgs {
    /// Repository on the hub, at a branch, tag or commit
    #[arg(value_name = "REPO[@REV]")]
    pub repo: RepoId,
    /// Print a summary as JSON
    #[arg(long)]
    pub json: bool,
}

/// Print completions for a shell
#[derive(Args)]
pub struct CompletionsArgs {
    pub shell: clap_complete::Shell,
}

/// Print the manual page, or that of one command, as roff
#[derive(Args)]
pub struct ManArgs {
    /// Command whose page to print, such as `compress` or `eval sweep`
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,
}
