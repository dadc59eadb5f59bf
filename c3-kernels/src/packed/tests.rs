//! AMX's part on a model of the unit, for machines that lack it.

use std::cell::RefCell;
use std::ops::Range;

use half::bf16;

use super::amx::{TileUnit, columns, run};
use super::product::Job;
use super::{PackedMatrix, amx};
use crate::factor::Factor;
use crate::shared::Shared;
use crate::simd::Portable;

/// The instructions as the manual has them, each tile 16 rows of 64 bytes.
struct Model;

thread_local! {
    static TILES: RefCell<Option<[[u8; 1024]; 8]>> = const { RefCell::new(None) };
}

fn tiles<R>(f: impl FnOnce(&mut [[u8; 1024]; 8]) -> R) -> R {
    TILES.with_borrow_mut(|tiles| f(tiles.as_mut().expect("tiles are used unconfigured")))
}

fn number(tile: &[u8; 1024], index: usize) -> f32 {
    f32::from_le_bytes(tile[4 * index..][..4].try_into().unwrap())
}

fn half(tile: &[u8; 1024], index: usize) -> f32 {
    bf16::from_le_bytes(tile[2 * index..][..2].try_into().unwrap()).to_f32()
}

impl TileUnit for Model {
    unsafe fn configure() {
        // What a tile holds before it is zeroed or loaded is garbage: NaN shows where it is used.
        TILES.set(Some([[0xff; 1024]; 8]));
    }
    unsafe fn release() {
        TILES.set(None);
    }
    unsafe fn zero<const T: usize>() {
        tiles(|tiles| tiles[T] = [0; 1024]);
    }
    unsafe fn load<const T: usize>(from: *const u8, step: usize) {
        tiles(|tiles| {
            for row in 0..amx::TILE {
                let to = &mut tiles[T][64 * row..][..64];
                unsafe { from.add(row * step).copy_to_nonoverlapping(to.as_mut_ptr(), 64) }
            }
        });
    }
    unsafe fn store<const T: usize>(to: *mut u8, step: usize) {
        tiles(|tiles| {
            for row in 0..amx::TILE {
                let from = &tiles[T][64 * row..][..64];
                unsafe { to.add(row * step).copy_from_nonoverlapping(from.as_ptr(), 64) }
            }
        });
    }
    unsafe fn dot<const C: usize, const A: usize, const B: usize>() {
        tiles(|tiles| {
            for i in 0..16 {
                for j in 0..16 {
                    let mut sum = number(&tiles[C], 16 * i + j);
                    for p in 0..16 {
                        for half_of in 0..2 {
                            let a = half(&tiles[A], 32 * i + 2 * p + half_of);
                            sum += a * half(&tiles[B], 32 * p + 2 * j + half_of);
                        }
                    }
                    tiles[C][4 * (16 * i + j)..][..4].copy_from_slice(&sum.to_le_bytes());
                }
            }
        });
    }
}

unsafe fn task(job: &Job<'_>, x: &[u16], panel: usize) {
    unsafe { columns::<Model, Portable>(job, x, panel) }
}

/// Small whole numbers, whose products and sums are exact.
fn value(row: usize, i: usize) -> f32 {
    ((row * 7 + i * 3) % 15) as f32 - 7.0
}

fn check(rows: usize, n: usize, k: usize, part: Range<usize>, with_bias: bool) {
    let matrix = PackedMatrix::pack::<crate::Error>([n, k], |row, to| {
        for (i, to) in to.iter_mut().enumerate() {
            *to = bf16::from_f32(value(row + 100, i));
        }
        Ok(())
    })
    .unwrap();
    let x: Vec<f32> = (0..rows * k).map(|i| value(i / k.max(1), i % k.max(1))).collect();
    let bias: Vec<f32> = part.clone().map(|column| value(column, 5)).collect();
    let mut out = vec![f32::NAN; rows * part.len()];
    let job = Job {
        x: Factor::new(&x, [rows, k]),
        matrix: &matrix,
        columns: part.clone(),
        bias: with_bias.then_some(&bias),
        round: true,
        add: false,
        out: Shared(out.as_mut_ptr()),
    };
    unsafe { run(&job, task) }
    for row in 0..rows {
        for (at, column) in part.clone().enumerate() {
            let products = (0..k).map(|i| value(row, i) * value(column + 100, i));
            let right = products.sum::<f32>() + if with_bias { bias[at] } else { 0.0 };
            let found = out[row * part.len() + at];
            assert_eq!(found, right, "[{rows}, {k}] × [{n}, {k}] at {row}, {column}");
        }
    }
}

#[test]
fn tiles_multiply_odd_sizes() {
    for rows in [1, 15, 16, 17, 31, 32, 33, 65] {
        for n in [1, 16, 17, 32, 33, 50] {
            for k in [1, 31, 32, 33, 70] {
                check(rows, n, k, 0..n, (rows + n + k) % 2 == 0);
            }
        }
    }
}

#[test]
fn tiles_multiply_more_than_one_chunk() {
    check(18, 40, 1025, 0..40, true);
    check(40, 33, 2100, 0..33, false);
}

#[test]
fn tiles_multiply_some_columns() {
    check(20, 100, 40, 16..47, true);
    check(20, 100, 40, 32..100, false);
}
