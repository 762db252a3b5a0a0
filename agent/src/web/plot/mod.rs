//! A plot over time as SVG: wide for a desk, narrow for a telephone, in colours that the style sheet gives by theme.
//!
//! kuva draws; here is what its pictures are made of, how many points they show, and the words beside them. Not here: what
//! is plotted (`usage`, `watch`, `saving`).

mod saving;
mod thin;
mod usage;
mod watch;

use kuva::{
    backend::svg::SvgBackend,
    plot::{BandPlot, LinePlot},
    render::{
        annotations::{ReferenceLine, ShadedRegion},
        datetime::DateTimeAxis,
        layout::{Layout, TickFormat},
        plots::Plot,
        render::render_multiple,
        theme::Theme,
    },
};

use self::thin::{Column, segments, thin};

pub(super) use saving::{Savings, Spell, savings};
pub(super) use usage::usages;
pub(super) use watch::watched;

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;
/// Up to so long a plot's axis counts hours, beyond it days: three days of six-hour ticks still have room for their names.
const HOURS_SPAN_S: i64 = 3 * DAY_S;
/// Room above the highest point, as a ratio: a line at the very edge looks cut off.
const ROOM_RATIO: f64 = 1.06;
/// How much of what lies behind it a band and a span let through.
const BAND_OPACITY: f64 = 0.28;
const SPAN_OPACITY: f64 = 0.30;

/// What a layer stands for; each has a colour in the style sheet, as the property `--plot-NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// What was measured.
    Seen,
    /// What is forecast, or would have been.
    Forecast,
    /// Today's capacity.
    Today,
    /// The proposed capacity.
    Proposed,
    /// What breaches.
    Breach,
    /// A moment.
    Moment,
}

impl Tone {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Forecast => "forecast",
            Self::Today => "today",
            Self::Proposed => "proposed",
            Self::Breach => "breach",
            Self::Moment => "moment",
        }
    }

    fn colour(self) -> String {
        format!("var(--plot-{})", self.as_str())
    }
}

/// What is drawn; times are seconds since the epoch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Layer {
    /// Points on a grid, thinned to the columns of the picture: their range and their mean. Gaps stay gaps.
    Points { points: Vec<(i64, f64)>, step_s: i64 },
    /// An area between two values.
    Band(Vec<(i64, f64, f64)>),
    /// A line; each value holds until the next where it is a staircase.
    Line { points: Vec<(i64, f64)>, is_step: bool, is_dashed: bool },
    /// The same value all the time; a proposed one is dashed, so that today's shows through where they are equal.
    Level(f64),
    /// Stretches of time.
    Spans(Vec<(i64, i64)>),
    /// One time.
    At(i64),
}

/// A layer with its colour and its name in the key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) tone: Tone,
    pub(crate) layer: Layer,
}

/// What a plot shows before it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// The sentence that says the same in words.
    pub(crate) summary: String,
    /// What stands beside the axis of values.
    pub(crate) unit: String,
    pub(crate) from_s: i64,
    pub(crate) until_s: i64,
    pub(crate) layers: Vec<Named>,
}

/// A plot as the templates show it.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) id: &'static str,
    pub(crate) title: String,
    pub(crate) summary: String,
    pub(crate) key: Vec<KeyRow>,
    pub(crate) pictures: [Picture; 2],
}

impl Figure {
    /// About how much memory it takes: nearly all of it is the pictures.
    pub(crate) fn bytes(&self) -> usize {
        self.pictures.iter().map(|picture| picture.body.len()).sum::<usize>() + self.summary.len()
    }
}

/// What a colour of a plot stands for.
#[derive(Debug, Clone)]
pub(crate) struct KeyRow {
    pub(crate) tone: &'static str,
    pub(crate) mark: &'static str,
    pub(crate) name: String,
}

/// One size of a plot: what is inside of its `svg` element.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    pub(crate) size: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Markup of kuva's: numbers, colours and dates, and our own units; nothing that comes from an account.
    pub(crate) body: String,
}

/// A size that pictures are drawn in, CSS pixels.
struct Size {
    name: &'static str,
    width: u32,
    height: u32,
    /// Columns of thinned points: one for every three pixels of the plot.
    columns: usize,
    ticks: i64,
}

const SIZES: [Size; 2] = [
    Size { name: "wide", width: 920, height: 300, columns: 280, ticks: 8 },
    Size { name: "narrow", width: 340, height: 260, columns: 90, ticks: 3 },
];

impl Chart {
    /// Draws both sizes; `id` is unique on its page.
    pub(crate) fn draw(self, id: &'static str) -> Figure {
        let key = self.layers.iter().map(key_row).collect();
        let pictures = [0, 1].map(|index| picture(&self, &SIZES[index]));
        Figure { id, title: self.title, summary: self.summary, key, pictures }
    }
}

fn key_row(named: &Named) -> KeyRow {
    let mark = match &named.layer {
        Layer::Points { .. } | Layer::Band(_) => "area",
        Layer::Level(_) if named.tone == Tone::Proposed => "dashed",
        Layer::Line { is_dashed: false, .. } | Layer::Level(_) => "line",
        Layer::Line { is_dashed: true, .. } | Layer::At(_) => "dashed",
        Layer::Spans(_) => "block",
    };
    KeyRow { tone: named.tone.as_str(), mark, name: named.name.clone() }
}

fn picture(chart: &Chart, size: &Size) -> Picture {
    let range = (chart.from_s, chart.until_s.max(chart.from_s + 1));
    let (low, high) = extent(chart);
    let mut layout = Layout::new((range.0 as f64, range.1 as f64), (low, high))
        .with_width(f64::from(size.width))
        .with_height(f64::from(size.height))
        .with_clamp_axis()
        .with_x_axis_min(range.0 as f64)
        .with_x_axis_max(range.1 as f64)
        .with_theme(theme())
        .with_tick_size(12)
        .with_label_size(12)
        .with_y_label(chart.unit.clone())
        .with_x_label("UTC")
        .with_y_tick_format(TickFormat::Auto)
        .with_x_datetime(axis(range, size.ticks));
    let mut plots = Vec::new();
    for named in &chart.layers {
        layout = draw(named, range, size, layout, &mut plots);
    }
    // kuva leaves a picture without plots empty, axes included.
    if plots.is_empty() {
        plots.push(line(vec![(range.0, low), (range.1, low)], "none".to_owned()));
    }
    let whole = SvgBackend::new().render_scene(&render_multiple(plots, layout));
    Picture { size: size.name, width: size.width, height: size.height, body: inside(&whole) }
}

/// What stands between `<svg …>` and `</svg>`: the element itself is the template's, with its size and its names.
fn inside(svg: &str) -> String {
    let body = svg.split_once('>').map_or("", |(_, body)| body);
    body.strip_suffix("</svg>").unwrap_or(body).to_owned()
}

fn theme() -> Theme {
    let own = |name: &str| format!("var(--plot-{name})");
    Theme {
        background: "none".to_owned(),
        axis_color: own("axis"),
        grid_color: own("grid"),
        tick_color: own("axis"),
        text_color: own("text"),
        ..Theme::light()
    }
}

/// Days or hours, so many that their names do not touch.
fn axis((from_s, until_s): (i64, i64), ticks: i64) -> DateTimeAxis {
    let span = until_s - from_s;
    let steps = |unit: i64| usize::try_from((span / unit).div_euclid(ticks) + 1).unwrap_or(1);
    if span <= HOURS_SPAN_S {
        // Steps that divide a day, so that midnight has its tick.
        let step = [1, 2, 3, 6, 12, 24].into_iter().find(|hours| *hours >= steps(HOUR_S));
        return DateTimeAxis::hours("%-d %b %H:%M").with_step(step.unwrap_or(24));
    }
    DateTimeAxis::days("%-d %b").with_step(steps(DAY_S))
}

/// The axis of values: from zero, or from below it where something is.
fn extent(chart: &Chart) -> (f64, f64) {
    let mut values = Vec::new();
    for Named { layer, .. } in &chart.layers {
        match layer {
            Layer::Points { points, .. } | Layer::Line { points, .. } => {
                values.extend(points.iter().map(|point| point.1));
            }
            Layer::Band(points) => values.extend(points.iter().flat_map(|one| [one.1, one.2])),
            Layer::Level(value) => values.push(*value),
            Layer::Spans(_) | Layer::At(_) => {}
        }
    }
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(0.0, f64::min), finite().fold(0.0, f64::max));
    if high > low { (low * ROOM_RATIO, high * ROOM_RATIO) } else { (low, low + 1.0) }
}

fn draw(
    named: &Named,
    range: (i64, i64),
    size: &Size,
    layout: Layout,
    plots: &mut Vec<Plot>,
) -> Layout {
    let colour = named.tone.colour();
    match &named.layer {
        Layer::Points { points, step_s } => {
            let columns = thin(points, range, size.columns);
            for segment in segments(&columns, range, (size.columns, *step_s)) {
                plots.push(band(segment.iter().map(Column::spread), &colour));
                let means = segment.iter().map(|one| (one.at_s, one.mean)).collect();
                plots.push(line(means, colour.clone()));
            }
            layout
        }
        Layer::Band(points) => {
            plots.push(band(points.iter().copied(), &colour));
            layout
        }
        Layer::Line { points, is_step, is_dashed } => {
            let drawn = LinePlot::new().with_data(on_axis(points)).with_color(colour);
            let drawn = drawn.with_stroke_width(1.5);
            let drawn = if *is_step { drawn.with_step() } else { drawn };
            plots.push(Plot::Line(if *is_dashed { drawn.with_dashed() } else { drawn }));
            layout
        }
        Layer::Level(value) if !value.is_finite() => layout,
        Layer::Level(value) => layout.with_reference_line(
            ReferenceLine::horizontal(*value)
                .with_color(colour)
                .with_stroke_width(2.0)
                .with_dasharray(if named.tone == Tone::Proposed { "9 6" } else { "none" }),
        ),
        Layer::Spans(spans) => spans.iter().fold(layout, |layout, (from_s, until_s)| {
            // At least a pixel and a half, or a breach of five minutes in five weeks could not be seen.
            let least = (range.1 - range.0) as f64 * 1.5 / f64::from(size.width);
            let (from, until) = (*from_s as f64, *until_s as f64);
            let region = ShadedRegion::vertical(from, until.max(from + least));
            layout.with_shaded_region(region.with_color(&colour).with_opacity(SPAN_OPACITY))
        }),
        Layer::At(at_s) => layout.with_reference_line(
            ReferenceLine::vertical(*at_s as f64).with_color(colour).with_stroke_width(1.5),
        ),
    }
}

fn on_axis(points: &[(i64, f64)]) -> Vec<(f64, f64)> {
    let finite = points.iter().filter(|(_, value)| value.is_finite());
    finite.map(|(at, value)| (*at as f64, *value)).collect()
}

fn line(points: Vec<(i64, f64)>, colour: String) -> Plot {
    Plot::Line(
        LinePlot::new().with_data(on_axis(&points)).with_color(colour).with_stroke_width(1.2),
    )
}

fn band(points: impl Iterator<Item = (i64, f64, f64)>, colour: &str) -> Plot {
    let finite = points.filter(|(_, low, high)| low.is_finite() && high.is_finite());
    let (mut at, mut low, mut high) = (Vec::new(), Vec::new(), Vec::new());
    for point in finite {
        at.push(point.0 as f64);
        low.push(point.1);
        high.push(point.2);
    }
    Plot::Band(BandPlot::new(at, low, high).with_color(colour).with_opacity(BAND_OPACITY))
}

#[cfg(test)]
mod tests;
