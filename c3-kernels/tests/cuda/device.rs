//! Launches on the emulator, and values in its memory.

use std::collections::BTreeMap;

use c3_emulator::{Arg, DevicePtr, Error, Launch, Memory, MmaRounding, Module, Options, Stats};
use c3_kernels::cuda::{self, Argument, Buffer};
use candle_core::DType;
use half::{bf16, f16};

/// How launches are run.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    pub mma: MmaRounding,
    pub warp_order: u64,
}

impl Manner {
    /// Each rounding of the tensor cores and several orders of warps, in turn.
    pub fn of(turn: usize) -> Self {
        use MmaRounding::{Exact, Sequential, Truncated};
        Self { mma: [Exact, Sequential, Truncated][turn % 3], warp_order: turn as u64 % 4 }
    }

    fn options(self) -> Options {
        Options { mma: self.mma, warp_order: self.warp_order, ..Options::default() }
    }
}

/// Modules, parsed once.
pub struct Modules(BTreeMap<&'static str, Module>);

impl Modules {
    pub fn new() -> Self {
        let parse = |module: cuda::Module| (module.name(), Module::parse(module.ptx()).unwrap());
        Self(cuda::Module::ALL.into_iter().map(parse).collect())
    }

    /// Others in the place of those with the same name.
    pub fn with(&mut self, module: cuda::Module, ptx: &str) {
        self.0.insert(module.name(), Module::parse(ptx).unwrap());
    }

    pub fn launch(
        &self,
        launch: &cuda::Launch,
        memory: &Memory,
        buffers: &BTreeMap<Buffer, DevicePtr>,
        manner: Manner,
    ) -> Result<Stats, Error> {
        let argument = |argument: &Argument| match *argument {
            Argument::Pointer(buffer) => Arg::ptr(buffers[&buffer]),
            Argument::Null => Arg::u64(0),
            Argument::I32(x) => Arg::i32(x),
            Argument::I64(x) => Arg::i64(x),
            Argument::F32(x) => Arg::f32(x),
        };
        let args: Vec<Arg> = launch.arguments.iter().map(argument).collect();
        let block = [launch.threads, 1, 1];
        let emulated = Launch { grid: launch.grid, block, shared: launch.shared, args: &args };
        let kernel = self.0[launch.module.name()].kernel(&launch.kernel)?;
        kernel.launch(memory, &emulated, &manner.options())
    }
}

/// Values as the bytes of their type.
pub fn encode(dtype: DType, values: &[f32]) -> Vec<u8> {
    match dtype {
        DType::F16 => values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect(),
        DType::BF16 => values.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect(),
        _ => values.iter().flat_map(|&x| x.to_le_bytes()).collect(),
    }
}

pub fn decode(dtype: DType, bytes: &[u8]) -> Vec<f32> {
    let pair = |x: &[u8]| [x[0], x[1]];
    match dtype {
        DType::F16 => bytes.chunks(2).map(|x| f16::from_le_bytes(pair(x)).to_f32()).collect(),
        DType::BF16 => bytes.chunks(2).map(|x| bf16::from_le_bytes(pair(x)).to_f32()).collect(),
        _ => bytes.chunks(4).map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]])).collect(),
    }
}

/// The values that the type can hold.
pub fn round(dtype: DType, values: &[f32]) -> Vec<f32> {
    decode(dtype, &encode(dtype, values))
}

/// `√(Σ error² ⁄ Σ right²)`
pub fn relative_rms(found: &[f32], right: &[f64]) -> f64 {
    assert_eq!(found.len(), right.len());
    let square: f64 = right.iter().map(|x| x * x).sum();
    let error: f64 = found.iter().zip(right).map(|(&x, &y)| (f64::from(x) - y).powi(2)).sum();
    (error / square.max(f64::MIN_POSITIVE)).sqrt()
}
