//! What is trained.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Tensor, Var};

use crate::Result;

/// The tensors of models that are trained: variables, by their names in the checkpoint. Models that
/// were loaded with the same parameters share them, and see every change. Clones are the same ones.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    prefix: String,
    vars: Arc<Mutex<BTreeMap<String, Var>>>,
}

impl Parameters {
    /// No parameters yet: models add theirs when they are loaded.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same ones, for a model whose tensors' names get a prefix, such as `llm1/`.
    pub fn scoped(&self, prefix: &str) -> Self {
        Self { prefix: format!("{}{prefix}", self.prefix), vars: self.vars.clone() }
    }

    /// All of them, in the order of their names.
    pub fn vars(&self) -> Vec<(String, Var)> {
        let vars = self.vars.lock().unwrap_or_else(PoisonError::into_inner);
        vars.iter().map(|(name, var)| (name.clone(), var.clone())).collect()
    }

    /// The variable of this name; `make` gives its first value if there is none yet.
    pub(crate) fn tensor(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<Tensor>,
    ) -> Result<Tensor> {
        let name = format!("{}{name}", self.prefix);
        let mut vars = self.vars.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(var) = vars.get(&name) {
            return Ok(var.as_tensor().clone());
        }
        let var = Var::from_tensor(&make()?)?;
        let tensor = var.as_tensor().clone();
        vars.insert(name, var);
        Ok(tensor)
    }
}
