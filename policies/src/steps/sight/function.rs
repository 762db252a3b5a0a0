//! How the steps of a function sort what they see.
//!
//! Not here: instances, volumes and groups.

use trimtab_models::resource::Resource;

use super::Sight;

pub(super) fn memory(resource: &Resource, from_mb: u32, to_mb: u32) -> Sight {
    let Some(function) = resource.function() else {
        return Sight::Foreign("it is no function".to_owned());
    };
    match (function.memory_mb, function.last_update_status.as_str()) {
        (memory, "InProgress") if memory == from_mb || memory == to_mb => Sight::InProgress,
        (memory, "Failed") if memory == to_mb => {
            Sight::Failed("Lambda calls the update failed".to_owned())
        }
        (memory, _) if memory == to_mb => Sight::Done,
        (memory, _) if memory == from_mb => Sight::Ready,
        (memory, _) => {
            Sight::Foreign(format!("its memory is {memory} MB, neither {from_mb} nor {to_mb}"))
        }
    }
}
