//! The commands that are a daemon themselves, or a part of one: `run`, `once`, `demo`, `account`, `simulate`.
//!
//! Not here: what they do (`start`, `demo`, `simulate`).

use std::{collections::BTreeMap, io::IsTerminal, path::Path, process::ExitCode};

use anyhow::Context;
use trimtab_config::{ConfigError, LogFormat, LogLevel, Settings, salvage};
use trimtab_models::catalog::Catalog;
use trimtab_simulations::{scenario::Scenario, swarm::Plan};

use super::{
    args::{AccountArgs, DemoArgs, Globals, SimulateArgs},
    out::{print, print_json},
    print_plan,
};
use crate::{
    demo::{self, Demo},
    recovery, served,
    simulate::{Rehearsal, RehearsalReport, rehearse},
    start, telemetry,
};

/// Exit code for bad arguments or a bad configuration.
const BAD_INPUT: u8 = 2;
/// Days that a rehearsal takes when nothing else is asked for: five weeks show a month's rhythm.
const DAYS: u32 = 35;
/// Days of each run of a swarm on a scenario: a provisional verdict comes after two.
const SWARM_DAYS: u32 = 3;
/// The seed when nothing else is asked for.
const SEED: u64 = 7;

/// Runs the daemon.
pub async fn run(globals: &Globals) -> ExitCode {
    let settings = match load(globals) {
        Ok(settings) => settings,
        Err(error) => return finish_then_refuse(globals, error).await,
    };
    telemetry::init(
        globals.log.map_or(settings.telemetry.log, Into::into),
        settings.telemetry.level,
    );
    code(start::run(&globals.config, settings).await)
}

/// Refuses wrong settings, but first finishes what an earlier process has begun.
async fn finish_then_refuse(globals: &Globals, error: ConfigError) -> ExitCode {
    telemetry::init(globals.log.map_or(LogFormat::Auto, Into::into), LogLevel::Warn);
    // Told first: finishing can take as long as AWS does.
    let code = bad_input(&error.into());
    // A file that cannot be read leaves the default folder to look into.
    let text = std::fs::read_to_string(&globals.config).unwrap_or_default();
    let finished = match salvage(&text, &trimtab_config::environment()) {
        Some(salvaged) => recovery::finish_open_changes(salvaged).await,
        None => Ok(0),
    };
    if let Err(error) = finished {
        tracing::error!(
            error = format!("{error:#}"),
            "changes that an earlier process began could not be finished: mend the settings and start again"
        );
        // Not the code of refused settings, after which systemd tries no more: a machine may be off.
        return ExitCode::FAILURE;
    }
    code
}

/// Runs one cycle and prints its plan.
pub async fn once(globals: &Globals) -> ExitCode {
    let settings = match load(globals) {
        Ok(settings) => settings,
        Err(error) => return bad_input(&error.into()),
    };
    telemetry::init(globals.log.map_or(LogFormat::Auto, Into::into), LogLevel::Error);
    let plan = match start::once(settings).await {
        Ok(plan) => plan,
        Err(error) => return code(Err(error)),
    };
    let failed = !plan.cycle.failures.is_empty();
    match print_plan(&plan, globals.json) {
        Ok(()) if failed => ExitCode::FAILURE,
        other => code(other.map_err(Into::into)),
    }
}

/// Runs the demo.
pub async fn demo(args: &DemoArgs, globals: &Globals) -> ExitCode {
    telemetry::init(globals.log.map_or(LogFormat::Auto, Into::into), LogLevel::Warn);
    let demo = Demo { seed: args.seed, port: args.port, speed: args.speed };
    let hours = args.speed / 3600.0;
    code(
        demo::run(demo, |address| {
            let text = format!(
                "page: http://{address}\n\
                 A simulated account of about sixty resources; {hours} h pass each second. Ctrl-C ends it.\n\
                 The commands reach it too: trimtab --address {address} recommendations\n"
            );
            if let Err(error) = print(&text) {
                tracing::warn!(%error, "the address could not be printed");
            }
        })
        .await,
    )
}

/// Serves a simulated account until it is told to end.
pub async fn account(args: &AccountArgs, globals: &Globals) -> ExitCode {
    telemetry::init(globals.log.map_or(LogFormat::Auto, Into::into), LogLevel::Warn);
    let scenario = match read_scenario(&args.scenario) {
        Ok(scenario) => scenario,
        Err(error) => return bad_input(&error),
    };
    code(served::run(&scenario, args.seed, (args.speed, &args.socket)).await)
}

/// Rehearses a scenario.
pub async fn simulate(args: &SimulateArgs, globals: &Globals) -> ExitCode {
    // A swarm breaks things on purpose, thousands of times: its report tells what matters.
    if args.swarm.is_none() {
        telemetry::init(globals.log.map_or(LogFormat::Auto, Into::into), LogLevel::Error);
    }
    let scenario = match args.scenario.as_deref().map(read_scenario).transpose() {
        Ok(scenario) => scenario,
        Err(error) => return bad_input(&error),
    };
    if let Some(seeds) = args.swarm {
        return swarm(seeds, args, scenario.as_ref(), globals.json);
    }
    let Some(scenario) = scenario else {
        return bad_input(&anyhow::anyhow!("a rehearsal needs a scenario"));
    };
    let rehearsal = Rehearsal {
        seed: args.seed.unwrap_or(SEED),
        days: args.days.unwrap_or(DAYS),
        mode: args.mode,
    };
    let bar = progress(rehearsal.days, globals.json);
    let report = rehearse(&scenario, rehearsal, |day| bar.set_position(u64::from(day))).await;
    bar.finish_and_clear();
    match report {
        Ok(report) => show(&report, globals.json),
        Err(error) if error.downcast_ref::<ConfigError>().is_some() => bad_input(&error),
        Err(error) => code(Err(error)),
    }
}

fn read_scenario(path: &Path) -> anyhow::Result<Scenario> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the scenario `{}` cannot be read", path.display()))?;
    Scenario::parse(&text).with_context(|| format!("`{}`", path.display()))
}

/// Runs a swarm and prints what came of it.
fn swarm(seeds: u64, args: &SimulateArgs, scenario: Option<&Scenario>, json: bool) -> ExitCode {
    let catalog = Catalog::embedded();
    let days = args.days.unwrap_or(SWARM_DAYS);
    let plan_of = |seed| match scenario {
        Some(scenario) => Plan::for_scenario(scenario, seed, days, &catalog),
        None => Plan::of(seed, &catalog),
    };
    let bar = if json || !std::io::stderr().is_terminal() {
        indicatif::ProgressBar::hidden()
    } else {
        indicatif::ProgressBar::new(seeds).with_message("seeds")
    };
    let done = |count| bar.set_position(count);
    let report = crate::swarm::swarm(seeds, args.seed.unwrap_or(SEED), &plan_of, &done);
    bar.finish_and_clear();
    match report {
        Ok(report) => {
            let printed =
                if json { print_json(&report) } else { print(&super::swarm::words(&report)) };
            if !report.failing.is_empty() {
                return ExitCode::FAILURE;
            }
            code(printed.map_err(Into::into))
        }
        Err(error) if error.downcast_ref::<ConfigError>().is_some() => bad_input(&error),
        Err(error) => code(Err(error)),
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress(days: u32, json: bool) -> indicatif::ProgressBar {
    if json || !std::io::stderr().is_terminal() {
        return indicatif::ProgressBar::hidden();
    }
    indicatif::ProgressBar::new(u64::from(days)).with_message("virtual days")
}

fn show(report: &RehearsalReport, json: bool) -> ExitCode {
    let printed = if json { print_json(report) } else { print(&words(report)) };
    if !report.invariant_violations.is_empty() {
        return ExitCode::FAILURE;
    }
    code(printed.map_err(Into::into))
}

fn words(report: &RehearsalReport) -> String {
    let mut text = format!(
        "{}: seed {}, {} days, {} resources\n\
         {} recommendations, {} of them withheld at some time\n\
         {} changes applied, {} taken back, {} writes\n\
         cost at first {} a month, saving at the end {} a month\n\
         demand exceeded capacity in {:.3} % of the intervals after changes\n",
        report.scenario,
        report.seed,
        report.days,
        report.resources,
        report.recommendations,
        report.withheld,
        report.changes_applied,
        report.changes_undone,
        report.writes,
        report.cost_usd_monthly,
        report.saving_usd_monthly,
        report.breach_ratio * 100.0,
    );
    for trouble in &report.troubles {
        text.push_str(&format!("  {trouble}\n"));
    }
    match report.invariant_violations.as_slice() {
        [] => text.push_str("no invariant was violated\n"),
        violations => {
            text.push_str("VIOLATED:\n");
            for violation in violations {
                text.push_str(&format!("  {violation}\n"));
            }
        }
    }
    text
}

fn load(globals: &Globals) -> Result<Settings, ConfigError> {
    let environment: BTreeMap<String, String> = trimtab_config::environment();
    trimtab_config::load(&globals.config, &environment)
}

fn bad_input(error: &anyhow::Error) -> ExitCode {
    report(error);
    ExitCode::from(BAD_INPUT)
}

fn code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Prints an error with everything that caused it.
fn report(error: &anyhow::Error) {
    super::out::print_error(AsRef::<dyn std::error::Error>::as_ref(error));
}
