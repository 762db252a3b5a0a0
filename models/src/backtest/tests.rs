//! Tables computed by hand for windows, gaps, quantiles, rules and scores.
//!
//! Not here: the judged files, which are scored by an independent program too.

use proptest::prelude::*;

use super::{
    fill_gaps,
    forecasts::{ForecastScore, scale, score as score_forecast, summarize},
    plain::PlainForecaster,
    quantile::{quantile_sorted, sorted, weighted_quantile},
    rules::{PublishedRule, Training},
    sizes::{RecordedMachine, Terms, score as score_sizes, step_of},
    windows::{Split, SplitDays, TooShort, origins},
};

const GAP: f64 = f64::NAN;
const LADDER: [f64; 4] = [0.5, 1.0, 2.0, 4.0];

fn near(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-12 * right.abs().max(1.0)
}

fn all_near(left: &[f64], right: &[f64]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| near(*left, *right))
}

#[test]
fn gaps_are_filled_by_straight_lines() {
    for (values, expect) in [
        (vec![1.0, GAP, GAP, 4.0], vec![1.0, 2.0, 3.0, 4.0]),
        (vec![GAP, GAP, 5.0, GAP, 7.0, GAP], vec![5.0, 5.0, 5.0, 6.0, 7.0, 7.0]),
        (vec![2.0], vec![2.0]),
        (vec![GAP, -3.0], vec![-3.0, -3.0]),
    ] {
        let filled = fill_gaps(&values).expect("there is a value");
        assert!(all_near(&filled, &expect), "{values:?}: {filled:?}");
    }
    assert_eq!(fill_gaps(&[]), None);
    assert_eq!(fill_gaps(&[GAP, GAP]), None);
}

#[test]
fn a_file_is_split_into_days() {
    let days = SplitDays { skip: 1, train: 2, test: 3 };
    let split = |rows| Split::new(rows, 10, days);
    assert_eq!(split(60), Ok(Split { train: 10..30, test: 30..60 }));
    assert_eq!(split(99), Ok(Split { train: 10..30, test: 30..60 }));
    assert_eq!(split(45), Ok(Split { train: 10..30, test: 30..45 }), "judged as far as it goes");
    assert_eq!(split(39), Err(TooShort { needed_rows: 40, rows: 39 }));
    let endless = SplitDays { skip: usize::MAX, train: usize::MAX, test: 1 };
    assert!(Split::new(100, 10, endless).is_err());
}

#[test]
fn origins_are_the_last_horizons_back_to_back() {
    assert_eq!(origins(50, 10, 5, 3), Ok(vec![35, 40, 45]));
    assert_eq!(origins(35, 10, 5, 3), Ok(vec![20, 25, 30]));
    assert_eq!(origins(34, 10, 5, 3), Err(TooShort { needed_rows: 35, rows: 34 }));
    assert!(origins(34, 10, usize::MAX, 2).is_err());
}

#[test]
fn quantiles_in_64_bits() {
    for (q, expect) in [(0.0, 1.0), (0.25, 1.75), (0.5, 2.5), (0.9, 3.7), (1.0, 4.0)] {
        assert!(near(quantile_sorted(&[1.0, 2.0, 3.0, 4.0], q).expect("numbers"), expect), "{q}");
    }
    assert_eq!(quantile_sorted(&[], 0.5), None);
    // Weights 1, 2, 5 of the values 10, 20, 30: a share of 3/8 ends at 20, anything above at 30.
    let weighted = |q| {
        let weights = [5.0, 1.0, 2.0];
        weighted_quantile(&[30.0, 10.0, 20.0], &[1, 2, 0], |index| weights[index], q)
    };
    assert_eq!(
        [0.0, 0.125, 0.126, 0.375, 0.376, 1.0].map(weighted),
        [10.0, 10.0, 20.0, 20.0, 30.0, 30.0].map(Some)
    );
    assert_eq!(weighted_quantile(&[], &[], |_| 1.0, 0.5), None);
}

#[test]
fn published_rules_on_a_ramp() {
    // 0, 1, … 100 over a day: plain quantiles are their percent.
    let training = Training::new((0..=100).map(f64::from).collect(), 101);
    let need = |rule: PublishedRule| rule.need(&training).expect("there are rows");
    for (rule, expect) in [
        (PublishedRule::ComputeOptimizerP90, 90.0),
        (PublishedRule::KrrP95, 95.0),
        (PublishedRule::P99, 99.0),
        (PublishedRule::ComputeOptimizerP95, 95.0 / 0.7),
        (PublishedRule::ComputeOptimizerP99_5, 99.5 / 0.8),
        (PublishedRule::Maximum, 115.0),
    ] {
        assert!(near(need(rule), expect), "{rule:?}: {}", need(rule));
    }
    assert_eq!(PublishedRule::KrrP95.need(&Training::new(Vec::new(), 101)), None);
}

#[test]
fn published_rules_that_weigh_recent_use() {
    // Two rows a day: weights of VPA, oldest first, are 2^-1.5, 2^-1, 2^-0.5, 1 = 0.354, 0.5, 0.707, 1, in all 2.561.
    // By value: 1 (weight 1), 2 (0.707), 3 (0.5), 8 (0.354). 90 % of all is 2.305, which 3 does not reach (2.207).
    let training = Training::new(vec![8.0, 3.0, 2.0, 1.0], 2);
    assert_eq!(PublishedRule::VpaP90.need(&training), Some(8.0 * 1.15));
    // Of Autopilot, 2^-3, 2^-2, 2^-1, 1, times the load: 1, 0.75, 1, 1, in all 3.75. 95 % is 3.5625: past 3 (2.75).
    assert_eq!(PublishedRule::AutopilotP95.need(&training), Some(8.0 * 1.15));
    // Old load fades: weights 2^-20 … 1, so that the last value alone is more than 98 % of the load.
    let mut fading = vec![4.0; 10];
    fading.extend([0.0; 10]);
    fading.push(2.0);
    let training = Training::new(fading, 1);
    assert_eq!(PublishedRule::AutopilotP98.need(&training), Some(2.0 * 1.15));
    let idle = Training::new(vec![0.0; 5], 1);
    assert_eq!(PublishedRule::AutopilotP98.need(&idle), Some(0.0), "weights do not vanish");
}

#[test]
fn needs_take_the_next_step_of_the_ladder() {
    for (need, expect) in [(0.0, 0.5), (0.5, 0.5), (0.500_000_001, 0.5), (0.6, 1.0), (9.0, 4.0)] {
        assert_eq!(step_of(&LADDER, need), Some(expect), "{need}");
    }
    assert_eq!(step_of(&[], 1.0), None);
}

/// A machine of 4 cores that used `train` percent on every row learnt from and `test` on those judged.
fn machine(train: &[f64], test: &[f64]) -> RecordedMachine {
    let split = Split { train: 0..train.len(), test: train.len()..train.len() + test.len() };
    let terms = Terms { split: &split, rows_per_day: 2, ladder_vcpu: &LADDER };
    RecordedMachine::new(&[train, test].concat(), 4.0, terms).expect("nothing is empty")
}

#[test]
fn sizes_are_scored() {
    // Needs 1 vCPU of 4 in the end; half of the rows use exactly that.
    let steady = machine(&[25.0; 4], &[25.0, 25.0, 10.0, 10.0]);
    assert!(!steady.saturated && near(steady.oracle_vcpu, 1.0));
    // A size that is exactly met is enough.
    assert!(all_near(&[1.0, 0.5].map(|vcpu| steady.violation_ratio(vcpu)), &[0.0, 0.5]));
    // Grows: the 99th percentile of 10, 10, 10, 50 is 48.8 % of 4 cores = 1.952.
    let growing = machine(&[10.0; 4], &[10.0, 10.0, 10.0, 50.0]);
    assert!(near(growing.oracle_vcpu, 2.0));
    let full = machine(&[100.0; 4], &[100.0; 4]);
    assert!(full.saturated);

    let score =
        score_sizes(&[(&steady, 2.0), (&growing, 0.5), (&full, 4.0)]).expect("two are open");
    assert!(near(score.cost_to_oracle.value, 2.5 / 3.0));
    assert!(score.cost_to_oracle.low <= 2.5 / 3.0 && score.cost_to_oracle.high >= 2.5 / 3.0);
    // The second used 2 vCPU once in four rows.
    assert_eq!((score.violating_ratio, score.violation_ratio), (0.5, 0.125));
    assert_eq!((score.exact_ratio, score.undersized_ratio), (0.0, 0.5));
    assert!(near(score.saving_ratio, 1.0 - 2.5 / 8.0));
    assert_eq!(score.saturated_upsized_ratio, Some(0.0), "4 is not more than 4");
    assert_eq!(score_sizes(&[(&full, 8.0)]), None);
    assert_eq!(score_sizes(&[]), None);
    let unsaturated = score_sizes(&[(&steady, 1.0)]).expect("it is open");
    assert_eq!((unsaturated.saturated_upsized_ratio, unsaturated.exact_ratio), (None, 1.0));
}

#[test]
fn forecasts_are_scored() {
    let row = [0.0, 1.0, 5.0, 9.0, 10.0, 11.0, 12.0];
    // By hand for 6: losses of the levels .1 .5 .9 .95 .99 are .5 .5 .3 .2 .06, their mean 0.312.
    let score = score_forecast(&[6.0], &[row], 2.0).expect("there is a row");
    assert!(near(score.scaled_pinball, 0.156) && near(score.scaled_error, 0.5));
    assert_eq!((score.within_80, score.within_95, score.up_95, score.up_99), (1.0, 1.0, 1.0, 1.0));
    // For 11: 1.0 3.0 1.8 .95 .01, mean 1.352; beyond the 0.95 quantile and at the 0.975.
    let score = score_forecast(&[11.0], &[row], 1.0).expect("there is a row");
    assert!(near(score.scaled_pinball, 1.352));
    assert_eq!((score.within_80, score.within_95, score.up_95, score.up_99), (0.0, 1.0, 0.0, 1.0));
    // Both: the mean.
    let score = score_forecast(&[6.0, 11.0], &[row, row], 1.0).expect("there are rows");
    assert!(near(score.scaled_pinball, (0.312 + 1.352) / 2.0) && near(score.up_95, 0.5));
    assert_eq!(score_forecast(&[], &[], 1.0), None);
}

#[test]
fn the_scale_is_what_a_day_changes() {
    assert_eq!(scale(&[1.0, 2.0, 3.0, 2.0], 2), Some(1.0));
    assert_eq!(scale(&[1.0, 2.0, 3.0], 2), None, "less than two days");
    assert_eq!(scale(&[1.0; 8], 2), None, "it does not move");
    assert_eq!(scale(&[1.0; 8], 0), None);
}

#[test]
fn plain_forecasters() {
    let forecast = |forecaster: PlainForecaster, known: &[f64], horizon| {
        let rows = forecaster.forecast(known, 2, horizon);
        rows.iter().map(|row| row[2]).collect::<Vec<_>>()
    };
    let saw = [1.0, 3.0, 1.0, 3.0, 1.0, 3.0, 2.0];
    // Differences of a day are 0, 0, 0, 0 and 1; their median is 0.
    assert_eq!(forecast(PlainForecaster::NaiveDay, &saw, 3), [3.0, 2.0, 3.0]);
    assert_eq!(forecast(PlainForecaster::NaiveWeek, &saw, 3), [3.0, 2.0, 3.0], "too short: a day");
    assert_eq!(forecast(PlainForecaster::Level, &saw, 2), [2.0, 2.0]);
    assert_eq!(forecast(PlainForecaster::LastDay, &saw, 2), [2.5, 2.5]);
    // Seven neighbours with a period of two: the own time of day 3 times, the other 4 times, or the other way round.
    assert_eq!(forecast(PlainForecaster::TimeOfDay, &[1.0, 3.0, 1.0, 3.0], 3), [3.0, 1.0, 3.0]);
    let weeks: Vec<f64> = (0..28).map(|row| f64::from(row % 14)).collect();
    assert_eq!(forecast(PlainForecaster::NaiveWeek, &weeks, 3), [0.0, 1.0, 2.0]);
}

#[test]
fn forecasters_are_ranked_series_by_series() {
    let scored = |losses: [f64; 2], up_95| {
        losses
            .map(|scaled_pinball| ForecastScore { scaled_pinball, up_95, ..Default::default() })
            .to_vec()
    };
    let all = [scored([1.0, 4.0], 0.95), scored([2.0, 3.0], 0.89), scored([2.0, 3.0], 0.95)];
    let [first, second, third] =
        summarize(&all).try_into().expect("one summary for each forecaster");
    assert_eq!((first.mean_rank, second.mean_rank, third.mean_rank), (2.0, 1.5, 2.5));
    assert_eq!((first.best_ratio, second.best_ratio, third.best_ratio), (0.5, 0.5, 0.5));
    assert_eq!((first.badly_covered_ratio, second.badly_covered_ratio), (0.0, 1.0));
    assert_eq!((first.mean.scaled_pinball, first.scaled_pinball_median), (2.5, 2.5));
    assert!(summarize(&[Vec::new()]).is_empty());
}

proptest! {
    #[test]
    fn more_is_never_exceeded_more(
        use_percent in prop::collection::vec(0.0_f64..120.0, 20..60),
        cores in 1.0_f64..8.0,
    ) {
        let split = Split { train: 0..10, test: 10..use_percent.len() };
        let terms = Terms { split: &split, rows_per_day: 5, ladder_vcpu: &LADDER };
        let machine = RecordedMachine::new(&use_percent, cores, terms).expect("nothing is empty");
        for pair in LADDER.windows(2) {
            prop_assert!(machine.violation_ratio(pair[0]) >= machine.violation_ratio(pair[1]));
        }
        // The rule with the most room never takes less than the median would.
        let need = |q| quantile_sorted(&sorted(use_percent[..10].to_vec()), q).expect("rows") / 100.0 * cores;
        let maximum = *machine.published_vcpu.last().expect("nine rules");
        prop_assert!(maximum >= step_of(&LADDER, need(0.5)).expect("steps"));
    }

    #[test]
    fn filling_keeps_what_is_there(
        values in prop::collection::vec(prop::option::of(-5.0_f64..5.0), 1..50),
    ) {
        let holed: Vec<f64> = values.iter().map(|value| value.unwrap_or(GAP)).collect();
        match fill_gaps(&holed) {
            None => prop_assert!(values.iter().all(Option::is_none)),
            Some(filled) => {
                prop_assert!(filled.iter().all(|value| value.abs() <= 5.0));
                for (filled, value) in filled.iter().zip(&values) {
                    prop_assert!(value.is_none_or(|value| near(*filled, value)));
                }
            }
        }
    }
}
