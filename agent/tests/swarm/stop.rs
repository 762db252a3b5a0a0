//! The stop switch, in virtual time: nothing begins five seconds after it was set, nor after a restart under it.
//!
//! Not here: the switch of a daemon as a process (`daemon.rs`).

use jiff::SignedDuration;
use trimtab::{ports::Clock, swarm::Tampering};
use trimtab_models::recommendation::Action;
use trimtab_policies::change::State;
use trimtab_simulations::fault::{Fault, Reached};

use crate::{
    bench::Bench,
    quiet::{plan, ran, rule},
};

const FLEET: &str =
    "function-oversized = 1\nvolume-gp2 = 1\ngroup-fixed-over = 1\nweb-oversized = 1";

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_before_the_first_cycle_holds_for_good() {
    let mut plan = plan(FLEET, "");
    assert!(ran(&plan, &Tampering::default()).await.writes > 0);
    // Set a second after the start; the first cycle ends at the start, and everything it began is undone by the switch
    // only where nothing was written yet.
    plan.set_rules(vec![rule(-1, 90_000, Fault::StopSwitch)]);
    let came = ran(&plan, &Tampering::default()).await;
    assert_eq!((came.writes, came.violations), (0, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_outlives_the_process() {
    let mut plan = plan(FLEET, "");
    let dies = Fault::DiesAtRecord { record: 0, reached: Reached::Synced };
    plan.set_rules(vec![rule(-1, 90_000, Fault::StopSwitch), rule(0, 90_000, dies)]);
    let came = ran(&plan, &Tampering::default()).await;
    assert_eq!((came.writes, came.violations), (0, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_that_waits_for_its_first_write_is_stopped_too() {
    let mut plan = plan(FLEET, "");
    // Nothing can be read from the moment the changes begin, so that their first writes are still to come when the switch
    // is set; then AWS answers again.
    plan.set_rules(vec![
        rule(1, 600, Fault::ServerErrors(1.0)),
        rule(300, 90_000, Fault::StopSwitch),
    ]);
    let came = ran(&plan, &Tampering::default()).await;
    assert_eq!(came.violations, Vec::<String>::new(), "{:#?}", came.trace);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_after_the_mark_and_before_the_first_write_leaves_the_machine_alone() {
    // A describe that lags behind the mark holds the engine between the two calls.
    let lag = rule(0, 90_000_000, Fault::Hidden(20));
    let downtime = SignedDuration::from_secs(60);
    let mut bench = Bench::open_with(Action::ResizeInstance, 7, downtime, vec![lag], None).await;
    let (switch, opened_at) = (bench.stop(), bench.clock.now());
    let state = bench
        .carry_on(|_, now| {
            if now > opened_at {
                switch.set("ada", "fire").expect("a folder that is written");
            }
        })
        .await;
    let change = bench.change();
    let reason = change.outcome.as_ref().map(|outcome| outcome.reason.clone());
    assert_eq!(state, State::Undone, "{change:#?}");
    assert!(reason.is_some_and(|reason| reason.contains("stopped by ada: fire")), "{change:#?}");
    let writes = bench.simulated.world().log().to_vec();
    let calls: Vec<_> = writes.iter().map(|write| write.operation.iam_action()).collect();
    assert_eq!(calls, ["ec2:CreateTags", "ec2:DeleteTags"]);
}
