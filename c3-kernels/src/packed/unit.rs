//! What multiplies, and what it multiplies with.

use super::amx;
use crate::Level;

/// Whether the activations are rounded before they are multiplied with bf16 weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activations {
    /// As they are, f32. Products are as exact as with f32 weights.
    #[default]
    F32,
    /// Rounded to bf16, as a model that runs in bf16 does in every layer. Twice as fast on a Zen 4,
    /// which multiplies bf16.
    Bf16,
}

/// What multiplies packed weights: [`Unit::detect`] picks the fastest that the machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// Vectors of f32; weights are widened as they are read.
    Vector(Level),
    /// AVX512-BF16: vectors of pairs of bf16.
    Bf16Pairs,
    /// AMX: tiles of 16 × 32 bf16.
    Tiles,
}

impl Unit {
    /// Every unit, slowest first.
    pub const ALL: [Self; 5] = [
        Self::Vector(Level::Portable),
        Self::Vector(Level::Avx2),
        Self::Vector(Level::Avx512),
        Self::Bf16Pairs,
        Self::Tiles,
    ];

    /// The fastest unit of this machine for these activations.
    ///
    /// On Intel's processors pairs of bf16 are slower than f32 vectors (88 against 175 GFLOP/s on a
    /// Sapphire Rapids), on AMD's twice as fast (230 against 115 on a Zen 4).
    pub fn detect(activations: Activations) -> Self {
        let vectors = Self::Vector(Level::detect());
        match activations {
            Activations::F32 => vectors,
            Activations::Bf16 if Self::Tiles.is_available() => Self::Tiles,
            Activations::Bf16 if Self::Bf16Pairs.is_available() && is_amd() => Self::Bf16Pairs,
            Activations::Bf16 => vectors,
        }
    }

    /// Whether this machine has the unit. Asking for tiles asks the kernel for permission to use
    /// them, once.
    pub fn is_available(self) -> bool {
        match self {
            Self::Vector(level) => level.is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Bf16Pairs => {
                Level::Avx512.is_available() && is_x86_feature_detected!("avx512bf16")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Bf16Pairs => false,
            Self::Tiles => {
                !cfg!(any(feature = "portable", feature = "avx2")) && amx::is_available()
            }
        }
    }

    /// Whether the unit can multiply activations of this kind: those of bf16 take no others.
    pub fn takes(self, activations: Activations) -> bool {
        matches!(self, Self::Vector(_)) || activations == Activations::Bf16
    }

    /// The name in reports: `portable`, `avx2`, `avx512`, `avx512-bf16`, `amx-bf16`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vector(level) => level.name(),
            Self::Bf16Pairs => "avx512-bf16",
            Self::Tiles => "amx-bf16",
        }
    }
}

impl From<Level> for Unit {
    fn from(level: Level) -> Self {
        Self::Vector(level)
    }
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether the processor is AMD's. Asked once: a virtual machine stops at the question.
#[cfg(target_arch = "x86_64")]
fn is_amd() -> bool {
    static AMD: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *AMD.get_or_init(|| {
        // "AuthenticAMD" in the registers' order.
        let id = std::arch::x86_64::__cpuid(0);
        [id.ebx, id.edx, id.ecx].map(u32::to_le_bytes).concat() == b"AuthenticAMD"
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn is_amd() -> bool {
    false
}
