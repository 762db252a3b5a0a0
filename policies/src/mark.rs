//! The mark that a change leaves on the instance it stops: two tags that tell any agent whose change it is, and which type
//! the machine had.
//!
//! Not here: when it is set and removed (`change`), and what it withholds (`check::conflict`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The tag that names agent and change, as `<agent-id>/<change-id>`.
pub const CHANGE_TAG: &str = "trimtab:change";
/// The tag that names the type from before the change.
pub const WAS_TAG: &str = "trimtab:was";

/// A mark as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The agent: a random id that its state folder keeps.
    pub agent_id: String,
    /// The change.
    pub change_id: String,
    /// The instance type from before the change.
    pub was: String,
}

impl Mark {
    /// The mark among `tags`; `None` where the tags are not both there, or name no agent.
    #[must_use]
    pub fn read(tags: &BTreeMap<String, String>) -> Option<Self> {
        let (agent_id, change_id) = tags.get(CHANGE_TAG)?.split_once('/')?;
        let was = tags.get(WAS_TAG)?.clone();
        Some(Self { agent_id: agent_id.to_owned(), change_id: change_id.to_owned(), was })
    }

    /// The value of the tag [`CHANGE_TAG`].
    #[must_use]
    pub fn owner(&self) -> String {
        format!("{}/{}", self.agent_id, self.change_id)
    }

    /// Both tags with their values.
    #[must_use]
    pub fn tags(&self) -> [(&'static str, String); 2] {
        [(CHANGE_TAG, self.owner()), (WAS_TAG, self.was.clone())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_is_written_and_half_a_mark_is_none() {
        let mark = Mark {
            agent_id: "a1".to_owned(),
            change_id: "chg-1".to_owned(),
            was: "m5.large".to_owned(),
        };
        let tags: BTreeMap<_, _> =
            mark.tags().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        assert_eq!(tags[CHANGE_TAG], "a1/chg-1");
        assert_eq!(Mark::read(&tags), Some(mark));
        for missing in [CHANGE_TAG, WAS_TAG] {
            let mut half = tags.clone();
            half.remove(missing);
            assert_eq!(Mark::read(&half), None);
        }
        let of_volume = BTreeMap::from([(CHANGE_TAG.to_owned(), "chg-1".to_owned())]);
        assert_eq!(Mark::read(&of_volume), None, "a volume's tag names no agent");
    }
}
