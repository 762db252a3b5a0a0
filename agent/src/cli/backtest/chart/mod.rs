//! The curve of risk against cost as an SVG, for light and dark pages.
//!
//! Drawn by hand: labels must keep clear of each other, of points and of intervals, which no plotting crate at hand
//! does. Not here: the figures (`sizing`).

mod axis;
mod labels;

use std::fmt::Write;

use trimtab_models::backtest::{Interval, sizes::SizesScore};

use self::{
    axis::{Axis, Scale},
    labels::{Box2, Label, Taken, place, segment},
};
use super::sizing::{AS_PROVISIONED, CurvePoint, PolicyKind, PolicyReport, SizingReport};

/// The picture, pixels.
const WIDTH: f64 = 920.0;
const HEIGHT: f64 = 600.0;
/// Where the plot is in it, pixels: room for the title above, for axes and notes below.
const PLOT: Box2 = Box2 { left: 76.0, top: 76.0, right: 892.0, bottom: 484.0 };
/// Radius of a policy's point and half the width of an interval's end, pixels.
const POINT_PX: f64 = 4.5;
const CAP_PX: f64 = 4.0;
/// Radius of the curve's own points, pixels.
const DOT_PX: f64 = 2.0;
/// The risk axis reaches at least this far, percent of machines, so that a fleet without violations has an axis too.
const RISK_MIN_PERCENT: f64 = 2.0;
/// Room before the first and beyond the last point, as a ratio of the axis: points at zero have a left side, too.
const ROOM_RATIO: f64 = 0.05;
/// The cost axis is at least so long, so that policies that hardly differ look so.
const COST_SPAN_MIN: f64 = 0.2;

/// Colours of both themes; the contrast of every text with its ground is above 4.5.
const STYLE: &str = "\
.ground{fill:#ffffff}.text{fill:#1c2430}.faint{fill:#56606e}.grid{stroke:#dfe3e8}.axis{stroke:#56606e}\
.rule{fill:#56606e;stroke:#56606e}.own{fill:#0b6bcb;stroke:#0b6bcb}.own-text{fill:#0b5cad;font-weight:600}\
.oracle{stroke:#8a5a00}.oracle-text{fill:#8a5a00}\
.interval{stroke-width:1.5;opacity:.55}.curve{fill:none;stroke-width:2}.leader{stroke-width:.8;opacity:.7}\
text{font:12px system-ui,'Segoe UI','DejaVu Sans',sans-serif}.title{font-size:16px;font-weight:600}\
@media (prefers-color-scheme:dark){\
.ground{fill:#12161c}.text{fill:#e8ecf1}.faint{fill:#a5afbc}.grid{stroke:#2a313b}.axis{stroke:#a5afbc}\
.rule{fill:#a5afbc;stroke:#a5afbc}.own{fill:#5cb0ff;stroke:#5cb0ff}.own-text{fill:#84c4ff}\
.oracle{stroke:#e0b050}.oracle-text{fill:#e0b050}}";

/// A policy on the plane.
struct Point<'a> {
    name: &'a str,
    is_own: bool,
    risk_percent: f64,
    cost: Interval,
    x: f64,
    y: f64,
}

/// The plane: where a risk and a cost are.
struct Plane {
    risk: Scale,
    cost: Scale,
}

/// Draws the policies of a report.
pub(super) fn draw(report: &SizingReport) -> String {
    let scored: Vec<(&PolicyReport, &SizesScore)> = report
        .policies
        .iter()
        .filter(|policy| policy.kind != PolicyKind::Reference)
        .filter_map(|policy| Some((policy, policy.score.as_ref()?)))
        .collect();
    let plane = plane(&scored);
    let mut points: Vec<Point<'_>> =
        scored.iter().map(|(policy, score)| point(policy, score, &plane)).collect();
    points.sort_by(|left, right| left.risk_percent.total_cmp(&right.risk_percent));
    let mut svg = String::new();
    head(&mut svg, report);
    axes(&mut svg, &plane);
    if points.is_empty() {
        text(&mut svg, "text", (PLOT.left + 16.0, PLOT.top + 28.0), "No machine could be judged.");
    }
    let curve = curve(&mut svg, &report.curve, &plane);
    marks(&mut svg, &points, &plane);
    names(&mut svg, &points, &curve, &plane);
    notes(&mut svg, report);
    svg.push_str("</svg>\n");
    svg
}

fn plane(scored: &[(&PolicyReport, &SizesScore)]) -> Plane {
    let costs = || scored.iter().map(|(_, score)| score.cost_to_oracle);
    // The oracle's 1 is always on the plane.
    let low = costs().map(|cost| cost.low).fold(1.0, f64::min);
    let high = costs().map(|cost| cost.high).fold(1.0, f64::max);
    let risk = scored
        .iter()
        .map(|(_, score)| score.violating_ratio * 100.0)
        .fold(RISK_MIN_PERCENT, f64::max);
    let aside = risk * ROOM_RATIO;
    let room = ((high - low) * ROOM_RATIO).max((COST_SPAN_MIN - (high - low)) / 2.0);
    Plane {
        risk: Axis::over(-aside, risk + aside).between(PLOT.left, PLOT.right),
        cost: Axis::over(low - room, high + room).between(PLOT.bottom, PLOT.top),
    }
}

fn point<'a>(policy: &'a PolicyReport, score: &SizesScore, plane: &Plane) -> Point<'a> {
    let risk_percent = score.violating_ratio * 100.0;
    Point {
        name: &policy.policy,
        is_own: policy.kind == PolicyKind::Trimtab,
        risk_percent,
        cost: score.cost_to_oracle,
        x: plane.risk.px(risk_percent),
        y: plane.cost.px(score.cost_to_oracle.value),
    }
}

fn head(svg: &mut String, report: &SizingReport) {
    let title = format!(
        "Risk and cost of sizes: {} machine{}, {} days learnt from, {:.1} judged",
        report.machines_judged,
        if report.machines_judged == 1 { "" } else { "s" },
        report.train_days,
        report.test_days
    );
    line(
        svg,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"{title}\">"
        ),
    );
    line(svg, format_args!("<title>{title}</title>\n<style>{STYLE}</style>"));
    line(svg, format_args!("<rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>"));
    text(svg, "text title", (PLOT.left, 32.0), &title);
    let how = "Lower and further left is better. Line: Trimtab over its risk targets. Bars: 90 % bootstrap interval of the cost.";
    text(svg, "faint", (PLOT.left, 54.0), how);
}

fn axes(svg: &mut String, plane: &Plane) {
    for (at, name) in plane.risk.ticks() {
        rule(svg, "grid", (at, PLOT.top), (at, PLOT.bottom));
        anchored(svg, "faint", "middle", (at, PLOT.bottom + 18.0), &format!("{name} %"));
    }
    for (at, name) in plane.cost.ticks() {
        rule(svg, "grid", (PLOT.left, at), (PLOT.right, at));
        anchored(svg, "faint", "end", (PLOT.left - 8.0, at + 4.0), &name);
    }
    rule(svg, "axis", (PLOT.left, PLOT.bottom), (PLOT.right, PLOT.bottom));
    rule(svg, "axis", (PLOT.left, PLOT.top), (PLOT.left, PLOT.bottom));
    let middle = f64::midpoint(PLOT.left, PLOT.right);
    let risk = "risk: machines that exceeded their size in more than 1 % of the samples judged, %";
    anchored(svg, "text", "middle", (middle, PLOT.bottom + 40.0), risk);
    let across = f64::midpoint(PLOT.top, PLOT.bottom);
    line(
        svg,
        format_args!(
            "<text class=\"text\" text-anchor=\"middle\" transform=\"translate(22 {across:.1}) rotate(-90)\">cost: vCPU chosen ÷ vCPU of the oracle</text>"
        ),
    );
    let oracle = plane.cost.px(1.0);
    line(
        svg,
        format_args!(
            "<line class=\"oracle\" stroke-dasharray=\"6 4\" x1=\"{}\" y1=\"{oracle:.1}\" x2=\"{}\" y2=\"{oracle:.1}\"/>",
            PLOT.left, PLOT.right
        ),
    );
    anchored(svg, "oracle-text", "end", (PLOT.right - 4.0, oracle - 6.0), ORACLE);
}

/// What stands at the oracle's line.
const ORACLE: &str = "oracle: 1";

/// Draws Trimtab's curve as far as it is on the plane, and says where it runs.
fn curve(svg: &mut String, curve: &[CurvePoint], plane: &Plane) -> Vec<(f64, f64)> {
    let on_plane = curve.iter().filter_map(|point| {
        let risk = point.score.violating_ratio * 100.0;
        let at = (plane.risk.px(risk), plane.cost.px(point.score.cost_to_oracle.value));
        PLOT.holds(&Box2::around(at.0, at.1, 0.0)).then_some((point, at))
    });
    let on_plane: Vec<(&CurvePoint, (f64, f64))> = on_plane.collect();
    let places: Vec<(f64, f64)> = on_plane.iter().map(|(_, at)| *at).collect();
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let path = path.join(" ");
    // The class fills points; a curve has nothing to fill, in either theme.
    line(
        svg,
        format_args!("<polyline class=\"own curve\" style=\"fill:none\" points=\"{path}\"/>"),
    );
    for (CurvePoint { risk_target, score }, (x, y)) in on_plane {
        line(
            svg,
            format_args!(
                "<circle class=\"own\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{DOT_PX}\"><title>risk target {:.1} %: {:.3} × oracle, {:.1} % of machines</title></circle>",
                risk_target * 100.0,
                score.cost_to_oracle.value,
                score.violating_ratio * 100.0
            ),
        );
    }
    places
}

fn marks(svg: &mut String, points: &[Point<'_>], plane: &Plane) {
    for point in points {
        let (low, high) = (plane.cost.px(point.cost.low), plane.cost.px(point.cost.high));
        let class = if point.is_own { "own" } else { "rule" };
        let (left, right) = (point.x - CAP_PX, point.x + CAP_PX);
        line(
            svg,
            format_args!(
                "<path class=\"{class} interval\" d=\"M{:.1} {low:.1}V{high:.1}M{left:.1} {low:.1}H{right:.1}M{left:.1} {high:.1}H{right:.1}\"/>",
                point.x
            ),
        );
    }
    for point in points {
        let class = if point.is_own { "own" } else { "rule" };
        line(
            svg,
            format_args!(
                "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{POINT_PX}\"><title>{}: {:.3} [{:.3}, {:.3}] × oracle, {:.1} % of machines</title></circle>",
                point.x,
                point.y,
                escaped(point.name),
                point.cost.value,
                point.cost.low,
                point.cost.high,
                point.risk_percent
            ),
        );
    }
}

/// Writes the name of each point where it keeps clear of all else, Trimtab's first.
fn names(svg: &mut String, points: &[Point<'_>], curve: &[(f64, f64)], plane: &Plane) {
    let mut taken = Taken::default();
    for point in points {
        let (low, high) = (plane.cost.px(point.cost.low), plane.cost.px(point.cost.high));
        let mark = Box2::around(point.x, point.y, POINT_PX);
        taken.all.push(mark);
        taken.solid.push(mark);
        taken.all.push(Box2 { left: point.x - 1.0, right: point.x + 1.0, top: high, bottom: low });
        taken.all.extend([low, high].map(|at| Box2::around(point.x, at, CAP_PX)));
    }
    for pair in curve.windows(2) {
        taken.all.extend(segment(pair[0], pair[1]));
    }
    let oracle = plane.cost.px(1.0);
    taken.all.push(Box2 {
        left: PLOT.left,
        right: PLOT.right,
        top: oracle - 1.0,
        bottom: oracle + 1.0,
    });
    let text_left = PLOT.right - 4.0 - labels::width_px(ORACLE);
    let text_box =
        Box2 { left: text_left, right: PLOT.right, top: oracle - 20.0, bottom: oracle - 2.0 };
    taken.all.push(text_box);
    taken.solid.push(text_box);
    let (own, published): (Vec<_>, Vec<_>) = points.iter().partition(|point| point.is_own);
    for point in own.into_iter().chain(published) {
        let Label { at, from, boundary } = place(point.name, (point.x, point.y), &taken, PLOT);
        let class = if point.is_own { "own" } else { "rule" };
        if let Some((x, y)) = from {
            line(
                svg,
                format_args!(
                    "<line class=\"{class} leader\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{y:.1}\"/>",
                    point.x, point.y
                ),
            );
            taken.all.extend(segment((point.x, point.y), (x, y)));
        }
        text(svg, if point.is_own { "own-text" } else { "text" }, at, point.name);
        taken.all.push(boundary);
        taken.solid.push(boundary);
    }
}

fn notes(svg: &mut String, report: &SizingReport) {
    let score = |name: &str| {
        let found = report.policies.iter().find(|policy| policy.policy == name);
        found.and_then(|policy| policy.score)
    };
    let mut notes = vec![
        "Oracle: the smallest size that at most 1 % of the samples judged exceed, known in hindsight."
            .to_owned(),
    ];
    if let Some(provisioned) = score(AS_PROVISIONED) {
        notes.push(format!(
            "As provisioned (not drawn): cost {:.3} × oracle, {:.1} % of machines.",
            provisioned.cost_to_oracle.value,
            provisioned.violating_ratio * 100.0
        ));
    }
    let own = report.policies.iter().find(|policy| policy.preset == Some(report.preset));
    let upsized =
        own.and_then(|policy| policy.score).and_then(|score| score.saturated_upsized_ratio);
    if let (Some(own), Some(upsized)) = (own, upsized) {
        notes.push(format!(
            "{} saturated machines are judged apart: {} gives {:.1} % of them more.",
            report.machines_saturated,
            own.policy,
            upsized * 100.0
        ));
    }
    for (note, at) in notes.iter().zip([550.0, 567.0, 584.0]) {
        text(svg, "faint", (PLOT.left, at), note);
    }
}

fn line(svg: &mut String, text: std::fmt::Arguments<'_>) {
    svg.write_fmt(text).expect("writing to memory cannot fail");
    svg.push('\n');
}

fn rule(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    line(
        svg,
        format_args!(
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.0, from.1, to.0, to.1
        ),
    );
}

fn text(svg: &mut String, class: &str, at: (f64, f64), words: &str) {
    anchored(svg, class, "start", at, words);
}

fn anchored(svg: &mut String, class: &str, anchor: &str, at: (f64, f64), words: &str) {
    line(
        svg,
        format_args!(
            "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            at.0,
            at.1,
            escaped(words)
        ),
    );
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
