//! What somebody does with the roles' file, in words that stand at its head.
//!
//! Not here: the file itself (`cloudformation`, `terraform`).

use serde_json::json;

use super::{APPLY_ROLE, READ_ROLE, RoleTrust, Roles, access_word, cloudformation::STACK, plural};
use crate::calls::Access;
use trimtab_models::resource::Kind;

/// Lines as comments, as YAML and HCL know them.
pub(super) fn commented(lines: &[String]) -> String {
    let comment =
        |line: &String| if line.is_empty() { "#\n".to_owned() } else { format!("# {line}\n") };
    lines.iter().map(comment).collect()
}

/// The account's section of the settings, which keeps its external id.
#[must_use]
pub fn account_section(roles: &Roles) -> String {
    let account = roles.account.as_deref().unwrap_or("ACCOUNT");
    let regions: Vec<String> = roles.regions.iter().map(|region| format!("\"{region}\"")).collect();
    let regions = if regions.is_empty() { "\"REGION\"".to_owned() } else { regions.join(", ") };
    let apply = match roles.access {
        Access::Read => String::new(),
        Access::Apply => format!("apply_role_arn = \"{}\"\n", roles.role_arn(APPLY_ROLE)),
    };
    let trust = match &roles.trust {
        RoleTrust::ExternalId(id) => {
            format!("external_id = \"{}\"\n", id.as_deref().unwrap_or("EXTERNAL ID"))
        }
        RoleTrust::Organization(_) => "trust = \"organization\"\n".to_owned(),
    };
    format!(
        "[[account]]\nname = \"{}\"\nid = \"{account}\"\nrole_arn = \"{}\"\n{apply}{trust}regions = [{regions}]\n",
        roles.name,
        roles.role_arn(READ_ROLE)
    )
}

/// The whole head of a file: what it makes, what to do first, how to apply it, and what to do then.
#[must_use]
pub fn guide(roles: &Roles, how: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = [
        "The roles that Trimtab takes in an AWS account: TrimtabRead, and TrimtabApply only where access is \"apply\".",
        "What each statement is for, and where it could lead in other hands, stands beside it. Nothing here is secret.",
        "",
        "1. Where the agent's principal comes from. It needs one right, sts:AssumeRole on these two roles:",
    ]
    .map(str::to_owned)
    .into();
    lines.push(format!("     {}", base_policy(&roles.partition)));
    let bases = [
        "- an EC2 instance: the role of its instance profile (IMDSv2 required, hop limit 1);",
        "- EKS: the role of the pod's service account, by IRSA (eks.amazonaws.com/role-arn), or by Pod Identity with",
        "  --disable-session-tags: its tags would go on to these roles, which take none;",
        "- elsewhere: an IAM user. Its keys come from systemd's LoadCredential and AWS_SHARED_CREDENTIALS_FILE; turn them",
        "  over often. Prefer the others: their credentials end by themselves.",
    ];
    lines.extend(bases.map(|line| format!("   {line}")));
    lines.push(String::new());
    lines.push("2. Apply this file.".to_owned());
    lines.extend(how.iter().map(|line| format!("   {line}")));
    lines.push(String::new());
    lines.push("3. Add to trimtab.toml:".to_owned());
    lines.extend(account_section(roles).lines().map(|line| format!("     {line}")));
    lines.push(String::new());
    lines.push(format!("4. trimtab connect verify --account {}", roles.name));
    lines.push(String::new());
    lines
}

/// What the agent's own principal needs, on one line.
fn base_policy(partition: &str) -> String {
    let roles = [READ_ROLE, APPLY_ROLE].map(|role| format!("arn:{partition}:iam::*:role/{role}"));
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": roles }],
    })
    .to_string()
}

impl Roles {
    /// How the CloudFormation template is applied: by hand, by a link where it lies in S3, and to a whole organization.
    #[must_use]
    pub fn how_by_cloudformation(&self, link: Option<&str>) -> Vec<String> {
        let mut lines = vec![
            format!("aws cloudformation deploy --stack-name {STACK} --template-file FILE \\"),
            format!(
                "  --capabilities CAPABILITY_NAMED_IAM --parameter-overrides {}",
                self.overrides()
            ),
        ];
        match link {
            Some(link) => {
                lines.push("Or with the template in S3, by this link to the console:".to_owned());
                lines.push(format!("  {link}"));
            }
            None => lines.push(
                "Or with the template in S3: trimtab connect cloudformation --template-url URL … prints a link to the console."
                    .to_owned(),
            ),
        }
        let organization = [
            "To every account of an organization, from its management or delegated account (an external id is one account's:",
            "the roles of a StackSet trust the organization, trimtab connect cloudformation --organization ID):",
            "  aws cloudformation create-stack-set --stack-set-name trimtab-roles --template-body file://FILE \\",
            "    --capabilities CAPABILITY_NAMED_IAM --permission-model SERVICE_MANAGED \\",
            "    --auto-deployment Enabled=true,RetainStacksOnAccountRemoval=false \\",
            "    --parameters ParameterKey=Principal,ParameterValue=ARN ParameterKey=Access,ParameterValue=apply",
            "  aws cloudformation create-stack-instances --stack-set-name trimtab-roles --regions us-east-1 \\",
            "    --deployment-targets OrganizationalUnitIds=OU",
            "IAM knows no regions: one region for each account is enough.",
        ];
        lines.extend(organization.map(str::to_owned));
        lines
    }

    /// How the Terraform module is applied.
    #[must_use]
    pub fn how_by_terraform(&self) -> Vec<String> {
        [
            "terraform init && terraform plan && terraform apply, with the account's credentials; or as a module of yours.",
            "What has no default is asked for. To switch kinds or the apply role later, set kinds and access.",
        ]
        .map(str::to_owned)
        .into()
    }

    fn overrides(&self) -> String {
        let kinds =
            Kind::ALL.map(|kind| format!("{}={}", plural(kind), self.kinds.contains(&kind)));
        let trust = match &self.trust {
            RoleTrust::ExternalId(id) => format!("ExternalId={}", id.as_deref().unwrap_or("ID")),
            RoleTrust::Organization(id) => format!("OrganizationId={id}"),
        };
        let principal = self.principal.as_deref().unwrap_or("ARN");
        format!(
            "Principal={principal} {trust} Access={} {}",
            access_word(self.access),
            kinds.join(" ")
        )
    }
}
