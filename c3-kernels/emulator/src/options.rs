//! How a kernel is launched and what is checked.

use crate::{DevicePtr, Value};

/// A kernel's launch.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// Blocks along x, y and z.
    pub grid: [u32; 3],
    /// Threads of a block along x, y and z.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared: u32,
    /// One for each of the kernel's parameters.
    pub args: &'a [Arg],
}

/// An argument of a kernel: the bytes of its parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arg(pub(crate) Vec<u8>);

macro_rules! numbers {
    ($($ty:ident),*) => {$(
        #[doc = concat!("A parameter of type ", stringify!($ty), ".")]
        pub fn $ty(value: $ty) -> Self {
            Self::number(value)
        }
    )*};
}

impl Arg {
    numbers!(i8, u8, i16, u16, i32, u32, i64, u64, f32, f64);

    /// A pointer.
    pub fn ptr(ptr: DevicePtr) -> Self {
        Self::number(ptr.0)
    }

    /// A parameter of any type, as its bytes: a structure by value.
    pub fn bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    fn number(value: impl Value) -> Self {
        let mut bytes = Vec::new();
        value.write(&mut bytes);
        Self(bytes)
    }
}

/// How tensor cores round. The hardware's way isn't documented; a kernel should be right in all of
/// these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MmaRounding {
    /// The sum of all products in f64, rounded once.
    #[default]
    Exact,
    /// Rounded to f32 after each product.
    Sequential,
    /// Terms aligned to the largest of them and cut off below its 24 bits, eight at a time: what
    /// experiments found on the hardware.
    Truncated,
}

/// What is checked, and what a kernel must not depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How tensor cores round.
    pub mma: MmaRounding,
    /// Races in shared memory are faults.
    pub races: bool,
    /// Reads of global and shared memory that nobody has written are faults.
    pub uninitialised: bool,
    /// Distinct bytes of global memory are counted.
    pub traffic: bool,
    /// In which order the warps of a block take turns: 0 in the order of their numbers, otherwise the
    /// seed of a random one.
    pub warp_order: u64,
    /// The most instructions that the warps of one block may execute together.
    pub budget: u64,
    /// The most bytes of shared memory that a block may have.
    pub max_shared: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mma: MmaRounding::Exact,
            races: true,
            uninitialised: true,
            traffic: true,
            warp_order: 0,
            budget: 1 << 30,
            // What compute capability 8.0 has.
            max_shared: 163 << 10,
        }
    }
}
