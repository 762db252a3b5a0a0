//! An emulated account to test in: moto, the proxy before it, and SDK clients to set the scene with.
//!
//! Not here: what a test then expects.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_ec2::types as ec2;
use aws_sdk_elasticloadbalancingv2::types as balancing;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{FunctionCode, Runtime};

use crate::moto::Moto;
use crate::proxy::Proxy;

/// A Linux image (x86_64, HVM, EBS root) that moto has in every region.
pub(crate) const IMAGE: &str = "ami-760aaa0f";
/// The zone that the scene's machines and volumes are in.
pub(crate) const ZONE_SUFFIX: &str = "a";

/// Moto and its proxy; both end with this value.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) moto: Moto,
    pub(crate) proxy: Proxy,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        let moto = Moto::start().await;
        let proxy = Proxy::start(moto.url()).await;
        Self { moto, proxy }
    }

    /// Clients of the base account (`proxy::BASE_ACCOUNT`).
    pub(crate) fn clients(&self, region: &str) -> Clients {
        clients_at(&self.proxy, region)
    }

    /// Clients of another account, through a role in it. moto makes the account on first use.
    pub(crate) async fn clients_of(
        &self,
        account: &str,
        region: &str,
        external_id: Option<&str>,
    ) -> Clients {
        let role = format!("arn:aws:iam::{account}:role/Scene");
        let request =
            self.clients(region).sts.assume_role().role_arn(role).role_session_name("scene");
        let session = request.set_external_id(external_id.map(str::to_owned)).send().await;
        let keys = session
            .expect("the scene's role is trusted")
            .credentials
            .expect("a session has credentials");
        let token = Some(keys.session_token);
        Clients::new(
            self.proxy.url(),
            region,
            Credentials::new(keys.access_key_id, keys.secret_access_key, token, None, "wire"),
        )
    }
}

/// Clients of the base account at a proxy; enough for tests that ask only CloudWatch and start no moto.
pub(crate) fn clients_at(proxy: &Proxy, region: &str) -> Clients {
    let credentials = Credentials::new("AKIATRIMTABWIRETESTS", "secret", None, None, "wire");
    Clients::new(proxy.url(), region, credentials)
}

/// SDK clients of one account and region, without retries: each call of a test is one call on the wire.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) ec2: aws_sdk_ec2::Client,
    pub(crate) lambda: aws_sdk_lambda::Client,
    pub(crate) autoscaling: aws_sdk_autoscaling::Client,
    pub(crate) balancing: aws_sdk_elasticloadbalancingv2::Client,
    pub(crate) cloudwatch: aws_sdk_cloudwatch::Client,
    pub(crate) sts: aws_sdk_sts::Client,
    region: String,
    endpoint: String,
    access_key: String,
}

impl Clients {
    fn new(endpoint: &str, region: &str, credentials: Credentials) -> Self {
        let access_key = credentials.access_key_id().to_owned();
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .endpoint_url(endpoint)
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        Self {
            ec2: aws_sdk_ec2::Client::new(&config),
            lambda: aws_sdk_lambda::Client::new(&config),
            autoscaling: aws_sdk_autoscaling::Client::new(&config),
            balancing: aws_sdk_elasticloadbalancingv2::Client::new(&config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
            sts: aws_sdk_sts::Client::new(&config),
            region: region.to_owned(),
            endpoint: endpoint.to_owned(),
            access_key,
        }
    }

    /// Starts a Linux instance without a public address, tagged, with one gp3 root volume; returns its id.
    pub(crate) async fn run_instance(&self, instance_type: &str, tags: &[(&str, &str)]) -> String {
        let network = ec2::InstanceNetworkInterfaceSpecification::builder()
            .device_index(0)
            .associate_public_ip_address(false)
            .subnet_id(self.subnet().await)
            .build();
        let disk = ec2::EbsBlockDevice::builder()
            .volume_size(20)
            .volume_type(ec2::VolumeType::Gp3)
            .build();
        let root = ec2::BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(disk).build();
        let run = self.ec2.run_instances().image_id(IMAGE).min_count(1).max_count(1);
        let run = run
            .instance_type(instance_type.into())
            .network_interfaces(network)
            .block_device_mappings(root);
        let run = run.set_tag_specifications(tagged(ec2::ResourceType::Instance, tags));
        let started =
            run.send().await.expect("moto runs any instance").instances.unwrap_or_default();
        started
            .into_iter()
            .find_map(|instance| instance.instance_id)
            .expect("one instance was asked for")
    }

    /// Makes an unattached volume; returns its id.
    pub(crate) async fn create_volume(
        &self,
        volume_type: &str,
        size_gib: i32,
        iops: Option<i32>,
    ) -> String {
        let create =
            self.ec2.create_volume().availability_zone(format!("{}{ZONE_SUFFIX}", self.region));
        let create = create.volume_type(volume_type.into()).size(size_gib).set_iops(iops);
        let volume = create.send().await.expect("moto makes any volume");
        volume.volume_id.expect("a volume has an id")
    }

    /// Makes a function and the role it needs; returns its ARN.
    pub(crate) async fn create_function(&self, name: &str, memory_mb: i32) -> String {
        // The smallest archive: an end-of-directory record and nothing before it.
        let empty_zip: Vec<u8> = b"PK\x05\x06".iter().copied().chain([0; 18]).collect();
        let code = FunctionCode::builder().zip_file(Blob::new(empty_zip)).build();
        let create =
            self.lambda.create_function().function_name(name).memory_size(memory_mb).code(code);
        let create = create
            .runtime(Runtime::Python312)
            .handler("main.handle")
            .role(self.role("wire-function").await);
        let function = create.send().await.expect("moto makes a function whose role exists");
        function.function_arn.expect("a function has an ARN")
    }

    /// Makes a launch template and a group on its latest version, with `sizes` = (min, max, desired).
    pub(crate) async fn create_group(
        &self,
        name: &str,
        instance_type: &str,
        sizes: (i32, i32, i32),
    ) {
        self.create_group_at(name, instance_type, sizes, "$Latest").await;
    }

    /// The same, by that version of its template.
    pub(crate) async fn create_group_at(
        &self,
        name: &str,
        instance_type: &str,
        sizes: (i32, i32, i32),
        version: &str,
    ) {
        let data = ec2::RequestLaunchTemplateData::builder()
            .image_id(IMAGE)
            .instance_type(instance_type.into());
        let template = format!("{name}-template");
        let create = self.ec2.create_launch_template().launch_template_name(&template);
        create.launch_template_data(data.build()).send().await.expect("the template's name is new");
        let template = aws_sdk_autoscaling::types::LaunchTemplateSpecification::builder()
            .launch_template_name(template)
            .version(version)
            .build();
        let create = self.autoscaling.create_auto_scaling_group().auto_scaling_group_name(name);
        let create = create.launch_template(template).vpc_zone_identifier(self.subnet().await);
        let create = create.min_size(sizes.0).max_size(sizes.1).desired_capacity(sizes.2);
        create.send().await.expect("the group's name is new");
    }

    /// Makes a target group with these instances on port 80; returns its ARN.
    pub(crate) async fn create_target_group(&self, name: &str, ids: &[&str]) -> String {
        let subnets = self.ec2.describe_subnets().send().await.expect("moto has a default network");
        let network = subnets.subnets()[0].vpc_id().expect("a subnet is in a network");
        let create = self.balancing.create_target_group().name(name).port(80).vpc_id(network);
        let create = create.protocol(balancing::ProtocolEnum::Http);
        let made = create.target_type(balancing::TargetTypeEnum::Instance).send().await;
        let made = made.expect("the group's name is new");
        let arn = made.target_groups()[0].target_group_arn().expect("a group has an ARN");
        let targets = ids.iter().map(|id| balancing::TargetDescription::builder().id(*id).build());
        let register = self.balancing.register_targets().target_group_arn(arn);
        let register = register.set_targets(Some(targets.collect()));
        register.send().await.expect("the instances are there");
        arn.to_owned()
    }

    /// A subnet of the default network, in the scene's zone.
    async fn subnet(&self) -> String {
        let zone = format!("{}{ZONE_SUFFIX}", self.region);
        let subnets = self.ec2.describe_subnets().send().await.expect("moto has a default network");
        let mut subnets = subnets.subnets.unwrap_or_default().into_iter();
        let here = subnets.find(|subnet| subnet.availability_zone.as_deref() == Some(&zone));
        here.and_then(|subnet| subnet.subnet_id).expect("each zone has a default subnet")
    }

    /// Makes a role that Lambda may take, if it is not there; returns its ARN.
    ///
    /// By a plain query, because nothing else in the project needs an IAM client. moto checks no signature.
    async fn role(&self, name: &str) -> String {
        let scope = format!("{}/20260101/us-east-1/iam/aws4_request", self.access_key);
        let signature =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        let trust = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22\
                     Principal%22%3A%7B%22Service%22%3A%22lambda.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3A\
                     AssumeRole%22%7D%5D%7D";
        let query = async |question: String| {
            let client =
                reqwest::Client::builder().no_proxy().build().expect("a plain client can be built");
            let request = client.post(&self.endpoint).header("authorization", &signature);
            let request =
                request.header("content-type", "application/x-www-form-urlencoded").body(question);
            let reply = request.send().await.expect("the proxy listens");
            reply.text().await.expect("moto answers in text")
        };
        let version = "Version=2010-05-08";
        query(format!(
            "Action=CreateRole&{version}&RoleName={name}&AssumeRolePolicyDocument={trust}"
        ))
        .await;
        let role = query(format!("Action=GetRole&{version}&RoleName={name}")).await;
        let arn = role.split_once("<Arn>").and_then(|(_, rest)| rest.split_once("</Arn>"));
        arn.expect("the role was just made").0.to_owned()
    }
}

/// No tags are no specification at all: EC2 refuses an empty one.
fn tagged(kind: ec2::ResourceType, tags: &[(&str, &str)]) -> Option<Vec<ec2::TagSpecification>> {
    let tag = |(key, value): &(&str, &str)| ec2::Tag::builder().key(*key).value(*value).build();
    let all: Vec<ec2::Tag> = tags.iter().map(tag).collect();
    let specification = ec2::TagSpecification::builder().resource_type(kind);
    (!all.is_empty()).then(|| vec![specification.set_tags(Some(all)).build()])
}
