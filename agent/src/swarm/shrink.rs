//! Makes a failing plan smaller: faults that it fails without are left out, one after the other.

use trimtab_simulations::swarm::Plan;

use super::{Ran, Tampering, run};

/// The same failure with no more faults than it takes. The numbers of the whole run stay.
///
/// # Errors
/// As [`run`].
pub(super) async fn shrink(plan: &Plan, whole: Ran) -> anyhow::Result<Ran> {
    let name = |text: &String| text.split(':').next().unwrap_or_default().to_owned();
    let broken = whole.violations.first().map(name);
    let (mut plan, mut smallest) = (plan.clone(), whole);
    let mut index = 0;
    while index < plan.rules.len() {
        let mut rules = plan.rules.clone();
        rules.remove(index);
        let mut without = plan.clone();
        without.set_rules(rules);
        let ran = run(&without, &Tampering::default()).await?;
        if ran.violations.iter().any(|text| Some(name(text)) == broken) {
            plan = without;
            smallest =
                Ran { violations: ran.violations, rules: ran.rules, trace: ran.trace, ..smallest };
        } else {
            index += 1;
        }
    }
    Ok(smallest)
}
