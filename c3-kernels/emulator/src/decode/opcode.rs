//! An opcode and its modifiers, which decoding uses up: what is left isn't supported.

use crate::error::Space;
use crate::float::Rounding;
use crate::op::MaybeSpace;
use crate::types::Type;

/// The result of decoding, with what is unsupported.
pub(super) type Decoded<T> = Result<T, String>;

/// Name and modifiers, without dots.
#[derive(Clone)]
pub(super) struct Opcode<'a> {
    pub(super) name: &'a str,
    modifiers: Vec<&'a str>,
}

impl<'a> Opcode<'a> {
    pub(super) fn new(word: &'a str) -> Self {
        let mut parts = word.split('.');
        Self { name: parts.next().unwrap_or(word), modifiers: parts.collect() }
    }

    /// Whether the modifier is there; it is used up.
    pub(super) fn take(&mut self, modifier: &str) -> bool {
        let found = self.modifiers.iter().position(|&m| m == modifier);
        found.map(|at| self.modifiers.remove(at)).is_some()
    }

    /// Uses up all of these, which don't matter to an emulator.
    pub(super) fn ignore(&mut self, modifiers: &[&str]) {
        self.modifiers.retain(|m| !modifiers.contains(m));
    }

    /// Uses up the first modifier for which `known` has a meaning.
    pub(super) fn find<T>(&mut self, known: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (at, value) =
            self.modifiers.iter().enumerate().find_map(|(i, &m)| Some((i, known(m)?)))?;
        self.modifiers.remove(at);
        Some(value)
    }

    /// The first type.
    pub(super) fn ty(&mut self) -> Decoded<Type> {
        self.find(Type::named).ok_or_else(|| "an instruction without a type".into())
    }

    /// The last type, all of them used up; for instructions whose types are all the same.
    pub(super) fn last_ty(&mut self) -> Decoded<Type> {
        let mut last = self.ty()?;
        while let Some(ty) = self.find(Type::named) {
            last = ty;
        }
        Ok(last)
    }

    /// The direction of rounding, if one is given.
    pub(super) fn rounding(&mut self) -> Option<Rounding> {
        self.find(|modifier| {
            Some(match modifier {
                "rn" => Rounding::Nearest,
                "rna" => Rounding::NearestAway,
                "rz" => Rounding::Zero,
                "rm" => Rounding::Down,
                "rp" => Rounding::Up,
                _ => return None,
            })
        })
    }

    /// The part of memory; none for generic addresses.
    pub(super) fn space(&mut self) -> MaybeSpace {
        self.find(|modifier| {
            Some(match modifier {
                "global" | "const" => Space::Global,
                "shared" | "shared::cta" => Space::Shared,
                "local" => Space::Local,
                "param" | "param::entry" | "param::func" => Space::Param,
                _ => return None,
            })
        })
    }

    /// Fails if a modifier is left.
    pub(super) fn finish(&self) -> Decoded<()> {
        match self.modifiers.first() {
            None => Ok(()),
            Some(modifier) => Err(format!("the emulator doesn't know .{modifier} here")),
        }
    }
}
