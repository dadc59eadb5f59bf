//! Lines with their intervals, as SVG in the page's colours.

use plotters::prelude::*;

use crate::{Error, Interval, Result};

/// A chart: series of points over a common axis.
pub(super) struct Chart {
    /// What is along the horizontal axis.
    pub x_label: &'static str,
    /// What is along the vertical axis.
    pub y_label: &'static str,
    /// How the horizontal axis goes.
    pub x_scale: Scale,
    /// Whether the vertical axis ends at 1.
    pub y_is_share: bool,
    pub series: Vec<Series>,
}

/// How a horizontal axis goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    /// Ratios: each step doubles.
    Doubling,
}

pub(super) struct Series {
    pub label: String,
    /// Place among the page's colours.
    pub color: usize,
    /// Someone else's numbers, of another model on other texts.
    pub published: bool,
    /// In rising order of x; a published number has no interval.
    pub points: Vec<(f64, Interval)>,
}

/// Colours that the page replaces by its own.
const INK: RGBColor = RGBColor(1, 1, 1);
const GRID: RGBColor = RGBColor(2, 2, 2);
/// The colours of series begin here; the last byte is their place.
const SERIES: RGBColor = RGBColor(3, 3, 0);

impl Chart {
    /// The chart as SVG, for a wide window and for a narrow one.
    pub fn svg(&self, name: &str) -> Result<String> {
        let wide = self.draw(860, 420)?;
        let narrow = self.draw(400, 340)?;
        let labelled = |svg: String, class: &str| {
            let head = format!(
                "<svg class=\"{class}\" role=\"img\" aria-label=\"{}\" ",
                super::html::escape(name)
            );
            in_page_colors(&svg.replacen("<svg ", &head, 1))
        };
        Ok(labelled(wide, "wide") + &labelled(narrow, "narrow"))
    }

    /// The chart as a file of its own: with its legend, and colors for light and dark.
    pub fn standalone(&self, caption: &str) -> Result<String> {
        const WIDTH: u32 = 860;
        let svg = in_page_colors(&self.draw(WIDTH, 420)?);
        let inner = svg.find('>').map_or("", |end| &svg[end + 1..]);
        let inner = inner.rsplit_once("</svg>").map_or(inner, |(inner, _)| inner);
        let mut legend = String::new();
        for (number, series) in self.series.iter().enumerate() {
            let (x, y) = (60 + number % 2 * 400, 438 + number / 2 * 22);
            let dash = if series.published { " stroke-dasharray=\"5 4\"" } else { "" };
            legend.push_str(&format!(
                "<path d=\"M{x} {y}h24\" stroke=\"var(--s{})\" stroke-width=\"3\"{dash}/>\
                 <text x=\"{}\" y=\"{}\" font-size=\"13\" fill=\"var(--ink)\">{}</text>\n",
                series.color % COLORS,
                x + 32,
                y + 4,
                super::html::escape(&series.label)
            ));
        }
        let height = 430 + self.series.len().div_ceil(2) * 22;
        Ok(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             font-family=\"sans-serif\">\n<title>{}</title>\n<style>{STANDALONE}</style>\n\
             {inner}{legend}</svg>\n",
            super::html::escape(caption)
        ))
    }

    fn draw(&self, width: u32, height: u32) -> Result<String> {
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
            self.draw_on(&root).map_err(|error| Error::Figure(error.to_string()))?;
        }
        Ok(svg)
    }

    fn draw_on(
        &self,
        root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    ) -> std::result::Result<(), Box<dyn std::error::Error>> {
        let (x, y) = (self.x_range(), self.y_range());
        let mut chart = ChartBuilder::on(root)
            .margin(6)
            .margin_right(14)
            .x_label_area_size(44)
            .y_label_area_size(56)
            .build_cartesian_2d(x, y)?;
        let text = |size: i32| ("sans-serif", size).into_font().color(&INK);
        let scale = self.x_scale;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .x_labels(8)
            .y_labels(6)
            .x_desc(self.x_label)
            .y_desc(self.y_label)
            .x_label_style(text(13))
            .y_label_style(text(13))
            .axis_desc_style(text(13))
            .x_label_formatter(&|x| match scale {
                Scale::Linear => short(*x),
                Scale::Doubling => format!("{}×", short(x.exp2())),
            })
            .y_label_formatter(&|y| short(*y))
            .draw()?;
        for series in &self.series {
            let color = RGBColor(SERIES.0, SERIES.1, (series.color % COLORS) as u8);
            let points: Vec<(f64, Interval)> =
                series.points.iter().map(|&(x, y)| (self.place(x), y)).collect();
            let line = points.iter().map(|(x, y)| (*x, y.mean));
            if series.published {
                chart.draw_series(DashedLineSeries::new(line, 5, 4, color.stroke_width(2)))?;
            } else {
                chart.draw_series(LineSeries::new(line, color.stroke_width(2)))?;
            }
            for (x, y) in points {
                if y.low < y.high {
                    let whisker =
                        PathElement::new([(x, y.low), (x, y.high)], color.stroke_width(1));
                    chart.draw_series([whisker])?;
                }
                let style = if series.published { color.stroke_width(2) } else { color.filled() };
                chart.draw_series([Circle::new((x, y.mean), 4, style)])?;
            }
        }
        root.present()?;
        Ok(())
    }

    fn place(&self, x: f64) -> f64 {
        match self.x_scale {
            Scale::Linear => x,
            Scale::Doubling => x.log2(),
        }
    }

    fn x_range(&self) -> std::ops::Range<f64> {
        let places = self.series.iter().flat_map(|s| &s.points).map(|(x, _)| self.place(*x));
        let (low, high) = bounds(places);
        let margin = 0.04 * (high - low).max(0.1);
        low - margin..high + margin
    }

    fn y_range(&self) -> std::ops::Range<f64> {
        let values = self.series.iter().flat_map(|s| &s.points);
        let (low, high) = bounds(values.flat_map(|(_, y)| [y.mean, y.low, y.high]));
        match self.y_is_share {
            true if high > 0.5 => 0.0..1.0,
            _ => low.min(0.0)..1.08 * high.max(1e-9),
        }
    }
}

/// The page's colors, for a file of its own.
const STANDALONE: &str = include_str!("standalone.css");

/// The least and the greatest number; 0 to 1 where there is none.
fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let values = values.filter(|value| value.is_finite());
    values
        .fold(None, |range: Option<(f64, f64)>, value| match range {
            None => Some((value, value)),
            Some((low, high)) => Some((low.min(value), high.max(value))),
        })
        .unwrap_or((0.0, 1.0))
}

/// A number without digits that say nothing.
fn short(value: f64) -> String {
    let text = match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Colours of series that the page has.
pub(super) const COLORS: usize = 8;

/// Puts the page's colours in place of those drawn with.
fn in_page_colors(svg: &str) -> String {
    let mut svg = svg.replace("#010101", "var(--ink)").replace("#020202", "var(--grid)");
    for color in 0..COLORS {
        svg = svg.replace(&format!("#0303{color:02X}"), &format!("var(--s{color})"));
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chart of two points whose intervals have this width.
    fn drawn(width: f64, published: bool) -> String {
        let of = |mean: f64| Interval { mean, low: mean - width, high: mean + width };
        let points = vec![(4.0, of(0.9)), (8.0, of(0.5))];
        let series = vec![Series { label: "one".into(), color: 2, published, points }];
        let (x_label, y_label, x_scale) = ("ratio", "similarity", Scale::Doubling);
        Chart { x_label, y_label, x_scale, y_is_share: true, series }.svg("a chart").unwrap()
    }

    #[test]
    fn an_interval_is_a_line_through_its_point() {
        let lines = |svg: &str| svg.matches("<polyline").count();
        let (without, with) = (drawn(0.0, false), drawn(0.05, false));
        // Two points, wide and narrow.
        assert_eq!(lines(&with), lines(&without) + 4);
        assert!(with.contains("class=\"wide\"") && with.contains("class=\"narrow\""));
    }

    #[test]
    fn what_others_printed_is_dashed() {
        let lines = |svg: &str| svg.matches("<polyline").count();
        assert!(lines(&drawn(0.0, true)) > lines(&drawn(0.0, false)) + 4);
    }
}
