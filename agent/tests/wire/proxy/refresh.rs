//! Instance refreshes, which moto does not know: started, described, rolled back, and ended when a test says so.
//!
//! Not here: what a refresh does to members, and how far it comes by itself.

use std::collections::BTreeMap;

use super::answer::Answer;
use super::call::Call;

/// A refresh as it was asked for.
#[derive(Debug, Clone)]
struct Played {
    id: String,
    template_id: String,
    version: String,
    status: String,
}

/// The refreshes of each group, the newest first.
#[derive(Debug, Default)]
pub(crate) struct Refreshes(BTreeMap<String, Vec<Played>>);

impl Refreshes {
    /// Moves the newest refresh of a group.
    pub(crate) fn set_status(&mut self, group: &str, status: &str) {
        let newest = self.0.get_mut(group).and_then(|all| all.first_mut());
        status.clone_into(&mut newest.expect("a refresh was started").status);
    }

    /// The answer to a call about refreshes; `None` for every other call.
    pub(crate) fn answer(&mut self, call: &Call) -> Option<Answer> {
        if call.service != "autoscaling" {
            return None;
        }
        let group = call.parameter("AutoScalingGroupName").unwrap_or_default().to_owned();
        let all = self.0.entry(group).or_default();
        let runs =
            |one: &Played| ["Pending", "InProgress", "Baking"].contains(&one.status.as_str());
        let name = call.operation.as_str();
        match name {
            "StartInstanceRefresh" if all.first().is_some_and(runs) => {
                Some(Answer::error(call, 400, "InstanceRefreshInProgress", "another one runs"))
            }
            "StartInstanceRefresh" => {
                let of = |key: &str| {
                    let key = format!("DesiredConfiguration.LaunchTemplate.{key}");
                    call.parameter(&key).unwrap_or_default().to_owned()
                };
                let played = Played {
                    id: format!("refresh-{}", all.len() + 1),
                    template_id: of("LaunchTemplateId"),
                    version: of("Version"),
                    status: "InProgress".to_owned(),
                };
                all.insert(0, played.clone());
                Some(xml(name, &format!("<InstanceRefreshId>{}</InstanceRefreshId>", played.id)))
            }
            "RollbackInstanceRefresh" => match all.first_mut().filter(|one| runs(one)) {
                None => {
                    Some(Answer::error(call, 400, "ActiveInstanceRefreshNotFound", "none runs"))
                }
                Some(newest) => {
                    "RollbackInProgress".clone_into(&mut newest.status);
                    Some(xml(
                        name,
                        &format!("<InstanceRefreshId>{}</InstanceRefreshId>", newest.id),
                    ))
                }
            },
            "DescribeInstanceRefreshes" => {
                let members: String = all.iter().map(member).collect();
                Some(xml(name, &format!("<InstanceRefreshes>{members}</InstanceRefreshes>")))
            }
            _ => None,
        }
    }
}

fn member(one: &Played) -> String {
    let Played { id, template_id, version, status } = one;
    format!(
        "<member><InstanceRefreshId>{id}</InstanceRefreshId><Status>{status}</Status><DesiredConfiguration>\
         <LaunchTemplate><LaunchTemplateId>{template_id}</LaunchTemplateId><Version>{version}</Version>\
         </LaunchTemplate></DesiredConfiguration></member>"
    )
}

fn xml(operation: &str, result: &str) -> Answer {
    Answer::xml(format!(
        "<{operation}Response xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\"><{operation}Result>{result}\
         </{operation}Result><ResponseMetadata><RequestId>wire</RequestId></ResponseMetadata></{operation}Response>"
    ))
}
