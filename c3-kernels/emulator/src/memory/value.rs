//! What buffers can hold.

use half::{bf16, f16};

mod sealed {
    pub trait Sealed {}
}

/// A number that buffers can hold, as its bytes in memory.
pub trait Value: Copy + sealed::Sealed {
    /// Bytes of one value.
    const SIZE: usize;
    /// Appends the bytes, lowest first.
    fn write(self, bytes: &mut Vec<u8>);
    /// The value of [`Value::SIZE`] bytes.
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! value {
    ($($ty:ty),*) => {$(
        impl sealed::Sealed for $ty {}
        impl Value for $ty {
            const SIZE: usize = size_of::<$ty>();
            fn write(self, bytes: &mut Vec<u8>) {
                bytes.extend(self.to_le_bytes());
            }
            fn read(bytes: &[u8]) -> Self {
                let mut own = [0; Self::SIZE];
                own.copy_from_slice(bytes);
                Self::from_le_bytes(own)
            }
        }
    )*};
}

value!(u8, i8, u16, i16, u32, i32, u64, i64, f16, bf16, f32, f64);
