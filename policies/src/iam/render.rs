//! Statements as the files that people apply: Terraform and CloudFormation, each statement with its reasons.
//!
//! Not here: which statements there are (`super`), and the plain policy document, which has no room for reasons.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Statement, policy};

/// A Terraform data source of the policy document, named `name`.
#[must_use]
pub fn terraform(name: &str, statements: &[Statement]) -> String {
    let mut text = format!("data \"aws_iam_policy_document\" \"{name}\" {{\n");
    for (index, statement) in statements.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        terraform_statement(&mut text, statement);
    }
    text.push_str("}\n");
    text
}

fn terraform_statement(text: &mut String, statement: &Statement) {
    for told in statement.told() {
        line(text, 1, &format!("# {told}"));
    }
    line(text, 1, "statement {");
    line(text, 2, &format!("sid       = {}", quoted(&statement.sid)));
    line(text, 2, &format!("effect    = {}", quoted(statement.effect)));
    line(text, 2, &format!("actions   = {}", list(&statement.actions)));
    line(text, 2, &format!("resources = {}", list(&statement.resources)));
    for (operator, keys) in &statement.conditions {
        for (key, values) in keys {
            text.push('\n');
            line(text, 2, "condition {");
            line(text, 3, &format!("test     = {}", quoted(operator)));
            line(text, 3, &format!("variable = {}", quoted(key)));
            line(text, 3, &format!("values   = {}", list(values)));
            line(text, 2, "}");
        }
    }
    line(text, 1, "}");
}

fn line(text: &mut String, depth: usize, content: &str) {
    let indent = "  ".repeat(depth);
    writeln!(text, "{indent}{content}").expect("text grows without failing");
}

/// A string of HCL; `${` and `%{` would be read as templates.
pub(crate) fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace("${", "$${").replace("%{", "%%{"))
}

/// A list of strings.
pub(crate) fn list(values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    format!("[{}]", values.join(", "))
}

/// A CloudFormation template with the policy as a managed policy, whose ARN it gives out.
#[must_use]
pub fn cloudformation(description: &str, statements: &[Statement]) -> Value {
    let reasons = |of: fn(&Statement) -> &[String]| -> serde_json::Map<String, Value> {
        let told = statements.iter().filter(|one| !of(one).is_empty());
        told.map(|one| (one.sid.clone(), json!(of(one)))).collect()
    };
    json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": description,
        "Metadata": {
            "Reasons": reasons(|one| &one.why),
            "Escalations": reasons(|one| &one.escalations),
        },
        "Resources": {
            "TrimtabPolicy": {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {
                    "Description": description,
                    "PolicyDocument": policy(statements),
                },
            },
        },
        "Outputs": { "PolicyArn": { "Value": { "Ref": "TrimtabPolicy" } } },
    })
}
