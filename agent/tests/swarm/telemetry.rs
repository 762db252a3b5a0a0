//! Telemetry faults: every kind of wrong metric, on every metric of every kind of resource, with all else allowed.
//!
//! Not here: what counts as evidence (`trimtab_policies`' `evidence`).

use trimtab::swarm::Tampering;
use trimtab_models::{
    metric::{Measure, Metric},
    resource::Kind,
};
use trimtab_simulations::fault::{Distortion, Fault};

use crate::{
    quiet::{plan, ran, rule},
    tell,
};

/// A fleet of one kind, each of which is made smaller on a day without faults.
const fn fleet(kind: Kind) -> &'static str {
    match kind {
        Kind::Instance => "web-oversized = 1",
        Kind::Volume => "volume-gp3-over = 1",
        Kind::Function => "function-oversized = 1",
        Kind::Group => "group-fixed-over = 1",
    }
}

/// Whether the metric looks like this on the best of days too, so that nothing can be told from it: a function without
/// errors, one that a timer calls, memory rounded to megabytes, a group that nobody scales; a machine without the agent,
/// whose memory is then not made smaller.
#[expect(clippy::wildcard_enum_match_arm, reason = "most metrics are never fine")]
fn is_fine(measure: Measure, how: Distortion) -> bool {
    match measure.metric {
        Metric::FunctionErrors | Metric::FunctionThrottles => {
            matches!(how, Distortion::Zero | Distortion::Flat)
        }
        Metric::FunctionInvocations | Metric::FunctionMemory => how == Distortion::Flat,
        Metric::GroupInService => how != Distortion::Zero,
        Metric::InstanceMemory => {
            matches!(how, Distortion::Missing | Distortion::Failed | Distortion::NotANumber)
        }
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_wrong_metric_makes_anything_smaller() {
    let (mut table, mut runs, mut wrote) = (String::new(), 0, Vec::new());
    for kind in Kind::ALL {
        let quiet = ran(&plan(fleet(kind), ""), &Tampering::default()).await;
        assert!(
            quiet.writes > 0,
            "{kind}: without a fault something is written\n{:#?}",
            quiet.trace
        );
        for measure in Measure::of(kind) {
            for how in Distortion::ALL {
                let mut plan = plan(fleet(kind), "");
                let fault = Fault::Metrics { id: None, measure: Some(measure), how };
                plan.set_rules(vec![rule(0, 90_000, fault)]);
                let came = ran(&plan, &Tampering::default()).await;
                runs += 1;
                if came.writes > 0 && !is_fine(measure, how) {
                    wrote.push(format!("{kind} {measure} {how:?}"));
                }
                assert_eq!(came.violations, Vec::<String>::new(), "{kind} {measure} {how:?}");
            }
            table.push_str(&format!("{kind:<16} {measure}\n"));
        }
    }
    tell(&format!("{table}telemetry faults: {runs} runs, {} with writes", wrote.len()));
    assert_eq!(wrote, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_accounts_credentials_write_nothing() {
    for kind in Kind::ALL {
        let mut plan = plan(fleet(kind), "");
        plan.set_rules(vec![rule(0, 90_000, Fault::WrongAccount)]);
        assert_eq!(ran(&plan, &Tampering::default()).await.writes, 0, "{kind}");
    }
}
