//! What could be saved and what is saved, over time.
//!
//! Not here: what each amount rests on (`brief`, `trimtab_models::saving`).

use jiff::Timestamp;

use super::{Chart, DAY_S, Figure, HOUR_S, Layer, Named, Tone};

/// How far back the plot goes: as long as what is saved is measured.
const BACK_S: i64 = 60 * DAY_S;
/// Dates of a picture; more steps than it has pixels cannot be seen.
const STEPS_MAX: usize = 300;

/// An amount a month that counts for a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::web) struct Spell {
    /// From when, seconds since the epoch.
    pub(in crate::web) from_s: i64,
    /// Until when; `None` while it still counts.
    pub(in crate::web) until_s: Option<i64>,
    /// Dollars a month.
    pub(in crate::web) monthly: f64,
}

/// What is told over time.
#[derive(Debug, Default)]
pub(in crate::web) struct Savings {
    /// Open recommendations.
    pub(in crate::web) potential: Vec<Spell>,
    /// Changes in force, as promised.
    pub(in crate::web) promised: Vec<Spell>,
    /// Changes in force, as measured.
    pub(in crate::web) measured: Vec<Spell>,
}

/// The plot; `None` before anything was recommended.
pub(in crate::web) fn savings(savings: &Savings, now: Timestamp) -> Option<Figure> {
    let until_s = now.as_second();
    let all = [&savings.potential, &savings.promised, &savings.measured];
    let first_s = all.iter().flat_map(|spells| spells.iter()).map(|spell| spell.from_s).min()?;
    let from_s = first_s.max(until_s - BACK_S).min(until_s - HOUR_S);
    let sums = all.map(|spells| staircase(spells, (from_s, until_s)));
    let last = |index: usize| sums[index].last().map_or(0.0, |point| point.1);
    let summary = format!(
        "Now, in dollars a month before commitments: {:.0} could be saved by open recommendations, {:.0} were promised by the changes in force, {:.0} are saved as measured.",
        last(0),
        last(1),
        last(2)
    );
    let names = [
        ("potential: open recommendations", Tone::Today, true),
        ("promised: changes in force", Tone::Forecast, false),
        ("realized: changes in force, as measured", Tone::Proposed, false),
    ];
    let layers = sums.into_iter().zip(names).map(|(points, (name, tone, is_dashed))| Named {
        name: name.to_owned(),
        tone,
        layer: Layer::Line { points, is_step: true, is_dashed },
    });
    let chart = Chart {
        title: "Potential and realized saving".to_owned(),
        summary,
        unit: "dollars a month".to_owned(),
        from_s,
        until_s,
        layers: layers.collect(),
    };
    Some(chart.draw("savings"))
}

/// The sum of what counts, at evenly spread times from the first to the last.
fn staircase(spells: &[Spell], (from_s, until_s): (i64, i64)) -> Vec<(i64, f64)> {
    let mut steps: Vec<(i64, f64)> = Vec::with_capacity(spells.len() * 2);
    for spell in spells {
        steps.push((spell.from_s, spell.monthly));
        steps.extend(spell.until_s.map(|until| (until.max(spell.from_s), -spell.monthly)));
    }
    steps.sort_by_key(|step| step.0);
    let count = STEPS_MAX.min(usize::try_from(until_s - from_s).unwrap_or(1)).max(1);
    let mut points = Vec::with_capacity(count + 1);
    let (mut sum, mut next) = (0.0, 0);
    for index in 0..=count {
        let share = index as f64 / count as f64;
        let at_s = from_s + ((until_s - from_s) as f64 * share).round() as i64;
        while let Some((_, amount)) = steps.get(next).filter(|step| step.0 <= at_s) {
            sum += amount;
            next += 1;
        }
        points.push((at_s, sum));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_add_up_while_they_count() {
        let spell = |from_s, until_s, monthly| Spell { from_s, until_s, monthly };
        let spells = [spell(0, None, 10.0), spell(2, Some(4), 5.0), spell(9, Some(1), 7.0)];
        let points = staircase(&spells, (0, 6));
        assert_eq!(
            points,
            [(0, 10.0), (1, 10.0), (2, 15.0), (3, 15.0), (4, 10.0), (5, 10.0), (6, 10.0)]
        );
        assert!(savings(&Savings::default(), Timestamp::UNIX_EPOCH).is_none());
        let one = Savings { potential: vec![spell(0, None, 10.0)], ..Savings::default() };
        let figure = savings(&one, Timestamp::UNIX_EPOCH).expect("there is something to show");
        assert!(figure.summary.contains("10 could be saved"), "{}", figure.summary);
    }
}
