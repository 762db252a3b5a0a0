//! What somebody else wrote is never written over, once it can be seen.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use trimtab_policies::operations::{Operation, Share};

use super::{Done, Invariant, View, story::is_mark};
use crate::world::World;

/// How long a describe may lag behind a write: 90 s, and what the account itself adds.
const LAG: SignedDuration = SignedDuration::from_secs(100);

#[derive(Debug, Default)]
pub(super) struct Foreign {
    /// The share of an alias's calls that each change set last, with the function.
    shares: BTreeMap<String, (String, Share)>,
}

impl Invariant for Foreign {
    fn name(&self) -> &'static str {
        "foreign"
    }

    fn write(&mut self, done: &Done, view: View<'_>) -> Vec<String> {
        let Some(told) = view.story.told_of(done) else { return Vec::new() };
        // A mark is no configuration, and what is made from a snapshot is nobody's yet.
        let is_new = matches!(done.write.operation, Operation::CreateVolume { .. });
        if is_new || is_mark(&done.write.operation) {
            return Vec::new();
        }
        let at = done.write.at;
        if self.is_own_share(done) {
            return Vec::new();
        }
        // A machine that we stopped is started whatever somebody made of it meanwhile.
        if told.owes_start && matches!(done.write.operation, Operation::StartInstance { .. }) {
            return Vec::new();
        }
        let overwritten = touches(view.world, &told.id, view.story.agent)
            .find(|foreign| *foreign > told.opened_true && at.duration_since(*foreign) > LAG);
        overwritten
            .map(|foreign| {
                let call = done.write.operation.iam_action();
                format!("{call} on {} at {at} although somebody else wrote at {foreign}", told.arn)
            })
            .into_iter()
            .collect()
    }
}

impl Foreign {
    /// Whether a write takes away nothing but the share that its own change has set, and leaves the alias where it leads.
    fn is_own_share(&mut self, done: &Done) -> bool {
        let Some(attempt) = &done.attempt else { return false };
        if let Operation::SetAlias { function_name, canary: Some(share), .. } =
            &done.write.operation
        {
            let set = (function_name.clone(), share.clone());
            self.shares.insert(attempt.change_id.clone(), set);
        }
        let Operation::WithdrawShare { function_name, share, .. } = &done.write.operation else {
            return false;
        };
        let set = self.shares.get(&attempt.change_id);
        set.is_some_and(|(of, set)| of == function_name && set == share)
    }
}

/// When others than this agent wrote to a resource.
pub(super) fn touches<'a>(
    world: &'a World,
    id: &'a str,
    agent: u32,
) -> impl Iterator<Item = jiff::Timestamp> + 'a {
    let people = world.foreign_log().iter().filter(move |(_, of)| of == id).map(|(at, _)| *at);
    let agents = world
        .log()
        .iter()
        .filter(move |write| write.by != agent && !is_mark(&write.operation))
        .filter(move |write| World::name(&write.operation).1 == id)
        .map(|write| write.at);
    people.chain(agents)
}
