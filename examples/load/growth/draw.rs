//! Plots of the figures: small SVGs without a background, in colours that stand out from a white page as well as from a
//! dark one. What grows runs along the x axis, always logarithmic.

use std::ops::Range;
use std::path::Path;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::prelude::{
    ChartBuilder, Circle, IntoDrawingArea, IntoFont, LineSeries, PathElement, RGBColor, SVGBackend, TRANSPARENT, Text,
    TextStyle,
};
use plotters::style::{Color, ShapeStyle};

use crate::growth::point::Book;

/// Pixels, across and down.
const SIZE: (u32, u32) = (480, 280);
/// What the names of the axes and of their marks take, below and beside.
const ROOM: (u32, u32) = (42, 62);
/// Text and axes; each of these has at least three times the brightness of the darker of page and line, on white and on
/// nearly black.
const GREY: RGBColor = RGBColor(120, 128, 140);
/// The lines.
const COLOURS: [RGBColor; 3] = [RGBColor(46, 124, 246), RGBColor(222, 110, 20), RGBColor(22, 150, 90)];
/// Lines of the grid are so much weaker than the axes.
const FAINT: f64 = 0.3;

/// How y runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Y {
    /// From nought.
    Linear,
    /// For what spans decades.
    Log,
}

/// Lines: what each is called, and its figure.
type Lines = &'static [(&'static str, &'static str)];

/// A plot.
struct Plot {
    /// Its file.
    name: &'static str,
    /// What grows, as the file of figures calls it.
    what: &'static str,
    /// The axes, with units.
    x: &'static str,
    y: &'static str,
    runs: Y,
    /// A figure is shown in this many of its own unit.
    unit: f64,
    lines: Lines,
}

/// A plot whose y runs from nought.
const fn plot(name: &'static str, [what, x]: [&'static str; 2], y: &'static str, unit: f64, lines: Lines) -> Plot {
    Plot { name, what, x, y, runs: Y::Linear, unit, lines }
}

/// One whose y is logarithmic.
const fn steep(plot: Plot) -> Plot {
    Plot { runs: Y::Log, ..plot }
}

/// The median and the 99th percentile of these times.
macro_rules! quantiles {
    ($times:literal) => {
        &[("p50", concat!($times, "_p50_us")), ("p99", concat!($times, "_p99_us"))]
    };
}

const ASLEEP: Lines = &[("all asleep", "memory_bytes"), ("after the work", "memory_used_bytes")];
const STARTED: Lines = &[("after a start", "memory_started_bytes"), ("all read", "memory_read_bytes")];
const STARTS: Lines = &[("after a clean stop", "start_clean_ms"), ("after kill -9", "start_killed_ms")];
const RATE: Lines = &[("deliveries", "deliveries_per_second")];
const MEMORY: &str = "memory of the server, MB";

/// What grows, as the file of figures calls it and as people do.
const SESSIONS: [&str; 2] = ["sessions", "idle sessions"];
const CHANNELS: [&str; 2] = ["channels", "channels that exist"];
const MESSAGES: [&str; 2] = ["messages", "messages on disk"];
const SUBSCRIBERS: [&str; 2] = ["subscribers", "subscribers of one channel"];

/// All of them.
const PLOTS: [Plot; 15] = [
    steep(plot("sessions-memory", SESSIONS, "memory for each, kB", 1e3, &[("memory for each", "memory_each_bytes")])),
    plot("sessions-cpu", SESSIONS, "CPU while idle, % of a core", 1.0, &[("CPU", "idle_cpu_percent")]),
    plot("sessions-receipt", SESSIONS, "receipt in a channel of ten, ms", 1e3, quantiles!("receipt")),
    plot("channels-receipt", CHANNELS, "receipt of a random channel, ms", 1e3, quantiles!("receipt")),
    plot("channels-join", CHANNELS, "join of a random channel, ms", 1e3, quantiles!("join")),
    plot("channels-memory", CHANNELS, MEMORY, 1e6, ASLEEP),
    plot("messages-receipt", MESSAGES, "receipt, ms", 1e3, quantiles!("receipt")),
    plot("messages-newest", MESSAGES, "the newest 50 of a channel, ms", 1e3, quantiles!("newest")),
    plot("messages-join", MESSAGES, "join 20 messages behind, ms", 1e3, quantiles!("join")),
    plot("messages-memory", MESSAGES, MEMORY, 1e6, STARTED),
    steep(plot("messages-disk", MESSAGES, "disk, MB", 1e6, &[("disk", "disk_bytes")])),
    plot("messages-start", MESSAGES, "start, ms", 1.0, STARTS),
    steep(plot("subscribers-rate", SUBSCRIBERS, "deliveries a second, 8 in flight", 1.0, RATE)),
    steep(plot("subscribers-delivery", SUBSCRIBERS, "delivery, 1 in flight, ms", 1e3, quantiles!("delivery"))),
    steep(plot("subscribers-last", SUBSCRIBERS, "until the last one has it, ms", 1e3, quantiles!("last"))),
];

/// Draws what there are figures for, and returns the files.
pub fn draw(book: &Book, into: &Path) -> Result<Vec<String>, String> {
    std::fs::create_dir_all(into).map_err(|why| format!("{}: {why}", into.display()))?;
    let mut drawn = Vec::new();
    for plot in &PLOTS {
        let lines: Vec<_> = plot.lines.iter().map(|(name, figure)| (*name, plot.line(book, figure))).collect();
        if lines.iter().all(|(_, points)| points.is_empty()) {
            continue;
        }
        let path = into.join(format!("{}.svg", plot.name));
        let svg = plot.svg(&lines).map_err(|why| format!("{}: {why}", path.display()))?;
        std::fs::write(&path, svg).map_err(|why| format!("{}: {why}", path.display()))?;
        drawn.push(path.display().to_string());
    }
    if drawn.is_empty() {
        return Err("there are no figures to draw".into());
    }
    Ok(drawn)
}

/// An axis. A logarithmic one is drawn by its exponents.
struct Axis {
    runs: Y,
    range: Range<f64>,
    marks: Vec<f64>,
}

impl Axis {
    /// Whole decades around these exponents.
    fn log(values: impl Iterator<Item = f64> + Clone) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min).floor();
        let most = values.fold(f64::NEG_INFINITY, f64::max).ceil().max(least + 1.0);
        Self { runs: Y::Log, range: least..most, marks: (least as i32..=most as i32).map(f64::from).collect() }
    }

    /// From nought, in steps that people count in.
    fn linear(values: impl Iterator<Item = f64>) -> Self {
        let most = values.fold(0.0, f64::max).max(1e-9);
        let rough = most / 4.0;
        let decade = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|step| step * decade).find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let count = (most * 1.05 / step).ceil();
        let marks = (0..=count as i32).map(|at| f64::from(at) * step).collect();
        Self { runs: Y::Linear, range: 0.0..count * step, marks }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let part = (value - self.range.start) / (self.range.end - self.range.start);
        from + (part * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.marks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        short(if self.runs == Y::Log { 10f64.powf(*value) } else { *value })
    }
}

impl Plot {
    /// A line of this plot, in its unit; logarithms cannot show nought.
    fn line(&self, book: &Book, figure: &str) -> Vec<(f64, f64)> {
        let points = book.line(self.what, figure).into_iter();
        let shown = points.map(|(at, value)| (at.log10(), value / self.unit));
        match self.runs {
            Y::Linear => shown.collect(),
            Y::Log => shown.filter(|(_, value)| *value > 0.0).map(|(at, value)| (at, value.log10())).collect(),
        }
    }

    fn svg(&self, lines: &[(&str, Vec<(f64, f64)>)]) -> Result<String, Box<dyn std::error::Error>> {
        let all = || lines.iter().flat_map(|(_, points)| points);
        let across = Axis::log(all().map(|(at, _)| *at));
        let up = match self.runs {
            Y::Linear => Axis::linear(all().map(|(_, value)| *value)),
            Y::Log => Axis::log(all().map(|(_, value)| *value)),
        };
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            let text = |size: u32| TextStyle::from(("sans-serif", size).into_font()).color(&GREY);
            let mut chart = ChartBuilder::on(&area);
            let chart = chart.margin(10).margin_top(28).margin_right(24);
            let chart = chart.x_label_area_size(ROOM.0).y_label_area_size(ROOM.1);
            let mut chart = chart.build_cartesian_2d(across, up)?;
            let mut mesh = chart.configure_mesh();
            let mesh = mesh.axis_style(GREY).bold_line_style(GREY.mix(FAINT)).light_line_style(TRANSPARENT);
            let mesh = mesh.label_style(text(15)).axis_desc_style(text(16));
            mesh.x_desc(self.x).y_desc(self.y).draw()?;
            for ((_, points), colour) in lines.iter().zip(COLOURS) {
                let stroke = ShapeStyle::from(colour).stroke_width(2);
                chart.draw_series(LineSeries::new(points.iter().copied(), stroke))?;
                chart.draw_series(points.iter().map(|at| Circle::new(*at, 3, colour.filled())))?;
            }
            // What the lines are stands above them, where none of them runs.
            let mut x = ROOM.1 as i32;
            for ((name, _), colour) in lines.iter().zip(COLOURS).filter(|_| lines.len() > 1) {
                let stroke = ShapeStyle::from(colour).stroke_width(2);
                area.draw(&PathElement::new(vec![(x, 14), (x + 18, 14)], stroke))?;
                area.draw(&Text::new((*name).to_owned(), (x + 24, 8), text(15)))?;
                x += 50 + 7 * name.len() as i32;
            }
            area.present()?;
        }
        // For those who hear a page instead of seeing it.
        let title = format!("<title>{}, by {}</title>", self.y, self.x);
        if let Some(at) = svg.find('>') {
            svg.insert_str(at + 1, &title);
        }
        Ok(svg)
    }
}

/// A number in few characters.
pub fn short(value: f64) -> String {
    let (value, unit) = match value.abs() {
        size if size >= 999_999.5 => (value / 1e6, " M"),
        size if size >= 999.5 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{unit}")
}
