//! A swarm's report for people.
//!
//! Not here: running it (`crate::swarm`).

use std::fmt::Write;

use crate::swarm::{Failing, SwarmReport};

/// A report in words: one line where all is well, and for each failing seed what it takes to see it again.
pub(super) fn words(report: &SwarmReport) -> String {
    let mut text = format!(
        "{} seeds from {} on in {:.0} s: {:.0} seeds per minute\n\
         {} changes begun, {} applied, {} writes, {} deaths and stops of the process\n",
        report.seeds,
        report.first_seed,
        report.seconds,
        report.seeds_per_minute,
        report.changes,
        report.applied,
        report.writes,
        report.deaths,
    );
    if report.failing.is_empty() {
        text.push_str("no invariant was violated\n");
    }
    for failing in &report.failing {
        text.push_str(&failure(failing));
    }
    text
}

fn failure(failing: &Failing) -> String {
    let mut text = format!("VIOLATED by seed {}:\n", failing.seed);
    let mut line = |words: &str| writeln!(text, "  {words}").expect("a string takes text");
    failing.violations.iter().for_each(|violation| line(violation));
    line("with these faults, without any of which it does not happen:");
    for rule in &failing.rules {
        line(&format!("  {} to {}: {:?}", rule.from, rule.until, rule.fault));
    }
    line("what happened before:");
    failing.trace.iter().for_each(|happened| line(&format!("  {happened}")));
    line(&format!("again: trimtab simulate --swarm 1 --seed {}", failing.seed));
    text
}
