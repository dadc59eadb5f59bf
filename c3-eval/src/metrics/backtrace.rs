//! A way back through a table of dynamic programming that is never held whole.

/// Fills a table of `rows` + 1 rows, from `first` on, which has a cell at least, and follows a way from its last cell back to row 0;
/// returns the column where it comes out.
///
/// `fill(i, above, row)` fills row `i` from the one above. `step(i, j, above, row)` says which cell comes
/// behind (`i`, `j`) on the way back: one with a smaller `i`, or the same and a smaller `j`.
///
/// Of n rows, √n are kept, and the √n between two of them are filled again when the way gets there (Hirschberg
/// 1975 has the idea; this keeps the choice among equal ways): twice the time, and memory for 2√n rows.
pub fn backtrace(
    rows: usize,
    first: Vec<u32>,
    fill: impl Fn(usize, &[u32], &mut [u32]),
    mut step: impl FnMut(usize, usize, &[u32], &[u32]) -> (usize, usize),
) -> usize {
    let width = first.len();
    let (mut i, mut j) = (rows, width - 1);
    let every = rows.isqrt().max(1);
    let mut kept = first.clone(); // [rows / every, width]
    let (mut above, mut row) = (first, vec![0; width]);
    for i in 1..rows {
        fill(i, &above, &mut row);
        std::mem::swap(&mut above, &mut row);
        if i % every == 0 {
            kept.extend_from_slice(&above);
        }
    }
    let mut block = vec![0; (every + 1) * width]; // [every + 1, width]
    while i > 0 {
        let start = (i - 1) / every * every;
        let at = start / every * width;
        block[..width].copy_from_slice(&kept[at..at + width]);
        let mut rest = &mut block[..(i - start + 1) * width];
        for i in start + 1..=i {
            let (above, below) = rest.split_at_mut(width);
            fill(i, above, &mut below[..width]);
            rest = below;
        }
        while i > start {
            let at = (i - start) * width;
            (i, j) = step(i, j, &block[at - width..at], &block[at..at + width]);
        }
    }
    j
}

#[cfg(test)]
mod tests {
    use super::backtrace;

    /// The whole table at once, and the cells of the way.
    fn whole(x: &[u8], y: &[u8]) -> (Vec<(usize, usize)>, usize) {
        let mut table = vec![(0..=y.len() as u32).collect::<Vec<_>>()];
        for i in 1..=x.len() {
            let mut row = vec![0; y.len() + 1];
            fill(x, y)(i, &table[i - 1], &mut row);
            table.push(row);
        }
        let (mut i, mut j, mut way) = (x.len(), y.len(), Vec::new());
        while i > 0 {
            way.push((i, j));
            (i, j) = step(i, j, &table[i - 1], &table[i]);
        }
        (way, j)
    }

    fn fill(x: &[u8], y: &[u8]) -> impl Fn(usize, &[u32], &mut [u32]) {
        move |i, above, row| {
            row[0] = i as u32;
            for j in 1..row.len() {
                let diagonal = above[j - 1] + u32::from(x[i - 1] != y[j - 1]);
                row[j] = diagonal.min(above[j].min(row[j - 1]) + 1);
            }
        }
    }

    fn step(i: usize, j: usize, above: &[u32], row: &[u32]) -> (usize, usize) {
        match j {
            0 => (i - 1, 0),
            _ if row[j] == row[j - 1] + 1 => (i, j - 1),
            _ if row[j] == above[j] + 1 => (i - 1, j),
            _ => (i - 1, j - 1),
        }
    }

    proptest::proptest! {
        #[test]
        fn the_way_is_that_of_the_whole_table(a in "[abc]{0,40}", b in "[abc]{0,40}") {
            let (x, y) = (a.as_bytes(), b.as_bytes());
            let mut way = Vec::new();
            let out = backtrace(x.len(), (0..=y.len() as u32).collect(), fill(x, y), |i, j, above, row| {
                way.push((i, j));
                step(i, j, above, row)
            });
            proptest::prop_assert_eq!((way, out), whole(x, y));
        }
    }
}
