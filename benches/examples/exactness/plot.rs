//! A plot of honest ratios.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

/// One kind of text: ratio asked for, honest ratio, its interval.
pub struct Curve {
    pub name: &'static str,
    pub points: Vec<(f64, f64, (f64, f64))>,
}

/// Writes the honest ratio over the ratio asked for, both on logarithmic scales.
pub fn draw(path: &Path, curves: &[Curve]) -> Result<()> {
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let (least, most) = all().fold((f64::MAX, 0f64), |(l, m), p| (l.min(p.0), m.max(p.0)));
    let top = all().fold(2f64, |top, point| top.max(point.2.1));
    let failed = |error: DrawingAreaErrorKind<std::io::Error>| anyhow!("{error}");
    let root = SVGBackend::new(path, (760, 460)).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(16)
        .caption("Exact compression: what a position is worth", ("sans-serif", 20))
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d((least * 0.9..most * 1.1).log_scale(), 0.9..top * 1.08)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_desc("ratio asked for: text tokens per latent")
        .y_desc("text tokens per position, corrections included")
        .x_label_formatter(&|ratio| format!("{ratio:.0}×"))
        .y_label_formatter(&|ratio| format!("{ratio:.1}×"))
        .draw()
        .map_err(failed)?;
    for (number, Curve { name, points }) in curves.iter().enumerate() {
        let color = Palette99::pick(number).stroke_width(2);
        let line = points.iter().map(|&(ratio, honest, _)| (ratio, honest));
        chart
            .draw_series(LineSeries::new(line.clone(), color))
            .map_err(failed)?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color));
        let bars = points
            .iter()
            .map(|&(x, _, (low, high))| PathElement::new([(x, low), (x, high)], color));
        chart.draw_series(bars).map_err(failed)?;
        let dots = line.map(|point| Circle::new(point, 3, color.filled()));
        chart.draw_series(dots).map_err(failed)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()
        .map_err(failed)?;
    root.present().map_err(failed)?;
    Ok(())
}
