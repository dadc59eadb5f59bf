//! Colors: of the help, of messages, of differences.

use anstyle::{AnsiColor, Effects, Style};
use clap::builder::Styles;

use crate::args::ColorWhen;

pub const HELP: Styles = Styles::styled()
    .header(BOLD)
    .usage(BOLD)
    .literal(color(AnsiColor::Cyan))
    .placeholder(Style::new())
    .error(ERROR)
    .valid(color(AnsiColor::Green))
    .invalid(color(AnsiColor::Yellow));

pub const BOLD: Style = Style::new().effects(Effects::BOLD);
pub const DIM: Style = Style::new().effects(Effects::DIMMED);
pub const ERROR: Style = color(AnsiColor::Red).effects(Effects::BOLD);
pub const WARNING: Style = color(AnsiColor::Yellow).effects(Effects::BOLD);
pub const HINT: Style = color(AnsiColor::Cyan).effects(Effects::BOLD);
pub const GOOD: Style = color(AnsiColor::Green);
pub const BAD: Style = color(AnsiColor::Red);

const fn color(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(anstyle::Color::Ansi(color)))
}

/// Settles when `anstream`'s streams keep their colors: the flag first, then `NO_COLOR`, then
/// whether there is a terminal.
pub fn choose(when: ColorWhen) {
    match when {
        ColorWhen::Auto => anstream::ColorChoice::Auto,
        ColorWhen::Always => anstream::ColorChoice::Always,
        ColorWhen::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// `text` in `style`, where the stream shows styles.
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}
