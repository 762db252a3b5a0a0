//! The archetypes of which fleets are made: what each is, how it is used, and what is special about it.
//!
//! Not here: how many there are (`scenario`) and how they behave (`world`).

use serde::Deserialize;

use crate::workload::Workload;

/// A kind of resource with a typical use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Archetype {
    /// A web server four times too large, with the memory agent.
    WebOversized,
    /// The same without the memory agent.
    WebUnseenMemory,
    /// A server of the right size.
    ApiRightSized,
    /// A server that has no CPU left at its peaks.
    Saturated,
    /// A machine that does nothing.
    Idle,
    /// A machine that works one hour a night.
    NightBatch,
    /// A machine with short, high bursts.
    Bursty,
    /// An oversized machine on arm64.
    Graviton,
    /// An oversized Windows machine, for which no price is known.
    Windows,
    /// An oversized machine that CloudFormation owns.
    StackOwned,
    /// An oversized machine that opted out by a tag.
    OptedOut,
    /// An oversized Spot machine.
    Spot,
    /// A gp2 volume, in use.
    VolumeGp2,
    /// A large gp2 volume that uses what its size gives it.
    VolumeGp2Busy,
    /// A gp3 volume with far more IOPS and throughput than it uses.
    VolumeGp3Over,
    /// An io1 volume with far more IOPS than it uses.
    VolumeIo1Over,
    /// A gp3 volume of the right size.
    VolumeRight,
    /// A volume that nothing is attached to.
    VolumeUnattached,
    /// A function with far more memory than it uses.
    FunctionOversized,
    /// A function of the right size.
    FunctionRight,
    /// A function whose memory use is not known.
    FunctionUnseen,
    /// An oversized function that is served through an alias.
    FunctionAliased,
    /// A group without scaling policies, twice too large.
    GroupFixedOver,
    /// A group with a scaling policy and too high a minimum.
    GroupScaledOver,
    /// An oversized group with suspended processes.
    GroupSuspended,
    /// A group whose members come an hour after its load, which has a strong day.
    GroupDailyRise,
    /// A group of two members, the fewest it may have, each far larger than its load.
    GroupTypeOver,
}

/// What an archetype is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blueprint {
    /// The word in its names.
    pub name: &'static str,
    /// How it is used.
    pub workload: Workload,
    /// What it is.
    pub body: BodyPlan,
    /// A tag that makes it special.
    pub tag: Option<(&'static str, &'static str)>,
    /// Whether the members of a group are resources of their own.
    pub members_seen: bool,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BodyPlan {
    /// An instance.
    Instance {
        /// Types to choose from.
        types: &'static [&'static str],
        /// Memory in use as a ratio of the first type's; `None` without the agent.
        memory_ratio: Option<f64>,
        /// `PlatformDetails`.
        platform: &'static str,
        /// Whether it is a Spot machine.
        spot: bool,
        /// Network traffic at full load, bytes a second, each way.
        network_bytes_s: f64,
    },
    /// A volume.
    Volume {
        /// Its type.
        volume_type: &'static str,
        /// Sizes to choose from, GiB.
        sizes_gib: &'static [u32],
        /// Provisioned IOPS.
        iops: Option<u32>,
        /// Provisioned throughput, MiB/s.
        throughput_mibps: Option<u32>,
        /// IOPS at full load.
        peak_iops: f64,
        /// Bytes a second at full load.
        peak_bytes_s: f64,
        /// Whether it is attached to an instance.
        attached: bool,
    },
    /// A function.
    Function {
        /// Memory, MB.
        memory_mb: u32,
        /// Memory in use, MB; reported only with `insights`.
        used_mb: f64,
        /// Whether Lambda Insights reports memory.
        insights: bool,
        /// Whether an alias serves it.
        aliased: bool,
        /// Invocations in five minutes at full load.
        peak_invocations: f64,
    },
    /// A group.
    Group {
        /// Its members' type.
        instance_type: &'static str,
        /// Bounds and desired capacity.
        bounds: (u32, u32, u32),
        /// Load at full demand, in fully used members.
        peak_members: f64,
        /// Whether a target-tracking policy scales it.
        scaled: bool,
        /// How long after the load the policy's members come, seconds.
        lag_s: i64,
        /// Whether somebody suspended processes.
        suspended: bool,
    },
}

const OFFICE: Workload = Workload {
    base_ratio: 0.04,
    day_ratio: 0.12,
    peak_hour: 14.0,
    weekend_factor: 0.5,
    noise_ratio: 0.10,
    burst_share: 0.0,
    burst_ratio: 0.0,
    trend_ratio_per_day: 0.0,
    batch_ratio: 0.0,
};
/// Calls through the day.
const CALLS: Workload = Workload { base_ratio: 0.2, day_ratio: 0.7, ..OFFICE };
const LINUX: &str = "Linux/UNIX";
/// 20 Mbit/s.
const NETWORK: f64 = 2.5e6;

const fn instance(types: &'static [&'static str], memory_ratio: Option<f64>) -> BodyPlan {
    BodyPlan::Instance {
        types,
        memory_ratio,
        platform: LINUX,
        spot: false,
        network_bytes_s: NETWORK,
    }
}

/// A machine that nobody talks to.
const QUIET: BodyPlan = BodyPlan::Instance {
    types: &["m5.large", "m5.xlarge"],
    memory_ratio: Some(0.08),
    platform: LINUX,
    spot: false,
    network_bytes_s: 1_000.0,
};

const fn special(platform: &'static str, spot: bool) -> BodyPlan {
    let types = &["m5.xlarge"];
    BodyPlan::Instance { types, memory_ratio: Some(0.25), platform, spot, network_bytes_s: NETWORK }
}

const fn blueprint(name: &'static str, workload: Workload, body: BodyPlan) -> Blueprint {
    Blueprint { name, workload, body, tag: None, members_seen: false }
}

impl Archetype {
    /// What the archetype is made of.
    #[must_use]
    pub const fn blueprint(self) -> Blueprint {
        match self {
            Self::WebOversized
            | Self::WebUnseenMemory
            | Self::ApiRightSized
            | Self::Saturated
            | Self::Idle
            | Self::NightBatch
            | Self::Bursty
            | Self::Graviton
            | Self::Windows
            | Self::StackOwned
            | Self::OptedOut
            | Self::Spot => self.instance_blueprint(),
            Self::VolumeGp2
            | Self::VolumeGp2Busy
            | Self::VolumeGp3Over
            | Self::VolumeIo1Over
            | Self::VolumeRight
            | Self::VolumeUnattached => self.volume_blueprint(),
            Self::FunctionOversized
            | Self::FunctionRight
            | Self::FunctionUnseen
            | Self::FunctionAliased => self.function_blueprint(),
            Self::GroupFixedOver
            | Self::GroupScaledOver
            | Self::GroupSuspended
            | Self::GroupDailyRise
            | Self::GroupTypeOver => self.group_blueprint(),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "`blueprint` passes only archetypes of this kind"
    )]
    const fn instance_blueprint(self) -> Blueprint {
        let oversized = instance(&["m5.2xlarge", "m5.xlarge", "r5.2xlarge"], Some(0.22));
        match self {
            Self::WebUnseenMemory => {
                blueprint("cache", OFFICE, instance(&["m5.2xlarge", "c5.2xlarge"], None))
            }
            Self::ApiRightSized => {
                let workload = Workload {
                    base_ratio: 0.24,
                    day_ratio: 0.28,
                    noise_ratio: 0.05,
                    weekend_factor: 0.8,
                    ..OFFICE
                };
                blueprint("api", workload, instance(&["m5.large", "c5.xlarge"], Some(0.62)))
            }
            Self::Saturated => {
                let workload =
                    Workload { base_ratio: 0.55, day_ratio: 0.75, weekend_factor: 0.9, ..OFFICE };
                blueprint("search", workload, instance(&["c5.large", "m5.large"], Some(0.55)))
            }
            Self::Idle => {
                let workload =
                    Workload { base_ratio: 0.004, day_ratio: 0.0, noise_ratio: 0.2, ..OFFICE };
                blueprint("forgotten", workload, QUIET)
            }
            Self::NightBatch => {
                let workload =
                    Workload { base_ratio: 0.02, day_ratio: 0.0, batch_ratio: 0.68, ..OFFICE };
                blueprint("etl", workload, instance(&["r5.xlarge", "m5.xlarge"], Some(0.6)))
            }
            Self::Bursty => {
                let workload = Workload {
                    base_ratio: 0.05,
                    day_ratio: 0.05,
                    burst_share: 0.12,
                    burst_ratio: 0.6,
                    ..OFFICE
                };
                blueprint("build", workload, instance(&["c5.xlarge", "c5.2xlarge"], Some(0.5)))
            }
            Self::Graviton => {
                blueprint("edge", OFFICE, instance(&["m7g.xlarge", "m6g.xlarge"], Some(0.2)))
            }
            Self::Windows => blueprint("desk", OFFICE, special("Windows", false)),
            Self::Spot => blueprint("spot", OFFICE, special(LINUX, true)),
            Self::StackOwned => {
                let tag = Some(("aws:cloudformation:stack-name", "shop"));
                Blueprint { tag, ..blueprint("shop", OFFICE, oversized) }
            }
            Self::OptedOut => Blueprint {
                tag: Some(("trimtab:exclude", "")),
                ..blueprint("legacy", OFFICE, oversized)
            },
            _ => blueprint("web", OFFICE, oversized),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "`blueprint` passes only archetypes of this kind"
    )]
    const fn volume_blueprint(self) -> Blueprint {
        let steady = Workload { base_ratio: 0.2, day_ratio: 0.5, ..OFFICE };
        type Row = (&'static str, &'static str, &'static [u32], Option<u32>, Option<u32>, f64, f64);
        let (name, volume_type, sizes_gib, iops, throughput_mibps, peak_iops, peak_bytes_s): Row =
            match self {
                Self::VolumeGp2Busy => ("db", "gp2", &[2000, 3000], None, None, 4_000.0, 120.0e6),
                Self::VolumeGp3Over => {
                    ("log", "gp3", &[500], Some(12_000), Some(500), 900.0, 30.0e6)
                }
                Self::VolumeIo1Over => ("oltp", "io1", &[400], Some(8_000), None, 700.0, 20.0e6),
                Self::VolumeRight => {
                    ("root", "gp3", &[50, 100], Some(3_000), Some(125), 300.0, 8.0e6)
                }
                Self::VolumeUnattached => ("orphan", "gp2", &[200, 500], None, None, 0.0, 0.0),
                _ => ("data", "gp2", &[100, 300], None, None, 250.0, 10.0e6),
            };
        let attached = !matches!(self, Self::VolumeUnattached);
        let body = BodyPlan::Volume {
            volume_type,
            sizes_gib,
            iops,
            throughput_mibps,
            peak_iops,
            peak_bytes_s,
            attached,
        };
        blueprint(name, steady, body)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "`blueprint` passes only archetypes of this kind"
    )]
    const fn function_blueprint(self) -> Blueprint {
        let calls = CALLS;
        match self {
            Self::FunctionRight => blueprint(
                "thumbnail",
                calls,
                BodyPlan::Function {
                    memory_mb: 512,
                    used_mb: 420.0,
                    insights: true,
                    aliased: false,
                    peak_invocations: 900.0,
                },
            ),
            Self::FunctionUnseen => blueprint(
                "webhook",
                calls,
                BodyPlan::Function {
                    memory_mb: 1024,
                    used_mb: 160.0,
                    insights: false,
                    aliased: false,
                    peak_invocations: 500.0,
                },
            ),
            Self::FunctionAliased => blueprint(
                "checkout",
                calls,
                BodyPlan::Function {
                    memory_mb: 3008,
                    used_mb: 240.0,
                    insights: true,
                    aliased: true,
                    peak_invocations: 800.0,
                },
            ),
            _ => blueprint(
                "resize",
                calls,
                BodyPlan::Function {
                    memory_mb: 3008,
                    used_mb: 210.0,
                    insights: true,
                    aliased: false,
                    peak_invocations: 1_500.0,
                },
            ),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "`blueprint` passes only archetypes of this kind"
    )]
    const fn group_blueprint(self) -> Blueprint {
        let calls = CALLS;
        match self {
            Self::GroupScaledOver => {
                blueprint("frontend", calls, group((6, 12, 6), 1.8, true, false))
            }
            Self::GroupSuspended => blueprint("paused", calls, group((6, 6, 6), 1.5, false, true)),
            Self::GroupTypeOver => {
                let body = BodyPlan::Group {
                    instance_type: "m5.2xlarge",
                    bounds: (2, 2, 2),
                    peak_members: 0.5,
                    scaled: false,
                    lag_s: 0,
                    suspended: false,
                };
                Blueprint { members_seen: true, ..blueprint("gateway", calls, body) }
            }
            Self::GroupDailyRise => {
                let day = Workload { base_ratio: 0.05, day_ratio: 0.9, ..OFFICE };
                let body = BodyPlan::Group {
                    instance_type: "m5.large",
                    bounds: (2, 20, 2),
                    peak_members: 12.0,
                    scaled: true,
                    lag_s: 3_600,
                    suspended: false,
                };
                blueprint("shop-front", day, body)
            }
            _ => blueprint("workers", calls, group((8, 8, 8), 1.9, false, false)),
        }
    }
}

const fn group(
    bounds: (u32, u32, u32),
    peak_members: f64,
    scaled: bool,
    suspended: bool,
) -> BodyPlan {
    BodyPlan::Group { instance_type: "m5.large", bounds, peak_members, scaled, lag_s: 0, suspended }
}
