//! Packed weights on every unit against the 64-bit reference.
//!
//! Tolerance: RMS error 1e-6 over the whole result, relative to the RMS of such products:
//! `‖x‖ ‖w‖ / √k`, or the result's own where that is larger. The reference gets the weights as
//! rounded to bf16, and x too where activations are bf16: the products of those are exact, so the
//! tolerance is the same.

use c3_kernels::{Activations, Level, PackedMatrix, Unit, reference};
use candle_core::{DType, Device, Tensor};
use half::bf16;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const ACTIVATIONS: [Activations; 2] = [Activations::F32, Activations::Bf16];

struct Case {
    sizes: [usize; 3],
    x: Vec<f32>,
    w: Vec<bf16>,
    bias: Option<Tensor>,
    packed: PackedMatrix,
}

impl Case {
    fn random([rows, n, k]: [usize; 3], with_bias: bool) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64((rows * 31 + n * 7 + k) as u64);
        let mut values = |count: usize| -> Vec<f32> {
            (0..count).map(|_| rng.random_range(-1f32..1.0)).collect()
        };
        let x = values(rows * k);
        let w: Vec<bf16> = values(n * k).into_iter().map(bf16::from_f32).collect();
        let bias = with_bias.then(|| Tensor::from_vec(values(n), n, &Device::Cpu).unwrap());
        let packed = PackedMatrix::pack::<c3_kernels::Error>([n, k], |row, to| {
            to.copy_from_slice(&w[row * k..(row + 1) * k]);
            Ok(())
        })
        .unwrap();
        Self { sizes: [rows, n, k], x, w, bias, packed }
    }

    fn x(&self) -> Tensor {
        let [rows, _, k] = self.sizes;
        Tensor::from_vec(self.x.clone(), (rows, k), &Device::Cpu).unwrap()
    }

    fn run(&self, unit: Unit, activations: Activations) -> Vec<f32> {
        let [rows, n, _] = self.sizes;
        let bias = self.bias.as_ref();
        let out = self.packed.columns_with(unit, &self.x(), 0..n, bias, activations).unwrap();
        assert_eq!(out.dims(), [rows, n]);
        flat(&out)
    }

    fn check(&self) {
        for activations in ACTIVATIONS {
            let round = |&x: &f32| match activations {
                Activations::F32 => x,
                Activations::Bf16 => bf16::from_f32(x).to_f32(),
            };
            let x: Vec<f32> = self.x.iter().map(round).collect();
            let w: Vec<f32> = self.w.iter().map(|w| w.to_f32()).collect();
            let bias = self.bias.as_ref().map(flat);
            let right = reference::linear(&x, &w, bias.as_deref(), self.sizes).unwrap();
            let of = |values: &[f32]| norm(values.iter().map(|&x| f64::from(x)));
            let usual = of(&x) * of(&w) / (self.sizes[2] as f64).sqrt();
            for unit in units(activations) {
                let found = self.run(unit, activations);
                let errors = found.iter().zip(&right).map(|(&x, y)| f64::from(x) - y);
                let relative = norm(errors) / norm(right.iter().copied()).max(usual);
                let sizes = self.sizes;
                assert!(
                    relative <= 1e-6,
                    "{unit} {activations:?} {sizes:?}: relative RMS error {relative:e}"
                );
            }
        }
    }
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|x| x * x).sum::<f64>().sqrt()
}

fn units(activations: Activations) -> impl Iterator<Item = Unit> {
    Unit::ALL.into_iter().filter(move |unit| unit.is_available() && unit.takes(activations))
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn odd_sizes() {
    for rows in (1..=9).chain([15, 16, 17, 23, 24, 25, 26, 31, 49]) {
        for n in [1, 15, 16, 17, 48, 65] {
            for k in [1, 2, 31, 32, 33, 100] {
                Case::random([rows, n, k], (rows + n + k) % 2 == 0).check();
            }
        }
    }
}

#[test]
fn more_than_one_chunk_and_task() {
    for sizes in [[1, 700, 1030], [3, 300, 2048], [24, 130, 1025], [40, 200, 3000], [61, 33, 9000]]
    {
        Case::random(sizes, true).check();
    }
}

#[test]
fn some_columns_are_those_of_the_whole() {
    for rows in [1, 7, 30] {
        let case = Case::random([rows, 100, 70], true);
        for activations in ACTIVATIONS {
            for unit in units(activations) {
                let whole = case.run(unit, activations);
                for columns in [0..16, 16..100, 48..50, 96..100, 32..32] {
                    let bias = case.bias.as_ref().unwrap();
                    let bias = bias.narrow(0, columns.start, columns.len()).unwrap();
                    let x = case.x();
                    let part = case
                        .packed
                        .columns_with(unit, &x, columns.clone(), Some(&bias), activations)
                        .unwrap();
                    let right: Vec<f32> =
                        whole.chunks(100).flat_map(|row| &row[columns.clone()]).copied().collect();
                    assert_eq!(flat(&part), right, "{unit} {activations:?} {rows} {columns:?}");
                }
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    for sizes in [[1, 8192, 256], [5, 2000, 256], [64, 1500, 256], [200, 300, 700]] {
        let case = Case::random(sizes, true);
        for activations in ACTIVATIONS {
            for unit in units(activations) {
                let with = |threads: usize| {
                    let pool =
                        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    pool.install(|| case.run(unit, activations))
                };
                assert_eq!(with(1), with(3), "{unit} {activations:?} {sizes:?}");
            }
        }
    }
}

#[test]
fn empty_sizes() {
    for [rows, n, k] in [[0, 3, 4], [3, 0, 4], [3, 3, 0], [40, 3, 0]] {
        let case = Case::random([rows, n, k], true);
        let bias = flat(case.bias.as_ref().unwrap());
        for activations in ACTIVATIONS {
            for unit in units(activations) {
                assert_eq!(
                    case.run(unit, activations),
                    bias.repeat(rows),
                    "{unit} {:?}",
                    case.sizes
                );
            }
        }
    }
}

#[test]
fn views_and_outer_dimensions() {
    let case = Case::random([6, 10, 24], true);
    let right = case.run(Unit::detect(Activations::F32), Activations::F32);
    let x = case.x().reshape((2, 3, 24)).unwrap();
    let out = case.packed.linear(&x, case.bias.as_ref(), Activations::F32).unwrap();
    assert_eq!((out.dims(), flat(&out)), ([2, 3, 10].as_slice(), right.clone()));
    // Three values further on: not aligned to any vector.
    let ragged = Tensor::cat(
        &[&Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap(), &x.flatten_all().unwrap()],
        0,
    );
    let view = ragged.unwrap().narrow(0, 3, 6 * 24).unwrap().reshape((6, 24)).unwrap();
    assert_eq!(
        flat(&case.packed.linear(&view, case.bias.as_ref(), Activations::F32).unwrap()),
        right
    );
}

#[test]
fn rows_come_back() {
    let case = Case::random([1, 37, 45], false);
    let mut row = vec![0f32; 45];
    for i in 0..37 {
        case.packed.row(i, &mut row);
        let right: Vec<f32> = case.w[i * 45..(i + 1) * 45].iter().map(|w| w.to_f32()).collect();
        assert_eq!(row, right);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let case = Case::random([2, 20, 8], true);
    let refusal = |x: &Tensor, columns, bias: Option<&Tensor>, unit, activations| {
        case.packed.columns_with(unit, x, columns, bias, activations).unwrap_err().to_string()
    };
    let (x, unit) = (case.x(), Unit::Vector(Level::Portable));
    let narrow = x.narrow(1, 0, 7).unwrap();
    let found = refusal(&narrow, 0..20, None, unit, Activations::F32);
    assert!(found.contains("x must have shape [2, 8]") && found.contains("[2, 7]"), "{found}");
    let found = refusal(&x, 8..20, None, unit, Activations::F32);
    assert!(found.contains("columns 8..20 of 20") && found.contains("multiple of 16"), "{found}");
    let found = refusal(&x, 0..21, None, unit, Activations::F32);
    assert!(found.contains("columns 0..21 of 20"), "{found}");
    let found = refusal(&x, 0..20, Some(&x), unit, Activations::F32);
    assert!(found.contains("bias must have shape [20]"), "{found}");
    let found = refusal(&x, 0..20, None, Unit::Tiles, Activations::F32);
    assert!(found.contains("amx-bf16") && found.contains("F32"), "{found}");
    let half = x.to_dtype(DType::F16).unwrap();
    assert!(refusal(&half, 0..20, None, unit, Activations::F32).contains("x must be F32"));
    let huge = PackedMatrix::pack::<c3_kernels::Error>([usize::MAX / 2, 64], |_, _| Ok(()));
    assert!(huge.unwrap_err().to_string().contains("does not fit in memory"));
}
