//! The roles as a Terraform module of one file, formatted as `terraform fmt` does.
//!
//! Not here: how somebody applies it (`guide`).

use std::fmt::Write as _;

use trimtab_models::resource::Kind;

use super::{
    ACCESSES, EXTERNAL_ID_FORM, RoleTrust, Roles, SESSION_S, access_word, guide::commented,
    role_description, role_name,
};
use crate::{
    calls::Access,
    iam::{list, quoted, terraform},
};

/// The module, headed by what to do with it.
#[must_use]
pub fn module(roles: &Roles, heading: &[String]) -> String {
    let mut text = commented(heading);
    text.push_str(&variables(roles));
    text.push_str(&trust(&roles.trust));
    for access in ACCESSES {
        text.push_str(&role(access));
        for kind in Kind::ALL {
            let name = policy_name(access, kind);
            let _ = write!(text, "\n{}", terraform(&name, &roles.statements(kind, access)));
            text.push_str(&policy(access, kind));
        }
    }
    text.push_str(&outputs());
    text
}

/// One variable; what whoever applies the module must give has no default.
fn variable(
    name: &str,
    (kind, default): (&str, Option<String>),
    about: &str,
    form: &str,
) -> String {
    let width = "description".len();
    let mut text = format!("\nvariable \"{name}\" {{\n");
    let mut attribute = |key: &str, value: &str| {
        let _ = writeln!(text, "  {key:width$} = {value}");
    };
    attribute("description", &quoted(about));
    attribute("type", kind);
    if let Some(default) = default {
        attribute("default", &default);
    }
    let message = quoted(&format!("The value of {name} has another form."));
    let _ = write!(
        text,
        "\n  validation {{\n    condition     = {form}\n    error_message = {message}\n  }}\n}}\n"
    );
    text
}

fn variables(roles: &Roles) -> String {
    let kinds = Kind::ALL.map(|kind| kind.to_string());
    let on: Vec<String> = roles.kinds.iter().map(ToString::to_string).collect();
    let form = |name: &str, pattern: &str| format!("can(regex({}, var.{name}))", quoted(pattern));
    let text = |value: &Option<String>| ("string", value.as_deref().map(quoted));
    let principal = variable(
        "principal",
        text(&roles.principal),
        "The role or user that the Trimtab agent has. Nobody else can take the roles.",
        &form("principal", "^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+$"),
    );
    let trust = match &roles.trust {
        RoleTrust::ExternalId(id) => variable(
            "external_id",
            text(id),
            "Made by trimtab connect for this account alone; trimtab.toml holds it. Never choose one.",
            &form("external_id", EXTERNAL_ID_FORM),
        ),
        RoleTrust::Organization(id) => variable(
            "organization_id",
            text(&Some(id.clone())),
            "The organization that the agent's principal must belong to.",
            &form("organization_id", "^o-[a-z0-9]{10,32}$"),
        ),
    };
    let access = variable(
        "access",
        ("string", Some(quoted(access_word(roles.access)))),
        "read makes the read role only; apply makes the apply role beside it.",
        "contains([\"read\", \"apply\"], var.access)",
    );
    let kinds = variable(
        "kinds",
        ("set(string)", Some(list(&on))),
        "The kinds of resource that the roles reach.",
        &format!("length(setsubtract(var.kinds, {})) == 0", list(&kinds)),
    );
    [principal, trust, access, kinds].concat()
}

fn trust(trust: &RoleTrust) -> String {
    let (key, variable) = match trust {
        RoleTrust::ExternalId(_) => ("sts:ExternalId", "external_id"),
        RoleTrust::Organization(_) => ("aws:PrincipalOrgID", "organization_id"),
    };
    format!(
        "
data \"aws_iam_policy_document\" \"trimtab_trust\" {{
  statement {{
    effect  = \"Allow\"
    actions = [\"sts:AssumeRole\"]

    principals {{
      type        = \"AWS\"
      identifiers = [var.principal]
    }}

    condition {{
      test     = \"StringEquals\"
      variable = {}
      values   = [var.{variable}]
    }}
  }}
}}
",
        quoted(key)
    )
}

fn resource_name(access: Access) -> &'static str {
    match access {
        Access::Read => "trimtab_read",
        Access::Apply => "trimtab_apply",
    }
}

fn policy_name(access: Access, kind: Kind) -> String {
    format!("{}_{}", resource_name(access), kind.as_str().replace('-', "_"))
}

/// Whether the role is there, and how it is named then.
fn role_path(access: Access) -> String {
    match access {
        Access::Read => "aws_iam_role.trimtab_read".to_owned(),
        Access::Apply => "aws_iam_role.trimtab_apply[0]".to_owned(),
    }
}

fn role(access: Access) -> String {
    let count = match access {
        Access::Read => "",
        Access::Apply => "  count = var.access == \"apply\" ? 1 : 0\n\n",
    };
    format!(
        "
resource \"aws_iam_role\" \"{}\" {{
{count}  name                 = {}
  description          = {}
  max_session_duration = {SESSION_S}
  assume_role_policy   = data.aws_iam_policy_document.trimtab_trust.json
}}
",
        resource_name(access),
        quoted(role_name(access)),
        quoted(role_description(access))
    )
}

fn policy(access: Access, kind: Kind) -> String {
    let (name, kind) = (policy_name(access, kind), kind.as_str());
    let wanted = match access {
        Access::Read => format!("contains(var.kinds, \"{kind}\")"),
        Access::Apply => format!("var.access == \"apply\" && contains(var.kinds, \"{kind}\")"),
    };
    format!(
        "
resource \"aws_iam_policy\" \"{name}\" {{
  count = {wanted} ? 1 : 0

  name        = \"{role}-{kind}\"
  description = \"What {role} may do with {kind}.\"
  policy      = data.aws_iam_policy_document.{name}.json
}}

resource \"aws_iam_role_policy_attachment\" \"{name}\" {{
  count = {wanted} ? 1 : 0

  role       = {path}.name
  policy_arn = aws_iam_policy.{name}[0].arn
}}
",
        role = role_name(access),
        path = role_path(access),
    )
}

fn outputs() -> String {
    let read = "
output \"role_arn\" {
  value = aws_iam_role.trimtab_read.arn
}
";
    let apply = "
output \"apply_role_arn\" {
  value = one(aws_iam_role.trimtab_apply[*].arn)
}
";
    [read, apply].concat()
}
