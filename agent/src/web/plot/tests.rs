//! Plots on five weeks of points, and on what is none.

use super::*;

fn chart(layers: Vec<Layer>) -> Chart {
    let named = |layer| Named { name: "one".to_owned(), tone: Tone::Seen, layer };
    Chart {
        title: "CPU".to_owned(),
        summary: "Nothing.".to_owned(),
        unit: "percent".to_owned(),
        from_s: 1_772_409_600,
        until_s: 1_772_409_600 + 35 * DAY_S,
        layers: layers.into_iter().map(named).collect(),
    }
}

fn points(count: i64) -> Vec<(i64, f64)> {
    (0..count).map(|slot| (1_772_409_600 + slot * 300, 20.0 + (slot % 288) as f64 / 10.0)).collect()
}

#[test]
fn five_weeks_of_points_stay_small_and_take_their_colours_from_the_style_sheet() {
    let layer = Layer::Points { points: points(35 * 288), step_s: 300 };
    let figure = chart(vec![layer, Layer::Level(100.0), Layer::At(1_772_500_000)]).draw("usage-1");
    for picture in &figure.pictures {
        let body = &picture.body;
        assert!(body.len() < 40_000, "{}: {} bytes", picture.size, body.len());
        assert!(body.contains("var(--plot-seen)") && body.contains("percent"), "{body}");
        // The page's own policy: neither styles nor scripts of a picture are applied.
        assert!(!body.contains("style=") && !body.contains("<style") && !body.contains("<script"));
        assert!(!body.contains("<svg") && !body.contains("</svg>"), "only the inside");
        assert!(!body.contains("NaN") && !body.contains("inf"), "{body}");
    }
    assert!(figure.pictures[1].body.len() < figure.pictures[0].body.len());
}

#[test]
fn degenerate_charts_are_drawn_without_numbers_that_are_none() {
    let odd = [f64::NAN, f64::INFINITY, -5.0, 0.0, 1e300];
    let odd_points: Vec<_> =
        odd.iter().enumerate().map(|(at, value)| (at as i64, *value)).collect();
    let line = Layer::Line { points: odd_points.clone(), is_step: true, is_dashed: true };
    let single = Layer::Points { points: vec![(1_772_409_700, 3.0)], step_s: 60 };
    let area = Layer::Band(vec![(0, f64::NAN, 1.0)]);
    for layers in [
        vec![],
        vec![Layer::Points { points: vec![], step_s: 300 }],
        vec![single],
        vec![Layer::Points { points: odd_points, step_s: 0 }],
        vec![line],
        vec![area],
        vec![Layer::Spans(vec![(5, 5), (10, 1)])],
        vec![Layer::Level(f64::NAN)],
    ] {
        let told = format!("{layers:?}");
        let figure = chart(layers).draw("usage-1");
        for picture in &figure.pictures {
            assert!(!picture.body.contains("NaN") && !picture.body.contains("inf"), "{told}");
            assert!(picture.body.contains("<text"), "the axes are drawn: {told}");
        }
    }
    let nothing = Chart { until_s: 0, from_s: 0, ..chart(vec![]) };
    assert!(nothing.draw("usage-1").pictures[0].body.len() < 40_000);
}

#[test]
fn the_axis_of_time_has_as_many_names_as_there_is_room_for() {
    for (span_s, ticks, most) in [
        (HOUR_S, 8, 8),
        (DAY_S, 3, 4),
        (3 * DAY_S, 8, 9),
        (42 * DAY_S, 3, 4),
        (3_650 * DAY_S, 8, 9),
    ] {
        let axis = axis((0, span_s), ticks);
        let count = axis.generate_ticks(0.0, span_s as f64).len();
        assert!((2..=most).contains(&count), "{span_s}: {count}");
    }
}
