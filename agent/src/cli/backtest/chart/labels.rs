//! Where a label stands so that it keeps clear of everything else.
//!
//! Not here: what is drawn.

/// Height of a line of text, and how far its base line is above the foot, pixels.
const HEIGHT_PX: f64 = 15.0;
const DESCENT_PX: f64 = 4.0;
/// Mean width of a letter at 12 pixels; a wide font's, since the reader's is not known.
const LETTER_PX: f64 = 7.0;
/// Room around a label, pixels.
const ROOM_PX: f64 = 2.0;
/// How far labels are tried from their points, pixels: near ones first.
const DISTANCES_PX: [f64; 12] =
    [8.0, 14.0, 22.0, 32.0, 44.0, 58.0, 76.0, 98.0, 124.0, 156.0, 196.0, 244.0];
/// From which distance a line leads from the point to the label.
const LEADER_FROM_PX: f64 = 20.0;
/// Pixels between the boxes that stand for a line when labels keep clear of it.
const LINE_STEP_PX: f64 = 4.0;
/// Directions around the point, the right one first, where people look for a label.
const DIRECTIONS: usize = 24;

/// An upright rectangle, pixels; down is positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Box2 {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Box2 {
    /// A square around a point.
    pub(super) fn around(x: f64, y: f64, half: f64) -> Self {
        Self { left: x - half, top: y - half, right: x + half, bottom: y + half }
    }

    /// The area that two boxes share.
    fn shared(&self, other: &Self) -> f64 {
        let across = self.right.min(other.right) - self.left.max(other.left);
        let down = self.bottom.min(other.bottom) - self.top.max(other.top);
        across.max(0.0) * down.max(0.0)
    }

    pub(super) fn holds(&self, other: &Self) -> bool {
        other.left >= self.left
            && other.right <= self.right
            && other.top >= self.top
            && other.bottom <= self.bottom
    }
}

/// A label in its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label {
    /// Where its text begins, on the base line.
    pub(super) at: (f64, f64),
    /// Where a line from the point ends, for a label that is not right beside it.
    pub(super) from: Option<(f64, f64)>,
    /// What it takes up.
    pub(super) boundary: Box2,
}

/// The width of a line of text, pixels.
pub(super) fn width_px(words: &str) -> f64 {
    words.chars().count() as f64 * LETTER_PX
}

/// What is on the picture already.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Points, lines and solid: a label may cover none of them.
    pub(super) all: Vec<Box2>,
    /// The points and solid of them, which the line to a label may not cross either.
    pub(super) solid: Vec<Box2>,
}

/// Finds a place for `words` near a point: the nearest within `frame` that covers nothing and whose line crosses no
/// text or other point, else the nearest that covers nothing. In a frame that is full the label stands right of its
/// point, over whatever is there.
pub(super) fn place(words: &str, point: (f64, f64), taken: &Taken, frame: Box2) -> Label {
    let covers = |one: &Box2, boxes: &[Box2]| boxes.iter().any(|other| one.shared(other) > 0.0);
    let is_free =
        |label: &Label| frame.holds(&label.boundary) && !covers(&label.boundary, &taken.all);
    let own = Box2::around(point.0, point.1, DISTANCES_PX[0]);
    let is_clear = |label: &Label| {
        let mut line = label.from.into_iter().flat_map(|end| segment(point, end));
        line.all(|one| own.shared(&one) > 0.0 || !covers(&one, &taken.solid))
    };
    let around = || {
        DISTANCES_PX.into_iter().flat_map(|distance| {
            (0..DIRECTIONS).map(move |direction| candidate(words, point, distance, direction))
        })
    };
    let away = |label: &Label| (label.at.0 - point.0).hypot(label.at.1 - point.1);
    around()
        .find(|label| is_free(label) && is_clear(label))
        .or_else(|| around().find(is_free))
        .or_else(|| {
            let free = anywhere(words, frame).filter(is_free);
            free.min_by(|one, other| away(one).total_cmp(&away(other)))
        })
        .unwrap_or_else(|| candidate(words, point, DISTANCES_PX[0], 0))
}

/// Small boxes along a line.
pub(super) fn segment(from: (f64, f64), to: (f64, f64)) -> impl Iterator<Item = Box2> {
    let (across, down) = (to.0 - from.0, to.1 - from.1);
    let count = (across.hypot(down) / LINE_STEP_PX).ceil().max(1.0);
    (0..=count as usize).map(move |step| {
        let way = step as f64 / count;
        Box2::around(from.0 + across * way, from.1 + down * way, 1.0)
    })
}

/// Labels all over the frame, each led to at its left end.
fn anywhere(words: &str, frame: Box2) -> impl Iterator<Item = Label> {
    let steps = |from: f64, to: f64, by: f64| {
        let count = ((to - from) / by).max(0.0) as u32;
        (0..=count).map(move |step| from + f64::from(step) * by)
    };
    let lines = steps(frame.top + ROOM_PX, frame.bottom, HEIGHT_PX + 2.0 * ROOM_PX);
    lines.flat_map(move |top| {
        steps(frame.left + ROOM_PX, frame.right, HEIGHT_PX)
            .map(move |left| at(words, left, top, Some((left, top + HEIGHT_PX / 2.0))))
    })
}

/// The label whose nearest edge is `distance` from the point in a direction: right, then by turns below and above.
fn candidate(words: &str, point: (f64, f64), distance: f64, direction: usize) -> Label {
    let turn = direction.div_ceil(2) as f64 * if direction.is_multiple_of(2) { -1.0 } else { 1.0 };
    let angle = turn / DIRECTIONS as f64 * std::f64::consts::TAU;
    let (across, down) = (angle.cos(), angle.sin());
    let (x, y) = (point.0 + across * distance, point.1 + down * distance);
    // The box hangs from (x, y) by the side that faces the point.
    let left = x - width_px(words) * (1.0 - across) / 2.0;
    let top = y - HEIGHT_PX * (1.0 - down) / 2.0;
    at(words, left, top, (distance >= LEADER_FROM_PX).then_some((x, y)))
}

/// The label whose text has this corner.
fn at(words: &str, left: f64, top: f64, from: Option<(f64, f64)>) -> Label {
    let boundary = Box2 {
        left: left - ROOM_PX,
        top: top - ROOM_PX,
        right: left + width_px(words) + ROOM_PX,
        bottom: top + HEIGHT_PX + ROOM_PX,
    };
    Label { at: (left, top + HEIGHT_PX - DESCENT_PX), from, boundary }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Box2 = Box2 { left: 0.0, top: 0.0, right: 800.0, bottom: 400.0 };

    #[test]
    fn labels_at_one_point_keep_apart() {
        for point in [(400.0, 200.0), (3.0, 200.0), (797.0, 10.0)] {
            let mut taken =
                Taken { all: vec![Box2::around(point.0, point.1, 4.5)], solid: Vec::new() };
            for index in 0..12 {
                let label = place("Compute Optimizer P99.5 / 0.8", point, &taken, FRAME);
                assert!(FRAME.holds(&label.boundary), "{label:?}");
                let shared =
                    taken.all.iter().map(|other| label.boundary.shared(other)).sum::<f64>();
                assert!(shared <= 0.0, "label {index} at {point:?} covers something");
                taken.all.push(label.boundary);
                taken.solid.push(label.boundary);
            }
        }
    }

    #[test]
    fn a_lonely_label_stands_right_of_its_point() {
        let full =
            place("P99", (100.0, 100.0), &Taken { all: vec![FRAME], solid: Vec::new() }, FRAME);
        assert!(full.boundary.left > 100.0, "also where all is full: {full:?}");
        let label = place("P99", (100.0, 100.0), &Taken::default(), FRAME);
        assert!(label.from.is_none() && label.boundary.left > 100.0 && label.at.1 > 100.0);
    }
}
