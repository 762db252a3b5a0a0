//! CloudWatch alarms: which concern a resource, and what they do when they fire.
//!
//! Not here: metrics (`metrics`), and which alarms stop a change (`policies`).

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_cloudwatch::types::{AlarmType, CompositeAlarm, Dimension, MetricAlarm};
use tokio::time::Instant;
use trimtab_models::resource::Kind;
use trimtab_policies::facts::{Alarm, AlarmAction};
use trimtab_policies::operations::Failure;

use super::{Clients, error, pages, rate};

/// How long the alarms of a place are kept: a cycle that looks at a hundred resources reads them once, and a state is
/// never older than the shortest ordinary period of an alarm.
const KEPT: Duration = Duration::from_secs(60);

/// The largest page that DescribeAlarms gives.
const PAGE_MAX: i32 = 100;

/// The alarms of a place, as they were read.
#[derive(Debug)]
pub(super) struct Page {
    at: Instant,
    known: Arc<Vec<Known>>,
}

/// An alarm with the dimensions that it looks at, by name and value.
#[derive(Debug)]
struct Known {
    alarm: Alarm,
    dimensions: Vec<(String, String)>,
}

/// The alarms with a dimension of the resource, and those named. A named alarm that does not exist is not among them.
pub(super) async fn alarms(
    clients: &Clients,
    kind: Kind,
    id: &str,
    names: &[String],
) -> Result<Vec<Alarm>, Failure> {
    let dimension = (dimension(kind), id);
    let known = known(clients).await?;
    let concerned = known.iter().filter_map(|known| {
        let mut dimensions = known.dimensions.iter();
        let of_resource =
            dimensions.any(|(name, value)| (name.as_str(), value.as_str()) == dimension);
        let named = names.contains(&known.alarm.name);
        (of_resource || named).then(|| Alarm { of_resource, ..known.alarm.clone() })
    });
    Ok(concerned.collect())
}

/// The dimension under which AWS publishes the metrics of a kind.
const fn dimension(kind: Kind) -> &'static str {
    match kind {
        Kind::Instance => "InstanceId",
        Kind::Volume => "VolumeId",
        Kind::Function => "FunctionName",
        Kind::Group => "AutoScalingGroupName",
    }
}

/// All alarms of the place. Who comes while they are read waits for the same answer.
async fn known(clients: &Clients) -> Result<Arc<Vec<Known>>, Failure> {
    let mut kept = clients.alarms.lock().await;
    if let Some(page) = kept.as_ref().filter(|page| page.at.elapsed() < KEPT) {
        return Ok(Arc::clone(&page.known));
    }
    let known = Arc::new(fetch(clients).await?);
    *kept = Some(Page { at: Instant::now(), known: Arc::clone(&known) });
    Ok(known)
}

async fn fetch(clients: &Clients) -> Result<Vec<Known>, Failure> {
    let api = &rate::DESCRIBE_ALARMS;
    let fetch = async |token: Option<String>| {
        let call = clients.cloudwatch.describe_alarms();
        let call = call.alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm);
        let call = call.max_records(PAGE_MAX).set_next_token(token);
        let page =
            clients.call(api, &clients.target, |watch| call.customize().interceptor(watch).send());
        let page = page.await?;
        let metric = page.metric_alarms.unwrap_or_default().into_iter().map(metric_alarm);
        let composite = page.composite_alarms.unwrap_or_default().into_iter().map(composite_alarm);
        Ok((metric.chain(composite).collect(), page.next_token))
    };
    let all: Vec<Option<Known>> = pages((api, &clients.target), fetch).await?;
    let missing = || error::incomplete(api.call, &clients.target, "name or state of an alarm");
    all.into_iter().map(|known| known.ok_or_else(missing)).collect()
}

fn metric_alarm(from: MetricAlarm) -> Option<Known> {
    // An alarm on a formula has its dimensions in the formula's inputs.
    let inputs = from.metrics().iter().filter_map(|query| query.metric_stat()?.metric());
    let inputs = inputs.flat_map(|metric| metric.dimensions());
    let dimensions = from.dimensions().iter().chain(inputs).filter_map(pair).collect();
    let actions = [from.alarm_actions(), from.insufficient_data_actions(), from.ok_actions()];
    let alarm = Alarm {
        name: from.alarm_name()?.to_owned(),
        state: from.state_value()?.as_str().to_owned(),
        actions: actions_of(actions),
        of_resource: false,
    };
    Some(Known { alarm, dimensions })
}

/// A composite alarm has no dimensions: it counts only where the settings name it.
fn composite_alarm(from: CompositeAlarm) -> Option<Known> {
    let actions = [from.alarm_actions(), from.insufficient_data_actions(), from.ok_actions()];
    let alarm = Alarm {
        name: from.alarm_name()?.to_owned(),
        state: from.state_value()?.as_str().to_owned(),
        actions: actions_of(actions),
        of_resource: false,
    };
    Some(Known { alarm, dimensions: Vec::new() })
}

fn pair(dimension: &Dimension) -> Option<(String, String)> {
    Some((dimension.name()?.to_owned(), dimension.value()?.to_owned()))
}

/// What an alarm can do on any change of its state, each once. Actions that are switched off count too: whoever
/// switched them off may switch them on during a change.
fn actions_of(lists: [&[String]; 3]) -> Vec<AlarmAction> {
    let mut actions: Vec<_> = lists.into_iter().flatten().map(|arn| action(arn)).collect();
    actions.sort_unstable();
    actions.dedup();
    actions
}

/// What an action's ARN stands for. `automate` is EC2's stop, terminate, reboot and recover, `swf` the older form of
/// the same.
fn action(arn: &str) -> AlarmAction {
    match arn.split(':').nth(2) {
        Some("autoscaling" | "application-autoscaling") => AlarmAction::Scaling,
        Some("automate" | "swf") => AlarmAction::Power,
        _ => AlarmAction::Notify,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_told_by_their_arn() {
        let cases = [
            (
                "arn:aws:autoscaling:eu-west-1:1:scalingPolicy:u:autoScalingGroupName/g:policyName/p",
                AlarmAction::Scaling,
            ),
            ("arn:aws:automate:eu-west-1:ec2:recover", AlarmAction::Power),
            ("arn:aws-cn:automate:cn-north-1:ec2:stop", AlarmAction::Power),
            (
                "arn:aws:swf:us-east-1:1:action/actions/AWS_EC2.InstanceId.Reboot/1.0",
                AlarmAction::Power,
            ),
            ("arn:aws:sns:us-east-1:1:pager", AlarmAction::Notify),
            ("arn:aws:lambda:us-east-1:1:function:f", AlarmAction::Notify),
        ];
        for (arn, expect) in cases {
            assert_eq!(action(arn), expect, "{arn}");
        }
    }
}
