//! The bytes of each token, and the names of the special ones.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};

/// Ordinary tokens by id, special tokens by name.
///
/// The bytes of all tokens lie in one block: a vocabulary of 150,000 is two allocations.
pub(super) struct TokenTable {
    bytes: Vec<u8>,
    /// Token `id` is `bytes[ends[id]..ends[id + 1]]`; empty where no ordinary token is.
    ends: Vec<u32>,
    special: BTreeMap<String, u32>,
}

impl TokenTable {
    /// From `(id, bytes)` of the ordinary tokens, in any order, and `(id, name)` of the special
    /// ones. `id_limit` bounds the ids, so that one id can't make the table huge.
    pub(super) fn new(
        mut tokens: Vec<(u32, Vec<u8>)>,
        special: Vec<(u32, String)>,
        id_limit: usize,
    ) -> Result<Self, String> {
        tokens.sort_unstable_by_key(|(id, _)| *id);
        let highest = tokens
            .last()
            .map(|(id, _)| *id)
            .max(special.iter().map(|(id, _)| *id).max())
            .ok_or("it has no tokens")?;
        if highest as usize >= id_limit {
            return Err(format!(
                "token id {highest} is out of reach of a file of this size (at most {id_limit})"
            ));
        }
        let total: usize = tokens.iter().map(|(_, bytes)| bytes.len()).sum();
        u32::try_from(total).map_err(|_| format!("the tokens hold {total} bytes, over 4 GiB"))?;

        let mut table = Self {
            bytes: Vec::with_capacity(total),
            ends: Vec::with_capacity(highest as usize + 2),
            special: BTreeMap::new(),
        };
        table.ends.push(0);
        for (id, bytes) in &tokens {
            if table.len() > *id as usize {
                return Err(format!("two tokens have the id {id}"));
            }
            table.pad_to(*id as usize);
            if bytes.is_empty() {
                return Err(format!("token {id} is empty"));
            }
            table.bytes.extend_from_slice(bytes);
            table.ends.push(table.bytes.len() as u32);
        }
        table.pad_to(highest as usize + 1);
        table.add_special(special)?;
        Ok(table)
    }

    fn pad_to(&mut self, len: usize) {
        self.ends.resize(len + 1, self.bytes.len() as u32);
    }

    fn add_special(&mut self, special: Vec<(u32, String)>) -> Result<(), String> {
        let mut ids = HashSet::new();
        for (id, name) in special {
            if self.bytes(id).is_some() || !ids.insert(id) {
                return Err(format!("special token {name:?} has the id {id} of another token"));
            }
            match self.special.entry(name) {
                Entry::Vacant(entry) => _ = entry.insert(id),
                Entry::Occupied(entry) => {
                    return Err(format!("special token {:?} is there twice", entry.key()));
                }
            }
        }
        Ok(())
    }

    pub(super) fn bytes(&self, id: u32) -> Option<&[u8]> {
        let id = id as usize;
        let (start, end) = (*self.ends.get(id)?, *self.ends.get(id.checked_add(1)?)?);
        (start < end).then(|| &self.bytes[start as usize..end as usize])
    }

    pub(super) fn special(&self, name: &str) -> Option<u32> {
        self.special.get(name).copied()
    }

    /// The highest id, plus one.
    pub(super) fn len(&self) -> usize {
        self.ends.len() - 1
    }

    pub(super) fn visit_identity(&self, visit: &mut dyn FnMut(&str, &[u8])) {
        let mut tokens = Vec::with_capacity(self.bytes.len() + 4 * self.len());
        for ends in self.ends.windows(2) {
            tokens.extend_from_slice(&(ends[1] - ends[0]).to_le_bytes());
            tokens.extend_from_slice(&self.bytes[ends[0] as usize..ends[1] as usize]);
        }
        visit("tokens", &tokens);
        for (name, id) in &self.special {
            let mut field = id.to_le_bytes().to_vec();
            field.extend_from_slice(name.as_bytes());
            visit("special", &field);
        }
    }
}
