//! A change writes to its own resource, and to what it made itself, and nowhere else; a volume's size stays.

use trimtab_models::spec::Spec;
use trimtab_policies::operations::Operation;

use super::{Done, Invariant, View};

#[derive(Debug)]
pub(super) struct Target;

impl Invariant for Target {
    fn name(&self) -> &'static str {
        "target"
    }

    fn write(&mut self, done: &Done, view: View<'_>) -> Vec<String> {
        let Some(told) = view.story.told_of(done) else { return Vec::new() };
        let mut texts = Vec::new();
        // It adds to what it names, a snapshot of its own or the template of its group, and changes nothing there.
        let is_own_make = matches!(
            done.write.operation,
            Operation::CreateVolume { .. } | Operation::CreateTemplateVersion { .. }
        );
        if done.target != told.id && !is_own_make {
            let call = done.write.operation.iam_action();
            texts.push(format!("{call} on {}, but the change is to {}", done.target, told.arn));
        }
        if let (Operation::ModifyVolume { spec, .. }, Spec::Volume(before)) =
            (&done.write.operation, &told.expected)
            && spec.size_gib != before.size_gib
        {
            texts.push(format!("the size of {} changed", done.write.arn));
        }
        texts
    }
}
