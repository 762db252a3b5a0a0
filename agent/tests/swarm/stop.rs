//! The stop switch, in virtual time: nothing begins five seconds after it was set, nor after a restart under it.
//!
//! Not here: the switch of a daemon as a process (`daemon.rs`).

use trimtab::swarm::Tampering;
use trimtab_simulations::fault::{Fault, Reached};

use crate::quiet::{plan, ran, rule};

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
