//! What others have printed, to stand beside and never among our numbers: other models, on the English
//! pages of the Fox benchmark.

use crate::tables::Table;

/// Pages of some length.
pub(super) struct Bin {
    /// Text tokens, from and to.
    pub tokens: (u32, u32),
    pub pages: u32,
    /// Precision in percent and ratio of text tokens to nominal latents, for 32, 64 and 100 latents:
    /// C3, arXiv 2511.15244, figure 1.
    pub c3: [(f64, f64); 3],
    /// Precision in percent for 64 and 100 vision tokens: DeepSeek-OCR, arXiv 2510.18234, table 2.
    pub deepseek_ocr: [f64; 2],
}

const fn bin(tokens: (u32, u32), pages: u32, c3: [(f64, f64); 3], deepseek_ocr: [f64; 2]) -> Bin {
    Bin { tokens, pages, c3, deepseek_ocr }
}

/// The seven bins of both papers.
pub(super) const BINS: [Bin; 7] = [
    bin((600, 700), 7, [(99.7, 21.0), (99.7, 10.5), (99.9, 6.7)], [96.5, 98.5]),
    bin((700, 800), 28, [(99.7, 23.6), (99.9, 11.8), (99.5, 7.5)], [93.8, 97.3]),
    bin((800, 900), 28, [(98.8, 26.4), (99.7, 13.2), (99.7, 8.5)], [83.8, 96.8]),
    bin((900, 1000), 14, [(98.7, 30.2), (99.9, 15.1), (99.7, 9.7)], [85.9, 96.8]),
    bin((1000, 1100), 11, [(98.8, 33.0), (99.7, 16.5), (99.5, 10.6)], [79.3, 91.5]),
    bin((1100, 1200), 8, [(94.0, 35.4), (98.6, 17.7), (98.5, 11.3)], [76.4, 89.8]),
    bin((1200, 1300), 4, [(93.3, 39.4), (98.4, 19.7), (97.5, 12.6)], [59.1, 87.1]),
];

/// Ratio and precision as a share, of each bin, for the place of a number of latents in [`Bin::c3`].
pub(super) fn c3(place: usize) -> impl Iterator<Item = (f64, f64)> {
    BINS.iter().map(move |bin| (bin.c3[place].1, bin.c3[place].0 / 100.0))
}

/// The same for 64 and 100 vision tokens; the ratio is that of C3 with as many latents.
pub(super) fn deepseek_ocr(place: usize) -> impl Iterator<Item = (f64, f64)> {
    BINS.iter().map(move |bin| (bin.c3[place + 1].1, bin.deepseek_ocr[place] / 100.0))
}

/// All of it.
pub(super) fn table() -> Table {
    let header = [
        "Fox English pages, text tokens",
        "pages",
        "C3, 32 latents",
        "ratio",
        "C3, 64",
        "ratio",
        "C3, 100",
        "ratio",
        "DeepSeek-OCR, 64 vision tokens",
        "DeepSeek-OCR, 100",
    ];
    let row = |bin: &Bin| {
        let mut cells = vec![format!("{}–{}", bin.tokens.0, bin.tokens.1), bin.pages.to_string()];
        cells.extend(
            bin.c3.iter().flat_map(|(precision, ratio)| {
                [format!("{precision:.1}%"), format!("{ratio:.1}×")]
            }),
        );
        cells.extend(bin.deepseek_ocr.map(|precision| format!("{precision:.1}%")));
        cells
    };
    Table { header: header.map(str::to_owned).to_vec(), rows: BINS.iter().map(row).collect() }
}

#[cfg(test)]
mod tests {
    use super::BINS;

    /// A ratio is the tokens of a bin's pages by the latents: the three of a bin say the same of its pages.
    #[test]
    fn ratios_agree_with_each_other_and_with_their_bins() {
        for bin in BINS {
            let [(_, of_32), (_, of_64), (_, of_100)] = bin.c3;
            let (from, to) = (f64::from(bin.tokens.0), f64::from(bin.tokens.1));
            let tokens = 32.0 * of_32;
            assert!(from - 2.0 <= tokens && tokens <= to + 2.0, "{tokens} of {from} to {to}");
            for (latents, ratio) in [(64.0, of_64), (100.0, of_100)] {
                let half_a_digit = 0.05 * (latents + 32.0);
                assert!((latents * ratio - tokens).abs() <= half_a_digit, "{from}: {latents}");
            }
        }
        assert_eq!(BINS.iter().map(|bin| bin.pages).sum::<u32>(), 100);
    }
}
