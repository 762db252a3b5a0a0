//! What moto leaves out of its answers, or does not answer at all.
//!
//! Only what AWS always sends is filled in, with the value a plain Linux machine has there. Not here: rules that
//! refuse a call (`rules`).

use axum::body::Bytes;
use serde_json::Value;

use super::answer::Answer;
use super::call::Call;
use super::rules::{Memory, Rules, alias_of};
use super::upstream::Forward;
use super::xml::{self, Items};

/// The answer to a read that moto does not implement: nothing there.
pub(crate) fn stand_in(call: &Call) -> Option<Answer> {
    let empty_set = |operation: &str, set: &str| {
        Some(Answer::xml(format!(
            "<{operation}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>wire</requestId>\
             <{set}/></{operation}Response>"
        )))
    };
    match (call.service.as_str(), call.operation.as_str()) {
        ("ec2", name @ "DescribeReservedInstances") => empty_set(name, "reservedInstancesSet"),
        ("ec2", name @ "DescribeCapacityReservations") => empty_set(name, "capacityReservationSet"),
        ("ec2", name @ "DescribePlacementGroups") => empty_set(name, "placementGroupSet"),
        ("ec2", name @ "DescribeVolumeStatus") => empty_set(name, "volumeStatusSet"),
        // moto has the quotas of networks only; this is the one that AWS gives a grown account.
        ("servicequotas", "GetServiceQuota") => {
            Some(Answer::json(&serde_json::json!({ "Quota": { "Value": 1_152.0 } })))
        }
        ("lambda", "ListProvisionedConcurrencyConfigs") => {
            Some(Answer::json(&serde_json::json!({ "ProvisionedConcurrencyConfigs": [] })))
        }
        (_, _) => None,
    }
}

/// What goes on to moto instead of the request, so that an answer can be cut into pages here.
pub(crate) fn without_paging(call: &Call, request: Forward, rules: &Rules) -> Forward {
    let Some(size) = rules.items_per_page else {
        return request;
    };
    let kept = |drop: &[&str]| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let pairs = body.split('&').filter(|pair| !drop.iter().any(|name| pair.starts_with(name)));
        pairs.collect::<Vec<_>>().join("&")
    };
    match (call.service.as_str(), call.operation.as_str()) {
        ("ec2", "DescribeInstances" | "DescribeVolumes") => {
            let body = Bytes::from(kept(&["MaxResults=", "NextToken="]));
            Forward { body, ..request }
        }
        // moto pages groups itself, when told to.
        ("autoscaling", "DescribeAutoScalingGroups") => {
            let body = format!("{}&MaxRecords={size}", kept(&["MaxRecords="]));
            Forward { body: body.into(), ..request }
        }
        ("lambda", "ListFunctions") => Forward { path_and_query: call.path.clone(), ..request },
        (_, _) => request,
    }
}

/// Completes a successful answer and cuts its page.
pub(crate) fn complete(call: &Call, answer: Answer, (rules, memory): (&Rules, &Memory)) -> Answer {
    let xml_after = |change: &dyn Fn(&str) -> String| Answer {
        body: change(answer.text()).into(),
        ..answer.clone()
    };
    match (call.service.as_str(), call.operation.as_str()) {
        ("ec2", "DescribeInstances") => xml_after(&|xml| {
            let whole = if rules.fill_gaps { instance_fields(xml) } else { xml.to_owned() };
            page_of_items(call, &whole, "reservationSet", rules.items_per_page)
        }),
        ("ec2", "DescribeVolumes") => xml_after(&|xml| {
            let whole = if rules.fill_gaps {
                xml::map_items(xml, "volumeSet", volume_fields)
            } else {
                xml.to_owned()
            };
            page_of_items(call, &whole, "volumeSet", rules.items_per_page)
        }),
        ("ec2", "DescribeVolumesModifications")
            if rules.fill_gaps && is_unknown_modification(call, answer.text()) =>
        {
            let message = "Modification for the volume does not exist.";
            Answer::error(call, 400, "InvalidVolumeModification.NotFound", message)
        }
        ("ec2", "DescribeVolumesModifications" | "ModifyVolume") => xml_after(&|xml| {
            let latest = if rules.fill_gaps { latest_modifications(xml) } else { xml.to_owned() };
            if rules.volumes_busy { still_optimizing(&latest) } else { latest }
        }),
        ("lambda", _) => with_revisions(call, answer, (rules, memory)),
        (_, _) => answer,
    }
}

/// Inserted before a member that each instance has once.
const INSTANCE_FIELDS: &str = "<enaSupport>true</enaSupport><platformDetails>Linux/UNIX</platformDetails>\
     <usageOperation>RunInstances</usageOperation><hypervisor>";

/// moto takes the addresses that it assigns by itself from here, and elastic ones from elsewhere.
const ASSIGNED_ADDRESS: &str = "<publicIp>54.214.";

/// Adds what each instance has, and names Amazon as the owner of addresses that are nobody's elastic ones.
fn instance_fields(xml: &str) -> String {
    let whole = xml.replace("<hypervisor>", INSTANCE_FIELDS);
    let mut parts = whole.split("<ipOwnerId>");
    let mut changed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let owner_end = part.find('<').unwrap_or_default();
        let association = part.split("</association>").next().unwrap_or_default();
        let owner =
            if association.contains(ASSIGNED_ADDRESS) { "amazon" } else { &part[..owner_end] };
        changed.push_str(&format!("<ipOwnerId>{owner}{}", &part[owner_end..]));
    }
    changed
}

/// The IOPS and throughput that gp2 and gp3 volumes have without being told; moto keeps gp3's after a change to gp2.
fn volume_fields(item: &str) -> String {
    let size: u64 = xml::text(item, "size").and_then(|size| size.parse().ok()).unwrap_or_default();
    let (item, iops, throughput) = match xml::text(item, "volumeType") {
        // Three a GiB, at least 100, at most 16,000.
        Some("gp2") => {
            let bare = xml::without(&xml::without(item, "iops"), "throughput");
            (bare, Some((3 * size).clamp(100, 16_000)), None)
        }
        Some("gp3") => (item.to_owned(), Some(3_000), Some(125)),
        Some(_) | None => (item.to_owned(), None, None),
    };
    let missing = |name: &str, value: Option<u64>| match value {
        Some(value) if xml::text(&item, name).is_none() => format!("<{name}>{value}</{name}>"),
        Some(_) | None => String::new(),
    };
    let added = missing("iops", iops) + &missing("throughput", throughput);
    item.replacen("<item>", &format!("<item>{added}"), 1)
}

/// Whether the modification of a named volume is asked for that never had one: an error in AWS, nothing in moto.
fn is_unknown_modification(call: &Call, xml: &str) -> bool {
    !call.list("VolumeId").is_empty() && xml::text(xml, "volumeId").is_none()
}

/// AWS tells the latest modification of each volume; moto tells them all, oldest first.
fn latest_modifications(xml: &str) -> String {
    let Some(Items { before, items, after }) = xml::items(xml, "volumeModificationSet") else {
        return xml.to_owned();
    };
    let is_last = |(at, item): &(usize, &&str)| {
        let volume = xml::text(item, "volumeId");
        !items[at + 1..].iter().any(|later| xml::text(later, "volumeId") == volume)
    };
    let latest: String = items.iter().enumerate().filter(is_last).map(|(_, item)| *item).collect();
    format!("{before}{latest}{after}")
}

fn still_optimizing(xml: &str) -> String {
    let busy = xml.replace("<modificationState>completed<", "<modificationState>optimizing<");
    xml::without(&busy.replace("<progress>100<", "<progress>50<"), "endTime")
}

fn page_of_items(call: &Call, xml: &str, set: &str, size: Option<usize>) -> String {
    let (Some(size), Some(Items { before, items, after })) = (size, xml::items(xml, set)) else {
        return xml.to_owned();
    };
    let start = call
        .parameter("NextToken")
        .and_then(|token| token.parse().ok())
        .unwrap_or(0)
        .min(items.len());
    let end = items.len().min(start + size);
    let next =
        if end < items.len() { format!("<nextToken>{end}</nextToken>") } else { String::new() };
    let close = format!("</{set}>");
    let after = after.replacen(&close, &format!("{close}{next}"), 1);
    format!("{before}{}{after}", items[start..end].concat())
}

/// Gives each function its revision, and cuts the list of functions into pages.
fn with_revisions(call: &Call, answer: Answer, (rules, memory): (&Rules, &Memory)) -> Answer {
    let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else {
        return answer;
    };
    if rules.revisions {
        for function in functions_of(&mut body) {
            function["RevisionId"] = memory.revision(call, function).into();
        }
        for alias in aliases_of(&mut body) {
            alias["RevisionId"] = memory.alias_revision(call, &alias_of(alias)).into();
        }
    }
    if rules.fill_gaps && call.operation == "ListFunctions" {
        functions_of(&mut body).into_iter().for_each(forget_states);
    }
    if let (Some(size), Some(all)) = (rules.items_per_page, body["Functions"].as_array()) {
        let start = call
            .parameter("Marker")
            .and_then(|marker| marker.parse().ok())
            .unwrap_or(0)
            .min(all.len());
        let end = all.len().min(start + size);
        let next = if end < all.len() { Value::String(end.to_string()) } else { Value::Null };
        body = serde_json::json!({ "Functions": all[start..end], "NextMarker": next });
    }
    Answer { body: body.to_string().into(), ..answer }
}

/// Lambda's lists tell no states, moto's do.
fn forget_states(function: &mut Value) {
    if let Some(members) = function.as_object_mut() {
        members
            .retain(|name, _| !name.starts_with("State") && !name.starts_with("LastUpdateStatus"));
    }
}

/// Every alias of an answer.
fn aliases_of(body: &mut Value) -> Vec<&mut Value> {
    if body["AliasArn"].is_string() {
        return vec![body];
    }
    body["Aliases"].as_array_mut().into_iter().flatten().collect()
}

/// Every function configuration of an answer, wherever its operation puts it.
fn functions_of(body: &mut Value) -> Vec<&mut Value> {
    if body["FunctionArn"].is_string() {
        return vec![body];
    }
    let Some(members) = body.as_object_mut() else {
        return Vec::new();
    };
    let places = members
        .iter_mut()
        .filter(|(name, _)| ["Configuration", "Functions", "Versions"].contains(&name.as_str()));
    places
        .flat_map(|(_, place)| match place {
            Value::Array(functions) => functions.iter_mut().collect(),
            one @ Value::Object(_) => vec![one],
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        })
        .collect()
}
