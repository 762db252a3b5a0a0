//! `trimtab backtest sizing`: sizes chosen from some days of recorded CPU, judged on the days that followed.
//!
//! What chooses sees gaps as gaps; what is judged has them filled. Not here: tables and the chart (`report`, `chart`).

use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;
use trimtab_models::{
    backtest::{
        fill_gaps,
        rules::PublishedRule,
        sizes::{RecordedMachine, SizesScore, Terms, score},
        windows::{Split, SplitDays},
    },
    sizing::{
        ladder::{LadderChoice, choose, choose_by_risk},
        settings::{Preset, RiskRule},
    },
};

use super::{
    args::BacktestSizingArgs,
    chart, csv_row,
    error::BacktestError,
    meta_file,
    output::Output,
    progress, report,
    series_file::{Expected, SeriesFile},
};
use crate::cli::out::{print, print_json};

/// Trimtab's own presets, which are always judged.
const OWN: [Preset; 3] = [Preset::Frugal, Preset::Balanced, Preset::Cautious];

/// Risk targets of Trimtab's curve, 0–1: from where hardly any machine may fail to where most may.
const RISK_TARGETS: [f64; 12] =
    [0.01, 0.02, 0.035, 0.05, 0.075, 0.10, 0.14, 0.20, 0.30, 0.45, 0.60, 0.80];

/// The names of what is known in hindsight and of what is there.
const ORACLE: &str = "oracle";
pub(super) const AS_PROVISIONED: &str = "as provisioned";

/// Values of which none is above this are likely ratios: no fleet of any size stays below 1 % for weeks.
const LIKELY_RATIO: f64 = 1.0;

/// What came of a back-test of sizes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct SizingReport {
    /// Machines judged on cost and violations.
    pub(super) machines_judged: usize,
    /// Machines that were saturated while they were learnt from; judged on whether they got more.
    pub(super) machines_saturated: usize,
    /// Machines without any value, which are not judged.
    pub(super) machines_unmeasured: Vec<String>,
    pub(super) skip_days: u32,
    pub(super) train_days: u32,
    /// Days judged; fewer than asked for when the file ends before.
    pub(super) test_days: f64,
    pub(super) ladder_vcpu: Vec<f64>,
    /// The preset that decided the sizes written.
    pub(super) preset: &'static str,
    /// The preset's own mean probability, before the fact, that a judged machine exceeds its size in more than 1 % of rows.
    pub(super) stated_risk: Option<f64>,
    pub(super) policies: Vec<PolicyReport>,
    /// Trimtab's curve: the smallest size within each risk target.
    pub(super) curve: Vec<CurvePoint>,
    pub(super) warnings: Vec<String>,
}

/// How one policy did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct PolicyReport {
    pub(super) policy: String,
    pub(super) kind: PolicyKind,
    /// Which of Trimtab's presets it is, if it is one.
    pub(super) preset: Option<&'static str>,
    /// `None` when no machine could be judged.
    pub(super) score: Option<SizesScore>,
}

/// How sizes within one risk target did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct CurvePoint {
    /// Probability at most that a machine exceeds its size in more than 1 % of the rows of the coming week.
    pub(super) risk_target: f64,
    pub(super) score: SizesScore,
}

/// Whose policy it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PolicyKind {
    Published,
    Trimtab,
    /// What is known in hindsight, and what is there.
    Reference,
}

/// One machine: how it is judged, and what each preset chose for it.
struct Case {
    recorded: Option<RecordedMachine>,
    choices: Vec<LadderChoice>,
    /// The size for each of [`RISK_TARGETS`], vCPU.
    curve_vcpu: Vec<f64>,
}

pub(super) fn run(args: &BacktestSizingArgs, json: bool) -> Result<(), BacktestError> {
    let file = SeriesFile::read(&args.usage, Expected { step_s: args.step_s, lowest: 0.0 })?;
    let cores = meta_file::cores(&args.meta, &file.ids)?;
    let split = split(&file, args)?;
    let inputs = [args.usage.as_path(), args.meta.as_path()];
    let create = |path: &Path| Output::create(path, &inputs);
    let mut out = args.out.as_deref().map(create).transpose()?;
    let mut svg = args.svg.as_deref().map(create).transpose()?;

    let mut presets = OWN.to_vec();
    if !presets.contains(&args.preset) {
        presets.push(args.preset);
    }
    let decided = presets.iter().position(|preset| *preset == args.preset).unwrap_or(0);
    let bar = progress(file.ids.len(), "machines", json);
    let cases: Vec<Case> = (0..file.ids.len())
        .into_par_iter()
        .map(|column| {
            let case = case(&file, column, cores[column], &split, &args.ladder.0, &presets);
            bar.inc(1);
            case
        })
        .collect();
    bar.finish_and_clear();

    let report = summarize(args, &file, &split, &cases, &presets);
    if let Some(out) = &mut out {
        out.write(&csv_row(["resource", "vcpu"]))?;
        for (id, case) in file.ids.iter().zip(&cases) {
            out.write(&csv_row([id, &case.choices[decided].vcpu.to_string()]))?;
        }
    }
    if let Some(svg) = &mut svg {
        svg.write(chart::draw(&report).as_bytes())?;
    }
    for output in [out, svg].into_iter().flatten() {
        output.finish()?;
    }
    if json {
        print_json(&report)?
    } else {
        print(&report::sizing(&report))?
    }
    Ok(())
}

fn split(file: &SeriesFile, args: &BacktestSizingArgs) -> Result<Split, BacktestError> {
    let days = SplitDays {
        skip: args.skip_days as usize,
        train: args.train_days as usize,
        test: args.test_days as usize,
    };
    Split::new(file.rows(), file.rows_per_day(), days).map_err(|short| {
        file.error(format!(
            "too little history: {} days to skip, {} to learn from and at least one to judge take {} rows, and there are {} ({:.1} days): take a longer file, or fewer --skip-days or --train-days",
            args.skip_days,
            args.train_days,
            short.needed_rows,
            short.rows,
            short.rows as f64 / file.rows_per_day() as f64,
        ))
    })
}

fn case(
    file: &SeriesFile,
    column: usize,
    cores: f64,
    split: &Split,
    ladder_vcpu: &[f64],
    presets: &[Preset],
) -> Case {
    let terms = Terms { split, rows_per_day: file.rows_per_day(), ladder_vcpu };
    let recorded = fill_gaps(&file.columns[column])
        .and_then(|use_percent| RecordedMachine::new(&use_percent, cores, terms));
    let series = file.series(column, split.train.clone());
    let choices =
        presets.iter().map(|preset| choose(&series, cores, ladder_vcpu, *preset)).collect();
    let within = |risk_max| {
        choose_by_risk(&series, cores, ladder_vcpu, RiskRule { risk_max, bargain: None }).vcpu
    };
    Case { recorded, choices, curve_vcpu: RISK_TARGETS.map(within).to_vec() }
}

fn summarize(
    args: &BacktestSizingArgs,
    file: &SeriesFile,
    split: &Split,
    cases: &[Case],
    presets: &[Preset],
) -> SizingReport {
    let judged: Vec<(&RecordedMachine, &Case)> =
        cases.iter().filter_map(|case| Some((case.recorded.as_ref()?, case))).collect();
    let saturated = judged.iter().filter(|(machine, _)| machine.saturated).count();
    let decided = presets.iter().position(|preset| *preset == args.preset);
    let open = judged.iter().filter(|(machine, _)| !machine.saturated);
    let risks: Vec<f64> =
        open.filter_map(|(_, case)| Some(case.choices.get(decided?)?.risk)).collect();
    let unmeasured = file.ids.iter().zip(cases).filter(|(_, case)| case.recorded.is_none());
    let mut report = SizingReport {
        machines_judged: judged.len() - saturated,
        machines_saturated: saturated,
        machines_unmeasured: unmeasured.map(|(id, _)| id.clone()).collect(),
        skip_days: args.skip_days,
        train_days: args.train_days,
        test_days: split.test.len() as f64 / file.rows_per_day() as f64,
        ladder_vcpu: args.ladder.0.clone(),
        preset: args.preset.as_str(),
        stated_risk: (!risks.is_empty()).then(|| risks.iter().sum::<f64>() / risks.len() as f64),
        policies: policies(&judged, presets),
        curve: curve(&judged),
        warnings: Vec::new(),
    };
    report.warnings = warnings(args, file, split, &report);
    report
}

/// The scores of a size for each machine.
fn score_by(
    judged: &[(&RecordedMachine, &Case)],
    size: impl Fn(&RecordedMachine, &Case) -> f64,
) -> Option<SizesScore> {
    let sized: Vec<_> =
        judged.iter().map(|(machine, case)| (*machine, size(machine, case))).collect();
    score(&sized)
}

fn policies(judged: &[(&RecordedMachine, &Case)], presets: &[Preset]) -> Vec<PolicyReport> {
    let report = |policy: &str, kind, preset, score| PolicyReport {
        policy: policy.to_owned(),
        kind,
        preset,
        score,
    };
    let published = PublishedRule::ALL.into_iter().enumerate().map(|(index, rule)| {
        let score = score_by(judged, |machine, _| machine.published_vcpu[index]);
        report(rule.name(), PolicyKind::Published, None, score)
    });
    let own = presets.iter().enumerate().map(|(index, preset)| {
        let score = score_by(judged, |_, case| case.choices[index].vcpu);
        let name = format!("Trimtab {}", preset.as_str());
        report(&name, PolicyKind::Trimtab, Some(preset.as_str()), score)
    });
    let oracle = score_by(judged, |machine, _| machine.oracle_vcpu);
    let provisioned = score_by(judged, |machine, _| machine.cores);
    let references = [(ORACLE, oracle), (AS_PROVISIONED, provisioned)]
        .map(|(name, score)| report(name, PolicyKind::Reference, None, score));
    published.chain(own).chain(references).collect()
}

fn curve(judged: &[(&RecordedMachine, &Case)]) -> Vec<CurvePoint> {
    let targets = RISK_TARGETS.into_iter().enumerate();
    let points = targets.filter_map(|(index, risk_target)| {
        let score = score_by(judged, |_, case| case.curve_vcpu[index])?;
        Some(CurvePoint { risk_target, score })
    });
    points.collect()
}

fn warnings(
    args: &BacktestSizingArgs,
    file: &SeriesFile,
    split: &Split,
    report: &SizingReport,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let asked = args.test_days as usize * file.rows_per_day();
    if split.test.len() < asked {
        warnings.push(format!(
            "the file ends {} rows before the last of the {} days to judge",
            asked - split.test.len(),
            args.test_days
        ));
    }
    if !report.machines_unmeasured.is_empty() {
        warnings.push(format!(
            "{} machines have no value at all and are not judged; their sizes are not made smaller: {}",
            report.machines_unmeasured.len(),
            report::names(&report.machines_unmeasured)
        ));
    }
    if file.columns.iter().flatten().all(|value| value.is_nan() || *value <= LIKELY_RATIO) {
        warnings.push(
            "no value is above 1: usage must be in percent of the machine's cores, not a ratio"
                .to_owned(),
        );
    }
    warnings
}
