//! Memory: what this process takes, what a job is going to take, and how to make it fit.

mod fit;
mod job;
mod process;

pub use fit::{Fit, Limit, fit};
pub use job::{Decoding, Encoding, Estimate, Job, VERIFIED};
pub use process::peak;

use crate::human;
use crate::ui::Ui;

/// Says what was chosen, and what it is going to take.
pub fn tell(ui: &Ui, Fit { options, rows, estimate, .. }: &Fit) {
    ui.detail(|| {
        let batches = match (rows.encode, rows.decode) {
            (encode, 0) => format!("batch {encode}"),
            (0, decode) => format!("batch {decode}"),
            (encode, decode) => format!("batches {encode} and {decode}"),
        };
        let peak = human::bytes(estimate.peak_bytes);
        format!("memory: about {peak} with dtype {}, {batches}", options.dtype)
    });
}

/// Says how much it was.
pub fn tell_peak(ui: &Ui) {
    if let Some(bytes) = peak() {
        ui.detail(|| format!("memory: {} at the most", human::bytes(bytes)));
    }
}
