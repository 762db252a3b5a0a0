//! Populates a world from a scenario: ids, tags and workloads follow from the seed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use trimtab_models::{
    resource::{
        Arn, Attachment, Detail, Function, Group, Instance, InstanceState, Kind, Member, Resource,
        ResourceRef, Volume,
    },
    spec::VolumeSpec,
};

use super::{
    Body, Entity, FunctionBody, GroupBody, InstanceBody, VolumeBody, World, refresh::Template,
};
use crate::{
    fleet::{Archetype, Blueprint, BodyPlan},
    noise::{mix, unit},
    scenario::Scenario,
    timeline::Timeline,
    workload::{Demand, Workload},
};

/// How long a load balancer lets connections end, seconds.
const DRAIN_S: u32 = 60;

pub(super) fn populate(world: &mut World, scenario: &Scenario) {
    let mut serial = 0_u32;
    for (archetype, count) in &scenario.fleet {
        for number in 1..=*count {
            let region = &scenario.regions[serial as usize % scenario.regions.len()];
            add(world, *archetype, number, region);
            serial += 1;
        }
    }
    if scenario.balanced {
        for region in &scenario.regions {
            let ids = machines(world, region);
            world.put_behind_balancer(region, &ids, DRAIN_S, "healthy");
        }
    }
}

/// The machines of a region that are no members of a group.
fn machines(world: &World, region: &str) -> BTreeSet<String> {
    let entities = world.entities.iter();
    let near = entities.filter(|(_, it)| {
        it.resource.reference.region == region && matches!(it.body, Body::Instance(_))
    });
    near.map(|(id, _)| id.clone()).collect()
}

fn add(world: &mut World, archetype: Archetype, number: u32, region: &str) {
    let blueprint = archetype.blueprint();
    let name = format!("{}-{number}", blueprint.name);
    let stream = world.stream(&format!("{name} {region}"));
    let demand =
        Demand { workload: vary(blueprint.workload, stream), stream, origin_s: world.start_s };
    let mut place = Placing { world, name, region: region.to_owned(), stream };
    let (id, detail, body) = place.make(&blueprint.body);
    let reference = place.reference(&blueprint, &id, &detail);
    let zoned = matches!(reference.kind, Kind::Instance | Kind::Volume);
    let created_at = Timestamp::from_second(world.history_s - 90 * 86_400).ok();
    let resource = Resource {
        zone: zoned.then(|| format!("{region}a")),
        created_at,
        observed_at: created_at.unwrap_or(Timestamp::UNIX_EPOCH),
        id: id.clone(),
        reference,
        detail,
    };
    let group = Entity { resource, demand, body };
    for member in members(&group, blueprint.members_seen) {
        world.entities.insert(member.resource.id.clone(), member);
    }
    world.entities.insert(id, group);
}

/// The members of a group as resources of their own, each with its share of the group's load.
fn members(group: &Entity, seen: bool) -> Vec<Entity> {
    let (Detail::Group(detail), Body::Group(body), true) =
        (&group.resource.detail, &group.body, seen)
    else {
        return Vec::new();
    };
    let share = body.peak_members / f64::from(detail.desired_capacity.max(1));
    let workload = group.demand.workload;
    let workload = Workload {
        base_ratio: workload.base_ratio * share,
        day_ratio: workload.day_ratio * share,
        ..workload
    };
    let member = |member: &Member| {
        let (id, name) = (member.instance_id.clone(), &member.instance_type);
        let mut instance = linux_instance(name, group.resource.created_at);
        instance.group = Some(group.resource.id.clone());
        let place = &group.resource.reference;
        let tag = ("aws:autoscaling:groupName".to_owned(), group.resource.id.clone());
        let reference = ResourceRef {
            arn: Arn(format!("arn:aws:ec2:{}:{}:instance/{id}", place.region, place.account)),
            kind: Kind::Instance,
            tags: place.tags.clone().into_iter().chain([tag]).collect(),
            ..place.clone()
        };
        let resource = Resource {
            reference,
            id,
            zone: Some(format!("{}a", place.region)),
            detail: Detail::Instance(Box::new(instance)),
            ..group.resource.clone()
        };
        let body = InstanceBody {
            types: Timeline::new(name.clone()),
            states: Timeline::new(InstanceState::Running),
            reasons: Timeline::new(None),
            marks: Timeline::new(BTreeMap::new()),
            first_type: name.clone(),
            memory_ratio: None,
            network_bytes_s: 0.0,
        };
        let demand = Demand { workload, ..group.demand };
        Entity { resource, demand, body: Body::Instance(body) }
    };
    detail.members.iter().map(member).collect()
}

/// A running instance with an ordinary image.
fn linux_instance(name: &str, launched_at: Option<Timestamp>) -> Instance {
    let arm = name.split('.').next().is_some_and(|family| family.ends_with('g'));
    Instance {
        instance_type: name.to_owned(),
        state: InstanceState::Running,
        platform: "Linux/UNIX".to_owned(),
        architecture: if arm { "arm64" } else { "x86_64" }.to_owned(),
        virtualization: "hvm".to_owned(),
        ena_support: true,
        boot_mode: Some(if arm { "uefi" } else { "legacy-bios" }.to_owned()),
        ebs_root: true,
        lifecycle: None,
        tenancy: "default".to_owned(),
        placement_group: None,
        hibernation: false,
        enclave: false,
        custom_cpu_options: false,
        registrations: Some(Vec::new()),
        licenses: 0,
        network_interfaces: 1,
        addresses_per_interface: 1,
        special_network: false,
        public_ip: None,
        elastic_ip: false,
        volumes: Vec::new(),
        operator_managed: false,
        group: None,
        state_reason: None,
        launched_at,
    }
}

/// No two servers are alike: levels differ by up to 15 %, peaks by up to three hours.
fn vary(workload: Workload, stream: u64) -> Workload {
    let factor = 0.85 + 0.3 * unit(stream, 1);
    Workload {
        base_ratio: workload.base_ratio * factor,
        day_ratio: workload.day_ratio * factor,
        peak_hour: workload.peak_hour + 6.0 * (unit(stream, 2) - 0.5),
        ..workload
    }
}

struct Placing<'a> {
    world: &'a World,
    name: String,
    region: String,
    stream: u64,
}

impl Placing<'_> {
    fn make(&mut self, plan: &BodyPlan) -> (String, Detail, Body) {
        match plan {
            BodyPlan::Instance { .. } => self.instance(plan),
            BodyPlan::Volume { .. } => self.volume(plan),
            BodyPlan::Function { .. } => self.function(plan),
            BodyPlan::Group { .. } => self.group(plan),
        }
    }

    fn hex(&self, prefix: &str) -> String {
        let digits = format!("{:016x}{:016x}", mix(self.stream), mix(self.stream ^ 7));
        format!("{prefix}-0{}", &digits[..16])
    }

    fn pick<T: Copy>(&self, choices: &[T]) -> T {
        let index = (unit(self.stream, 3) * choices.len() as f64) as usize;
        choices[index.min(choices.len() - 1)]
    }

    fn reference(&self, blueprint: &Blueprint, id: &str, detail: &Detail) -> ResourceRef {
        let (account, region) = (&self.world.account, &self.region);
        let (kind, arn) = match detail {
            Detail::Instance(_) => {
                (Kind::Instance, format!("arn:aws:ec2:{region}:{account}:instance/{id}"))
            }
            Detail::Volume(_) => {
                (Kind::Volume, format!("arn:aws:ec2:{region}:{account}:volume/{id}"))
            }
            Detail::Function(_) => {
                (Kind::Function, format!("arn:aws:lambda:{region}:{account}:function:{id}"))
            }
            Detail::Group(_) => {
                let uuid = format!("{:016x}", mix(self.stream));
                (
                    Kind::Group,
                    format!(
                        "arn:aws:autoscaling:{region}:{account}:autoScalingGroup:{uuid}:autoScalingGroupName/{id}"
                    ),
                )
            }
        };
        let mut tags = BTreeMap::from([
            ("Name".to_owned(), self.name.clone()),
            ("team".to_owned(), self.pick(&["web", "data", "platform"]).to_owned()),
        ]);
        if let Some((key, value)) = blueprint.tag {
            tags.insert(key.to_owned(), value.to_owned());
        }
        ResourceRef { arn: Arn(arn), kind, account: account.clone(), region: region.clone(), tags }
    }

    fn instance(&self, plan: &BodyPlan) -> (String, Detail, Body) {
        let BodyPlan::Instance { types, memory_ratio, platform, spot, network_bytes_s } = plan
        else {
            unreachable!("`make` passes instances only")
        };
        let id = self.hex("i");
        let instance_type = self.pick(types).to_owned();
        let launched_at = Timestamp::from_second(self.world.history_s - 90 * 86_400).ok();
        let instance = Instance {
            platform: (*platform).to_owned(),
            lifecycle: spot.then(|| "spot".to_owned()),
            volumes: vec![self.hex("vol")],
            ..linux_instance(&instance_type, launched_at)
        };
        let body = InstanceBody {
            types: Timeline::new(instance_type.clone()),
            states: Timeline::new(InstanceState::Running),
            reasons: Timeline::new(None),
            marks: Timeline::new(BTreeMap::new()),
            first_type: instance_type,
            memory_ratio: memory_ratio.map(|ratio| ratio * (0.9 + 0.2 * unit(self.stream, 4))),
            network_bytes_s: *network_bytes_s,
        };
        (id, Detail::Instance(Box::new(instance)), Body::Instance(body))
    }

    fn volume(&self, plan: &BodyPlan) -> (String, Detail, Body) {
        let BodyPlan::Volume {
            volume_type,
            sizes_gib,
            iops,
            throughput_mibps,
            peak_iops,
            peak_bytes_s,
            attached,
        } = plan
        else {
            unreachable!("`make` passes volumes only")
        };
        let id = self.hex("vol");
        let size_gib = self.pick(sizes_gib);
        // gp2 gives 3 IOPS a GiB, at least 100 and at most 16,000 (EBS user guide), and EC2 reports them.
        let iops =
            iops.or_else(|| (*volume_type == "gp2").then(|| (3 * size_gib).clamp(100, 16_000)));
        let spec = VolumeSpec {
            volume_type: (*volume_type).to_owned(),
            size_gib,
            iops,
            throughput_mibps: *throughput_mibps,
        };
        let attachments = attached
            .then(|| Attachment {
                instance_id: format!("i-0{:016x}", mix(self.stream ^ 9)),
                device: "/dev/xvdf".to_owned(),
                delete_on_termination: false,
            })
            .into_iter()
            .collect();
        let state = if *attached { "in-use" } else { "available" };
        let volume = Volume {
            spec: spec.clone(),
            state: state.to_owned(),
            attachments,
            multi_attach: false,
            kms_key: None,
            snapshot_id: None,
            modification: None,
            detached_since: None,
        };
        let body = VolumeBody {
            specs: Timeline::new(spec),
            modifications: Vec::new(),
            states: Timeline::new(state),
            peak_iops: *peak_iops,
            peak_bytes_s: *peak_bytes_s,
        };
        (id, Detail::Volume(volume), Body::Volume(body))
    }

    fn function(&self, plan: &BodyPlan) -> (String, Detail, Body) {
        let BodyPlan::Function { memory_mb, used_mb, insights, aliased, peak_invocations } = plan
        else {
            unreachable!("`make` passes functions only")
        };
        let function = Function {
            memory_mb: *memory_mb,
            timeout_s: 30,
            architecture: "x86_64".to_owned(),
            runtime: Some("python3.13".to_owned()),
            state: "Active".to_owned(),
            last_update_status: "Successful".to_owned(),
            revision_id: Some(format!("{:016x}", mix(self.stream))),
            code_sha256: Some(format!("{:016x}", mix(self.stream ^ 5))),
            aliases: Vec::new(),
            published_versions: 0,
            served: None,
            newest: None,
            provisioned: None,
            capacity_provider: false,
        };
        let body = FunctionBody {
            used_mb: *used_mb * (0.9 + 0.2 * unit(self.stream, 4)),
            insights: *insights,
            peak_invocations: *peak_invocations,
            ..FunctionBody::new(*memory_mb, self.stream, *aliased)
        };
        (self.name.clone(), Detail::Function(function), Body::Function(body))
    }

    fn group(&self, plan: &BodyPlan) -> (String, Detail, Body) {
        let BodyPlan::Group { instance_type, bounds, peak_members, scaled, lag_s, suspended } =
            plan
        else {
            unreachable!("`make` passes groups only")
        };
        let member = |number: u32| Member {
            instance_id: format!("i-0{:016x}", mix(self.stream ^ u64::from(number))),
            instance_type: (*instance_type).to_owned(),
            lifecycle_state: "InService".to_owned(),
            healthy: true,
        };
        let group = Group {
            min_size: bounds.0,
            max_size: bounds.1,
            desired_capacity: bounds.2,
            members: (0..bounds.2).map(member).collect(),
            mixed_instances: false,
            scaling_policies: scaled.then(|| "cpu-60".to_owned()).into_iter().collect(),
            scheduled_actions: Vec::new(),
            schedule: Vec::new(),
            suspended_processes: suspended.then(|| "Terminate".to_owned()).into_iter().collect(),
            activities_in_progress: Vec::new(),
            refresh_in_progress: None,
            refresh: None,
            launch_template: None,
            deleting: false,
        };
        let body = GroupBody {
            bounds: Timeline::new(*bounds),
            peak_members: *peak_members,
            scaled: *scaled,
            lag_s: *lag_s,
            schedule: Timeline::new(Vec::new()),
            first_type: (*instance_type).to_owned(),
            template: Template::new(self.hex("lt"), instance_type),
        };
        (self.name.clone(), Detail::Group(group), Body::Group(body))
    }
}
