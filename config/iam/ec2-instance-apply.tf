data "aws_iam_policy_document" "trimtab_apply" {
  # ec2:StopInstances: a type changes only while the machine is off
  # ec2:StartInstances: starts what was stopped
  statement {
    sid       = "Ec2ApplyInstance"
    effect    = "Allow"
    actions   = ["ec2:StartInstances", "ec2:StopInstances"]
    resources = ["arn:aws:ec2:*:*:instance/*"]
  }

  # ec2:ModifyInstanceAttribute: sets the instance type
  # Escalation: ec2:ModifyInstanceAttribute: without the limit it replaces user data, which runs as root with the machine's role, and security groups
  statement {
    sid       = "Ec2ApplyInstance2"
    effect    = "Allow"
    actions   = ["ec2:ModifyInstanceAttribute"]
    resources = ["arn:aws:ec2:*:*:instance/*"]

    condition {
      test     = "StringEquals"
      variable = "ec2:Attribute"
      values   = ["InstanceType"]
    }
  }

  # ec2:CreateTags: marks a machine before it is stopped
  # ec2:DeleteTags: removes the mark
  # Escalation: ec2:CreateTags: without the limit it sets tags by which other policies grant
  # Escalation: ec2:DeleteTags: without the limit it removes the tag that keeps Trimtab out
  statement {
    sid       = "Ec2ApplyInstance3"
    effect    = "Allow"
    actions   = ["ec2:CreateTags", "ec2:DeleteTags"]
    resources = ["arn:aws:ec2:*:*:instance/*"]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "aws:TagKeys"
      values   = ["trimtab:change", "trimtab:was"]
    }

    condition {
      test     = "Null"
      variable = "aws:TagKeys"
      values   = ["false"]
    }
  }

  # elasticloadbalancing:DeregisterTargets: drains a machine before it is stopped
  # elasticloadbalancing:RegisterTargets: puts it back once it is well
  # Escalation: elasticloadbalancing:RegisterTargets: IAM cannot name the target: it can send a group's requests to another machine of the network
  statement {
    sid       = "ElasticloadbalancingApplyTargetGroup"
    effect    = "Allow"
    actions   = ["elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"]
    resources = ["arn:aws:elasticloadbalancing:*:*:targetgroup/*"]
  }

  # whatever carries the tag trimtab:exclude, with any value, is left alone
  statement {
    sid       = "Excluded"
    effect    = "Deny"
    actions   = ["ec2:CreateTags", "ec2:ModifyInstanceAttribute", "ec2:StopInstances", "elasticloadbalancing:DeregisterTargets"]
    resources = ["*"]

    condition {
      test     = "Null"
      variable = "aws:ResourceTag/trimtab:exclude"
      values   = ["false"]
    }
  }

  # Trimtab never deletes these, or deletes are not switched on
  statement {
    sid       = "NoDeletes"
    effect    = "Deny"
    actions   = ["ec2:TerminateInstances"]
    resources = ["*"]
  }

  # of a machine nothing but its type is ever set: no user data, no role, no network
  statement {
    sid       = "NoOtherAttributes"
    effect    = "Deny"
    actions   = ["ec2:ModifyInstanceAttribute"]
    resources = ["*"]

    condition {
      test     = "StringNotEquals"
      variable = "ec2:Attribute"
      values   = ["InstanceType"]
    }
  }
}
