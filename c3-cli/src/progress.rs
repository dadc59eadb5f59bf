//! Progress on stderr: bytes, rate and what remains.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::ui::Ui;

/// A bar of bytes; a spinner where their number isn't known; nothing where nobody watches.
pub struct Progress(ProgressBar);

impl Progress {
    pub fn bytes(ui: &Ui, verb: &'static str, total: Option<u64>) -> Self {
        if !ui.shows_progress() {
            return Self::hidden();
        }
        let (bar, template) = match total {
            Some(total) => (
                ProgressBar::new(total),
                "{msg} {wide_bar:.cyan/dim} {percent:>3}% · {binary_bytes}/{binary_total_bytes} · \
                 {binary_bytes_per_sec} · {eta} left",
            ),
            None => (
                ProgressBar::new_spinner(),
                "{msg} {spinner:.cyan} {binary_bytes} · {binary_bytes_per_sec} · {elapsed}",
            ),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.set_message(verb);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// A bar of things that are counted.
    pub fn count(ui: &Ui, verb: &'static str, things: &'static str, total: u64) -> Self {
        if !ui.shows_progress() {
            return Self::hidden();
        }
        let bar = ProgressBar::new(total);
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
        let template = "{prefix} {wide_bar:.cyan/dim} {pos}/{len} {msg} · {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.set_prefix(verb);
        bar.set_message(things);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Shows nothing.
    pub fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// So many bytes are done, from the beginning.
    pub fn at(&self, bytes: u64) {
        self.0.set_position(bytes);
    }

    /// Says what is being done now.
    #[cfg(feature = "hub")]
    pub fn message(&self, message: String) {
        self.0.set_message(message);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
